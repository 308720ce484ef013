import ast
import hashlib
import json
import pickle
import subprocess
import sys
import zipfile
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pickle_emitters import (
    FALSE,
    NONE,
    TRUE,
    call,
    checkpoint,
    easy_dict,
    group,
    listed,
    mapping,
    module,
    name,
    network,
    number,
    numpy_number,
    pair,
    pickled,
    raw,
    short_text,
    small_checkpoint,
    stack_name,
    storage,
    storage_bytes,
    tensor,
    text,
    value,
)

from wunderkammer.gan.interop import pickle_machine, pickle_reader, pickled_tensors
from wunderkammer.gan.interop.errors import (
    CheckpointFileError,
    HostilePickleError,
    UnreadablePickleError,
    UnsupportedNetworkError,
)
from wunderkammer.gan.interop.pickle_machine import Limits
from wunderkammer.gan.interop.pickle_reader import parse_networks, read_nvlabs_pickle

LIMITS = Limits()
RECONSTRUCT = name("torch_utils.persistence", "_reconstruct_persistent_obj")


def parse(content, **limits):
    return parse_networks(content, limits=Limits(**limits))


# What honest files hold


def test_a_network_is_its_tensors_its_classes_and_what_it_was_made_with():
    tensors = {"weight": np.ones((2, 3), np.float32), "inner.bias": np.arange(4, dtype=np.float32)}
    source = "import os\n"
    made = network(
        "Generator",
        tensors,
        classes={"inner": "FullyConnectedLayer"},
        args=(7,),
        kwargs={"z_dim": 64, "mapping_kwargs": {"num_layers": 2}, "clamp": None, "gain": 0.5},
        source=source,
    )
    found = parse(checkpoint(G_ema=made))["G_ema"]
    assert found.class_name == "Generator"
    assert found.classes == {"": "Generator", "inner": "FullyConnectedLayer"}
    assert found.init_args == (7,)
    assert found.init_kwargs == {
        "z_dim": 64,
        "mapping_kwargs": {"num_layers": 2},
        "clamp": None,
        "gain": 0.5,
    }
    assert found.tensors.keys() == tensors.keys()
    for key, array in tensors.items():
        np.testing.assert_array_equal(found.tensors[key], array)
    assert found.source_sha256 == hashlib.sha256(source.encode()).hexdigest()


def test_all_three_networks_are_found_and_what_else_there_is_is_not_taken():
    part = module("Generator")
    found = parse(checkpoint(G=part, D=module("Discriminator"), G_ema=part, more=text("x")))
    assert {key: net.class_name for key, net in found.items()} == {
        "G": "Generator",
        "D": "Discriminator",
        "G_ema": "Generator",
    }


def test_protocol_4_with_its_frames_sets_and_memo_is_read_like_protocol_3():
    weight = tensor(np.arange(3, dtype=np.float32))
    state = {
        "_parameters": b"}(" + short_text("w") + weight + b"\x94u",
        "_buffers": b"}(" + short_text("again") + b"h\x01u",
        "_modules": b"}",
        "_non_persistent_buffers_set": b"\x8f(" + short_text("x") + b"\x90",
        "_init_args": b")",
        "_init_kwargs": b"}",
    }
    meta = mapping(
        {
            "type": text("class"),
            "version": number(6),
            "module_src": text(""),
            "class_name": text("Generator"),
            "state": mapping(state),
        }
    )
    reconstruct = stack_name("torch_utils.persistence", "_reconstruct_persistent_obj") + b"\x94"
    made = b"}" + short_text("G_ema") + reconstruct + meta + b"\x85Rs"
    frame = b"\x95" + (len(made) + 1).to_bytes(8, "little")
    found = parse(pickled(frame + made))["G_ema"]
    np.testing.assert_array_equal(found.tensors["w"], [0, 1, 2])
    np.testing.assert_array_equal(found.tensors["again"], [0, 1, 2])


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16, np.int64])
def test_a_storage_of_each_type_is_read(dtype):
    array = np.arange(-3, 3, dtype=dtype)
    found = parse(small_checkpoint(buffers={"b": tensor(array)}))["G_ema"].tensors["b"]
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, array)


