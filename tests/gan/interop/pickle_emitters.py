"""Pickles written byte by byte: what NVlabs' files are made of, and what hostile ones are.

Every function gives the opcodes that leave one value on the stack.
"""

import struct

import numpy as np

STOP = b"."
NONE, TRUE, FALSE = b"N", b"\x88", b"\x89"
MAGIC = 0x1950A86A20F9469CFC6C
KINDS = {"f4": "FloatStorage", "f8": "DoubleStorage", "f2": "HalfStorage", "i8": "LongStorage"}


def pickled(value, protocol=4):
    return b"\x80" + bytes([protocol]) + value + STOP


def text(value):
    data = value.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def short_text(value):
    return b"\x8c" + bytes([len(value)]) + value.encode()


def raw(value):
    return b"B" + struct.pack("<I", len(value)) + value


def number(value):
    if isinstance(value, float):
        return b"G" + struct.pack(">d", value)
    if 0 <= value < 256:
        return b"K" + bytes([value])
    if -(2**31) <= value < 2**31:
        return b"J" + struct.pack("<i", value)
    data = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(data)]) + data


def name(module, attribute):
    """A global, as protocols 2 and 3 have it."""
    return f"c{module}\n{attribute}\n".encode()


def stack_name(module, attribute):
    """A global, as protocol 4 has it."""
    return short_text(module) + short_text(attribute) + b"\x93"


def group(*items):
    return b"(" + b"".join(items) + b"t"


def pair(first, second):
    return first + second + b"\x86"


def listed(*items):
    return b"](" + b"".join(items) + b"e"


def mapping(items):
    return b"}(" + b"".join(text(key) + item for key, item in items.items()) + b"u"


def easy_dict(items):
    pairs = b"".join(text(key) + item for key, item in items.items())
    return name("dnnlib.util", "EasyDict") + b")\x81(" + pairs + b"u"


def call(module, attribute, *arguments, named=name):
    return named(module, attribute) + group(*arguments) + b"R"


def value(item):
    if item is None or isinstance(item, bool):
        return {None: NONE, True: TRUE, False: FALSE}[item]
    if isinstance(item, np.floating):
        return numpy_number(item)
    if isinstance(item, int | float):
        return number(item)
    if isinstance(item, str):
        return text(item)
    if isinstance(item, dict):
        return easy_dict({key: value(part) for key, part in item.items()})
    return listed(*(value(part) for part in item))


def numpy_number(item, module="numpy.core.multiarray"):
    code = item.dtype.str[1:]
    kind = call("numpy", "dtype", text(code), FALSE, TRUE)
    state = group(number(3), text("<"), NONE, NONE, NONE, number(-1), number(-1), number(0))
    return call(module, "scalar", kind + state + b"b", raw(item.tobytes()))


def storage_bytes(array, **lies):
    """The five pickles and the elements of a storage; `lies` replace what is true."""
    truth = {
        "magic": pickled(number(MAGIC), 2),
        "version": pickled(number(1001), 2),
        "machine": pickled(mapping({"little_endian": TRUE}), 2),
        "kind": name("torch", KINDS[array.dtype.str[1:]]),
        "count": array.size,
        "view": NONE,
        "tag": text("storage"),
        "count_again": array.size,
        "elements": array.tobytes(),
        "after": b"",
    }
    is_ = {**truth, **lies}
    identity = group(
        is_["tag"], is_["kind"], text("7"), text("cpu"), number(is_["count"]), is_["view"]
    )
    described = pickled(is_.get("described", identity + b"Q"), 2)
    keys = pickled(listed(text("7")), 2)
    head = is_["magic"] + is_["version"] + is_["machine"] + described + keys
    return head + struct.pack("<q", is_["count_again"]) + is_["elements"] + is_["after"]


def storage(array, **lies):
    return call("torch.storage", "_load_from_bytes", raw(storage_bytes(array, **lies)))


def tensor(array, *, size=None, stride=None, offset=0, stored=None):
    """A tensor; `size`, `stride`, `offset` and `stored` may be given to lie."""
    array = (
        np.asarray(array, np.float32) if np.asarray(array).dtype == object else np.asarray(array)
    )
    array = np.array(array, order="C")
    size = array.shape if size is None else size
    stride = tuple(s // array.itemsize for s in array.strides) if stride is None else stride
    return call(
        "torch._utils",
        "_rebuild_tensor_v2",
        storage(array) if stored is None else stored,
        offset if isinstance(offset, bytes) else number(offset),
        group(*(part if isinstance(part, bytes) else number(part) for part in size)),
        group(*map(number, stride)),
        FALSE,
        call("collections", "OrderedDict"),
    )


def parameter(array):
    return call(
        "torch._utils",
        "_rebuild_parameter",
        tensor(array),
        FALSE,
        call("collections", "OrderedDict"),
    )


def module(class_name, *, parameters=None, buffers=None, modules=None, **more):
    """A persistent object; `more` may have `args`, `kwargs`, `source`, `version`, `type_`."""
    state = {
        "training": FALSE,
        "_non_persistent_buffers_set": call("builtins", "set", listed()),
        "_forward_hooks": call("collections", "OrderedDict"),
        "_parameters": mapping(parameters or {}),
        "_buffers": mapping(buffers or {}),
        "_modules": mapping(modules or {}),
        "weight_gain": numpy_number(np.float64(0.25)),
        "_init_args": group(*map(value, more.get("args", ()))),
        "_init_kwargs": value(more.get("kwargs", {})),
    }
    meta = {
        "type": text(more.get("type_", "class")),
        "version": number(more.get("version", 6)),
        "module_src": text(more.get("source", "raise RuntimeError('this ran')")),
        "class_name": text(class_name),
        "state": mapping(state),
    }
    return call("torch_utils.persistence", "_reconstruct_persistent_obj", mapping(meta))


def network(class_name, tensors, *, is_buffer=lambda name: False, **more):
    """A network whose modules nest as the dotted names of `tensors` say."""
    own = {key: array for key, array in tensors.items() if "." not in key}
    inner = {}
    for key, array in tensors.items():
        if "." in key:
            part, rest = key.split(".", 1)
            inner.setdefault(part, {})[rest] = array
    modules = {
        part: network(more.get("classes", {}).get(part, "Layer"), arrays, is_buffer=is_buffer)
        for part, arrays in inner.items()
    }
    more.pop("classes", None)
    return module(
        class_name,
        parameters={key: parameter(a) for key, a in own.items() if not is_buffer(key)},
        buffers={key: tensor(a) for key, a in own.items() if is_buffer(key)},
        modules=modules,
        **more,
    )


def checkpoint(**networks):
    plain = {"training_set_kwargs": NONE, "augment_pipe": NONE}
    return pickled(mapping({**networks, **plain}))


def small_checkpoint(**more):
    """One network of two tensors and a part, about 2 kB."""
    part = module("Layer", buffers={"average": tensor(np.arange(3, dtype=np.float32))})
    weight = np.arange(6, dtype=np.float32).reshape(2, 3)
    whole = {"parameters": {"weight": parameter(weight)}, "modules": {"part": part}, **more}
    return checkpoint(G_ema=module("Generator", **whole))