def test_sizes_strides_and_offset_are_those_of_the_tensor():
    store = storage(np.arange(12, dtype=np.float32))
    made = tensor(np.zeros(1), size=(2, 3), stride=(1, 4), offset=1, stored=store)
    found = parse(small_checkpoint(buffers={"b": made}))["G_ema"].tensors["b"]
    np.testing.assert_array_equal(found, [[1, 5, 9], [2, 6, 10]])


def test_a_tensor_of_no_dimension_or_no_element_is_read():
    buffers = {"one": tensor(np.float32(5)), "none": tensor(np.zeros((0, 4), np.float32))}
    found = parse(small_checkpoint(buffers=buffers))["G_ema"].tensors
    assert found["one"].shape == ()
    assert found["one"] == 5
    assert found["none"].shape == (0, 4)


def test_tensors_cannot_be_written_to():
    weight = parse(small_checkpoint())["G_ema"].tensors["weight"]
    with pytest.raises(ValueError, match="read-only"):
        weight[0] = 1


@pytest.mark.parametrize("package", ["numpy.core.multiarray", "numpy._core.multiarray"])
def test_numbers_of_numpy_are_numbers(package):
    made = module("Generator", kwargs={"gain": 0.0})
    made = made.replace(value(0.0), numpy_number(np.float64(0.125), package))
    assert parse(checkpoint(G_ema=made))["G_ema"].init_kwargs == {"gain": 0.125}


def test_the_hash_is_checked_and_told(tmp_path):
    file = tmp_path / "x.pkl"
    file.write_bytes(small_checkpoint())
    sha256 = hashlib.sha256(small_checkpoint()).hexdigest()
    assert read_nvlabs_pickle(file, sha256=sha256.upper()).sha256 == sha256
    with pytest.raises(UnreadablePickleError, match=f"hashes to {sha256}, not to 00"):
        read_nvlabs_pickle(file, sha256="0" * 64)


def test_the_file_is_named_in_the_message(tmp_path):
    file = tmp_path / "x.pkl"
    file.write_bytes(small_checkpoint()[:-1])
    with pytest.raises(UnreadablePickleError, match=r"x\.pkl: the pickle is cut off"):
        read_nvlabs_pickle(file)


# Hostile files

SYSTEM = text("touch pwned")


def kept(made, index):
    """The value, put into the memo, and the opcodes that get it back."""
    return made + b"q" + bytes([index]), b"h" + bytes([index])


def doubling(levels):
    """A list of two lists of two lists …, each twice the same."""
    made = b"]"
    for level in range(levels):
        made = listed(*kept(made, level))
    return made


def doubled_modules(levels):
    made = module("Layer")
    for level in range(levels):
        first, again = kept(made, level)
        made = module("Layer", modules={"a": first, "b": again})
    return made


def with_kwargs(made):
    """A checkpoint whose network was made with one setting: the value of these opcodes."""
    whole = module("Generator", kwargs={"x": 12345.678})
    return checkpoint(G_ema=whole.replace(value(12345.678), made))


def with_buffer(made):
    return small_checkpoint(buffers={"b": made})


RUNS = {
    "a global by GLOBAL": pickled(call("os", "system", SYSTEM)),
    "a global by STACK_GLOBAL": pickled(call("os", "system", SYSTEM, named=stack_name)),
    "posix.system": pickled(call("posix", "system", SYSTEM)),
    "builtins.eval": pickled(
        call("builtins", "eval", text("__import__('os').system('touch pwned')"))
    ),
    "builtins.exec": pickled(call("builtins", "exec", text("open('pwned', 'w').close()"))),
    "subprocess.call by OBJ": pickled(
        b"(" + name("subprocess", "check_output") + listed(text("touch"), text("pwned")) + b"o"
    ),
    "os.system by INST": pickled(b"(" + SYSTEM + b"ios\nsystem\n", 2),
    "a class by NEWOBJ": pickled(name("subprocess", "Popen") + group(text("true")) + b"\x81"),
    "a class by NEWOBJ_EX": pickled(name("subprocess", "Popen") + group() + b"}\x92"),
    "a tower of names": pickled(
        stack_name("builtins", "getattr") + pair(stack_name("os", "path"), text("os")) + b"R"
    ),
}

REFUSED = {
    **{key: (content, "asks for|opcode") for key, content in RUNS.items()},
    "an extension": (pickled(b"\x82\x01"), "opcode EXT1"),
    "a second beginning": (pickled(b"\x80\x04" + NONE), "opcode PROTO"),
    "a long extension": (pickled(b"\x84\x01\x00\x00\x00"), "opcode EXT4"),
    "a persistent id": (pickled(text("x") + b"Q"), "BINPERSID is allowed in the storages"),
    "a persistent id as text": (pickled(b"Px\n"), "opcode PERSID"),
    "a buffer": (pickled(b"\x97"), "opcode NEXT_BUFFER"),
    "a byte array": (pickled(b"\x96" + bytes(8)), "opcode BYTEARRAY8"),
    "a frozen set": (pickled(b"(\x91"), "opcode FROZENSET"),
    "a value taken off": (pickled(NONE + NONE + b"0"), "opcode POP"),
    "a value doubled": (pickled(NONE + b"2"), "opcode DUP"),
    "text of protocol 0": (pickled(b"S'x'\n"), "opcode STRING"),
    "BUILD on a callable": (pickled(RECONSTRUCT + b"}b"), "BUILD changes the global torch_utils"),
    "BUILD on a class": (
        pickled(name("dnnlib.util", "EasyDict") + b"}b"),
        "BUILD changes the global",
    ),
    "BUILD on a dict": (pickled(b"}}b"), "BUILD changes a dict"),
    "BUILD on a network": (pickled(module("G") + b"}b"), "BUILD changes a _Module"),
    "BUILD on a tensor": (
        pickled(tensor(np.ones(2, np.float32)) + b"}b"),
        "BUILD changes a Stored",
    ),
    "BUILD of a big-endian type": (
        pickled(
            call("numpy", "dtype", text("f8"), FALSE, TRUE) + group(number(3), text(">")) + b"b"
        ),
        "more of a numpy type than its byte order",
    ),
    "items of a callable": (
        pickled(RECONSTRUCT + text("a") + NONE + b"s"),
        "sets items of the global",
    ),
    "appends to a callable": (pickled(RECONSTRUCT + NONE + b"a"), "appends to the global"),
    "appends to a tuple": (pickled(b")" + NONE + b"a"), "appends to a tuple"),
    "adds to a dict": (pickled(b"}(" + text("a") + b"\x90"), "to no set"),
    "adds a number to a set": (pickled(b"\x8f(" + number(1) + b"\x90"), "other than text"),
    "a key that is no text": (pickled(b"}" + number(1) + NONE + b"s"), "a int is the key"),
    "a name made of a name": (
        pickled(RECONSTRUCT + text("x") + b"\x93"),
        "names a global by the global",
    ),
    "the call of a string": (pickled(text("os.system") + group() + b"R"), "calls a str"),
    "the call of a class": (
        pickled(name("dnnlib", "EasyDict") + group() + b"R"),
        "calls the global",
    ),
    "the call of what a call gave": (
        pickled(call("collections", "OrderedDict") + group() + b"R"),
        "calls a dict",
    ),
    "a call with a list": (pickled(RECONSTRUCT + b"]R"), "with a list"),
    "an object of a callable": (pickled(RECONSTRUCT + b")\x81"), "makes an object of the global"),
    "an object with arguments": (
        pickled(name("dnnlib.util", "EasyDict") + group(NONE) + b"\x81"),
        "from a tuple",
    ),
    "a memo entry overwritten": (pickled(b"}q\x00" + NONE + b"q\x00"), "entry 0 is overwritten"),
    "a memo entry overwritten by MEMOIZE": (
        pickled(b"}q\x01" + NONE + b"\x94"),
        "entry 1 is overwritten",
    ),
    "a numpy type of objects": (pickled(call("numpy", "dtype", text("O8"))), "not that of a plain"),
    "os.system in a storage": (
        with_buffer(
            storage(np.ones(2, np.float32), machine=pickled(call("os", "system", SYSTEM), 2))
        ),
        "asks for 'os.system'",
    ),
    "a network in a storage": (
        with_buffer(storage(np.ones(2, np.float32), described=RECONSTRUCT)),
        "asks for 'torch_utils",
    ),
    "a foreign persistent id": (
        with_buffer(storage(np.ones(2, np.float32), tag=text("module"))),
        "not one of a storage",
    ),
    "a view of a storage": (
        with_buffer(storage(np.ones(2, np.float32), view=group(text("1"), number(0), number(1)))),
        "a storage is a view",
    ),
    "a storage of less than nothing": (
        with_buffer(storage(np.ones(2, np.float32), count=-1)),
        "of no known size",
    ),
    "a tensor beyond its storage": (
        with_buffer(tensor(np.ones(4, np.float32), size=(5,))),
        "a tensor of 5 elements reaches element 4 of a storage of 4",
    ),
    "an offset beyond the storage": (
        with_buffer(tensor(np.ones(4, np.float32), size=(1,), stride=(1,), offset=4)),
        "reaches element 4",
    ),
    "a stride beyond the storage": (
        with_buffer(tensor(np.ones(4, np.float32), size=(2,), stride=(4,))),
        "reaches element 4",
    ),
    "a stride of nothing": (
        with_buffer(tensor(np.ones(1, np.float32), size=(2**20,), stride=(0,))),
        "of 1048576 elements",
    ),
    "a negative stride": (
        with_buffer(tensor(np.ones(4, np.float32), size=(2,), stride=(-1,))),
        "whole numbers from 0",
    ),
    "a negative offset": (with_buffer(tensor(np.ones(4, np.float32), offset=-1)), "from 0 on"),
    "a size of truth": (with_buffer(tensor(np.ones(1, np.float32), size=(TRUE,))), "from 0 on"),
    "too many dimensions": (
        with_buffer(tensor(np.ones(1, np.float32), size=(1,) * 9, stride=(1,) * 9)),
        "9 dimensions; at most 8",
    ),
    "a tensor without an end": (
        with_buffer(tensor(np.ones(1, np.float32), size=(2**62,) * 4, stride=(1,) * 4)),
        "limit 268435456",
    ),
    "lists that double forty times": (with_kwargs(doubling(40)), "unfolds to more than"),
    "modules that double thirty times": (
        checkpoint(G_ema=doubled_modules(30)),
        "unfolds to more than",
    ),
    "a list that holds itself": (with_kwargs(b"]q\x00h\x00a"), "32 levels"),
    "a module that holds itself": (
        checkpoint(
            G_ema=RECONSTRUCT
            + mapping({"type": text("class"), "version": number(6)})
            + b"q\x00("
            + text("module_src")
            + text("")
            + text("class_name")
            + text("G")
            + text("state")
            + mapping(
                {
                    "_parameters": b"}",
                    "_buffers": b"}",
                    "_init_args": b")",
                    "_init_kwargs": b"}",
                    "_modules": mapping({"x": RECONSTRUCT + b"h\x00\x85R"}),
                }
            )
            + b"u\x85R"
        ),
        "32 levels",
    ),
    "lists in lists, a hundred thousand deep": (
        with_kwargs(b"]" * 100_000 + b"a" * 99_999),
        "32 levels",
    ),
    "marks in marks": (pickled(b"(" * 1000), "more than 256 marks"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_hostile_file_is_refused_with_the_reason(case):
    content, reason = REFUSED[case]
    with pytest.raises(HostilePickleError, match=reason):
        parse(content)


@pytest.mark.parametrize("case", ["a global by GLOBAL", "builtins.exec", "os.system by INST"])
def test_the_hostile_fixtures_would_run_under_pythons_own_unpickler(case, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pickle.loads(RUNS[case])
    assert (tmp_path / "pwned").exists()


AUDIT = """
import json, sys
from pathlib import Path
from wunderkammer.gan.interop.errors import CheckpointFileError
from wunderkammer.gan.interop.pickle_reader import read_nvlabs_pickle

files = sorted(Path(sys.argv[1]).glob("*.pkl"))
read_nvlabs_pickle(files[0])
events = []
sys.addaudithook(lambda event, a: events.append([event, str(a[0]) if event == "open" else ""]))
outcomes = []
for file in files:
    try:
        read_nvlabs_pickle(file)
        outcomes.append("read")
    except CheckpointFileError as error:
        outcomes.append(type(error).__name__)
print(json.dumps([events, outcomes, list(map(str, files))]))
"""


def test_no_code_is_compiled_imported_or_run_whatever_the_file(tmp_path):
    poisoned = "import os\nos.system('touch pwned')\n"
    (tmp_path / "0.pkl").write_bytes(small_checkpoint(source=poisoned))
    for index, (content, _) in enumerate(REFUSED.values(), 1):
        (tmp_path / f"{index}.pkl").write_bytes(content)
    project = Path(__file__).parents[3]
    run = subprocess.run(
        [sys.executable, "-c", AUDIT, str(tmp_path)],
        cwd=tmp_path,
        env={"PYTHONPATH": str(project), "PATH": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    events, outcomes, files = json.loads(run.stdout)
    assert outcomes == ["read"] + ["HostilePickleError"] * len(REFUSED)
    assert {event for event, _ in events} == {"open"}
    assert {opened for _, opened in events} == set(files)
    assert not (tmp_path / "pwned").exists()


def test_the_modules_that_read_can_neither_run_nor_import_anything():
    for part in (pickle_machine, pickled_tensors, pickle_reader):
        tree = ast.parse(Path(part.__file__).read_text())
        called = {
            n.func.id
            for n in ast.walk(tree)
            if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)
        }
        assert not called & {"eval", "exec", "compile", "__import__", "getattr", "setattr", "open"}
        imported = {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
        imported |= {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
        assert not {i.split(".")[0] for i in imported} & {
            "pickle",
            "torch",
            "importlib",
            "marshal",
            "os",
        }


# Limits


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        ({"operations": 50}, "more than 50 operations"),
        ({"open_marks": 3}, "more than 3 marks"),
        ({"name_length": 5}, "a name of 6 letters; limit 5"),
        ({"values": 3}, "more than 3 values"),
        ({"depth": 0}, "0 levels"),
        ({"tensor_elements": 5}, "6 elements; limit 5"),
        ({"total_elements": 8}, "together have more than 8 elements"),
    ],
)
def test_a_file_over_a_limit_is_refused_with_the_limit(limits, reason):
    assert parse(small_checkpoint())
    with pytest.raises(HostilePickleError, match=reason):
        parse(small_checkpoint(), **limits)


def test_a_file_that_is_too_large_is_not_even_read(tmp_path, monkeypatch):
    file = tmp_path / "x.pkl"
    file.write_bytes(small_checkpoint())
    size = len(small_checkpoint())
    monkeypatch.setattr(Path, "read_bytes", lambda _: pytest.fail("it was read"))
    with pytest.raises(HostilePickleError, match=f"{size} bytes; limit {size - 1}"):
        read_nvlabs_pickle(file, limits=Limits(file_bytes=size - 1))


def test_operations_inside_storages_count_too():
    blob = raw(storage_bytes(np.ones(1, np.float32))) + b"q\x00"
    load = name("torch.storage", "_load_from_bytes")
    many = b"](" + load + b"(" + blob + b"tR" + (load + b"(h\x00tR") * 500 + b"e"
    with pytest.raises(HostilePickleError, match="more than 10000 operations"):
        parse(pickled(many), operations=10_000)


# Damaged files


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the pickle is cut off"),
        (pickled(b"\xff"), "is no opcode"),
        (pickled(b"cos\nsystem"), "a global ends within its name"),
        (b"not a pickle at all", "begins with b'no'; no pickle of protocol 2 to 5 does"),
        (b"(dp0\n.", r"begins with b'\(d'"),
        (pickled(NONE, 1), "no pickle of protocol 2 to 5"),
        (pickled(NONE, 99), "no pickle of protocol 2 to 5"),
        (pickled(NONE + NONE), "2 values on the stack"),
        (pickled(b""), "0 values on the stack"),
        (pickled(b"(" + NONE), "1 values on the stack"),
        (pickled(NONE + b"t"), "a mark that was never set"),
        (pickled(b"\x85"), "an empty stack"),
        (pickled(b"h\x07"), "memo entry 7 was never set"),
        (pickled(b"}(" + text("a") + b"u"), "a key without a value"),
        (small_checkpoint() + b"x", "1 bytes follow"),
        (pickled(NONE), "holds a NoneType, not a dict"),
        (pickled(b"}"), "none of the networks G, D, G_ema"),
        (checkpoint(G_ema=text("x")), "none of the networks"),
        (checkpoint(G_ema=module("G", type_="function")), "dict of type 'class'"),
        (checkpoint(G_ema=RECONSTRUCT + group(NONE) + b"R"), "dict of type 'class'"),
        (checkpoint(G_ema=RECONSTRUCT + group() + b"R"), "made of 0 values"),
        (small_checkpoint(modules={"x": text("x")}), "part 'x' of a network is a str"),
        (small_checkpoint(parameters={"w": text("x")}), "tensor 'w' is a str"),
        (with_kwargs(tensor(np.ones(2, np.float32))), "a setting of a network is a StoredTensor"),
        (with_kwargs(RECONSTRUCT), "a setting of a network is the global"),
        (with_buffer(storage(np.ones(2, np.float32), magic=pickled(number(7), 2))), "format 1001"),
        (with_buffer(storage(np.ones(2, np.float32), version=pickled(NONE, 2))), "format 1001"),
        (with_buffer(storage(np.ones(2, np.float32), machine=pickled(b"}", 2))), "little-endian"),
        (with_buffer(storage(np.ones(2, np.float32), described=NONE)), "described by a NoneType"),
        (with_buffer(storage(np.ones(2, np.float32), count=3)), "3 elements of float32, 20 bytes"),
        (with_buffer(storage(np.ones(2, np.float32), count_again=3)), "2 elements and then 3"),
        (with_buffer(storage(np.ones(2, np.float32), after=b"x")), "16 bytes, and has 17"),
        (with_buffer(call("torch.storage", "_load_from_bytes", text("x"))), "one string of bytes"),
        (with_buffer(call("torch._utils", "_rebuild_tensor_v2", NONE)), "not made of a storage"),
        (with_buffer(tensor(np.ones(2, np.float32), stride=())), "do not belong together"),
        (with_buffer(call("torch._utils", "_rebuild_parameter", NONE, NONE, NONE)), "of a tensor"),
        (with_kwargs(call("numpy.core.multiarray", "scalar", NONE, raw(b""))), "a numpy number"),
        (with_kwargs(call("collections", "OrderedDict", NONE)), "expected empty"),
        (with_kwargs(call("builtins", "set", NONE)), "a set is not made of"),
    ],
)
def test_a_damaged_file_is_refused_with_the_reason(content, reason):
    with pytest.raises(UnreadablePickleError, match=reason):
        parse(content)


def test_a_file_cut_off_anywhere_is_unreadable():
    content = small_checkpoint()
    for length in range(len(content)):
        with pytest.raises(UnreadablePickleError):
            parse(content[:length])


@settings(max_examples=300)
@given(data=st.data())
def test_a_file_with_any_bytes_changed_is_read_or_refused_and_nothing_else(data):
    content = bytearray(small_checkpoint())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    with suppress(CheckpointFileError):
        parse(bytes(content))


@given(content=st.binary(max_size=200))
def test_any_bytes_are_refused_and_nothing_else(content):
    with pytest.raises(CheckpointFileError):
        parse(b"\x80\x04" + content)


def test_a_zip_archive_is_called_one(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.pt", "w") as archive:
        archive.writestr("data.pkl", b"")
    with pytest.raises(UnreadablePickleError, match=r"a zip archive, as torch\.save writes"):
        read_nvlabs_pickle(tmp_path / "x.pt")


def test_a_tensorflow_pickle_is_sent_to_the_tool_that_converts_it():
    network_class = name("dnnlib.tflib.network", "Network")
    with pytest.raises(UnsupportedNetworkError, match=r"python legacy\.py --source"):
        parse(pickled(group(network_class + b")\x81}b", NONE, NONE)))


def test_a_file_of_numpy_arrays_is_told_to_be_of_other_networks():
    kind = name("numpy", "ndarray")
    made = name("numpy._core.multiarray", "_reconstruct") + group(kind, group(), raw(b"b")) + b"R"
    with pytest.raises(UnsupportedNetworkError, match="as StyleGAN3 networks do"):
        parse(with_kwargs(made))


def test_another_version_of_the_format_is_refused():
    with pytest.raises(UnsupportedNetworkError, match="another version of the format than 6"):
        parse(checkpoint(G_ema=module("Generator", version=7)))


def test_settings_in_easy_dicts_of_either_name_are_read():
    other = easy_dict({"a": number(1)}).replace(b"dnnlib.util", b"dnnlib")
    assert parse(with_kwargs(other))["G_ema"].init_kwargs == {"x": {"a": 1}}
    assert parse(with_kwargs(listed(number(1), TRUE)))["G_ema"].init_kwargs == {"x": (1, True)}
