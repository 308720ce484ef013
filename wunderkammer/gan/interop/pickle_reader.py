"""The networks in an NVlabs StyleGAN2-ADA-PyTorch pickle, read without running anything in it.

Such a file is one pickle of a dict of networks. A network is a call of
`torch_utils.persistence._reconstruct_persistent_obj` on a dict with the source code of its class,
which is never looked at beyond its hash, and its state: tensors, networks inside it, and what its
constructor was given. Only these are taken.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import TypeVar

import numpy as np

from wunderkammer.gan.interop.errors import (
    CheckpointFileError,
    HostilePickleError,
    UnreadablePickleError,
    UnsupportedNetworkError,
)
from wunderkammer.gan.interop.pickle_machine import (
    Budget,
    Global,
    Limits,
    Value,
    Vocabulary,
    describe,
    interpret,
)
from wunderkammer.gan.interop.pickled_tensors import (
    StoredTensor,
    complete_scalar_type,
    tensor_calls,
)

PERSISTENCE_VERSION = 6
NETWORKS = ("G", "D", "G_ema")

T = TypeVar("T")


@dataclass(frozen=True)
class PickledNetwork:
    """A network as plain data.

    `tensors` and `classes` are by dotted name, as in a state dict; the network's own class is
    `class_name`. `source_sha256` is the hash of the code that the file carries for it.
    """

    class_name: str
    init_args: tuple[Value, ...]
    init_kwargs: Mapping[str, Value]
    tensors: Mapping[str, np.ndarray]
    classes: Mapping[str, str]
    source_sha256: str


@dataclass(frozen=True)
class NvlabsPickle:
    """What a file holds: its networks by name (G, D, G_ema, where present), and its own hash."""

    networks: Mapping[str, PickledNetwork]
    sha256: str


@dataclass(frozen=True, slots=True)
class _Module:
    """A reconstruction that the file asks for; checked when the whole file has been read."""

    meta: Value


@dataclass
class _Found:
    """Gathers one network; `num_values` and `num_elements` grow over all of them."""

    limits: Limits
    num_values: int = 0
    num_elements: int = 0
    tensors: dict[str, np.ndarray] = field(default_factory=dict)
    classes: dict[str, str] = field(default_factory=dict)

    def count(self, *, depth: int) -> None:
        """One more value, that deep.

        Raises:
            HostilePickleError: values that hold values that hold values …, without an end.
        """
        self.num_values += 1
        if self.num_values > self.limits.values or depth > self.limits.depth:
            raise HostilePickleError(
                f"unfolds to more than {self.limits.values} values or {self.limits.depth} levels"
            )


def read_nvlabs_pickle(
    path: Path, *, sha256: str | None = None, limits: Limits | None = None
) -> NvlabsPickle:
    """The networks of the file at `path`.

    Args:
        sha256: what the file has to hash to (hex); None takes any.
        limits: how large and how deep it may be.

    Raises:
        UnreadablePickleError: it is cut off, damaged or another kind of file, or has another hash.
        HostilePickleError: it asks for code, or for more than `limits` allow.
        UnsupportedNetworkError: it is of a kind that the message says how to convert.
        FileNotFoundError: there is none.
    """
    limits = limits or Limits()
    size = path.stat().st_size
    if size > limits.file_bytes:
        raise HostilePickleError(f"{path}: {size} bytes; limit {limits.file_bytes}")
    content = path.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if sha256 is not None and found != sha256.lower():
        raise UnreadablePickleError(
            f"{path} hashes to {found}, not to {sha256}; get it again, or drop the hash if you "
            f"trust this one"
        )
    try:
        return NvlabsPickle(parse_networks(content, limits=limits), found)
    except CheckpointFileError as error:
        raise type(error)(f"{path}: {error}") from error


def parse_networks(content: bytes, *, limits: Limits) -> dict[str, PickledNetwork]:
    """The networks in the bytes of a file, by name.

    Raises:
        UnreadablePickleError, HostilePickleError, UnsupportedNetworkError: as above.
    """
    return _networks(_parse(content, limits), limits)


def _parse(content: bytes, limits: Limits) -> Value:
    """The one value pickled in `content`."""
    if content.startswith(b"PK"):
        raise UnreadablePickleError(
            "a zip archive, as torch.save writes; an NVlabs network pickle is expected"
        )
    budget = Budget(limits)
    file = BytesIO(content)
    value = interpret(file, vocabulary=_vocabulary(budget), budget=budget)
    if file.tell() != len(content):
        raise UnreadablePickleError(f"{len(content) - file.tell()} bytes follow the pickle's end")
    return value


def _vocabulary(budget: Budget) -> Vocabulary:
    calls = {
        Global("torch_utils.persistence", "_reconstruct_persistent_obj"): _module,
        Global("collections", "OrderedDict"): _ordered_dict,
        Global("builtins", "set"): _set,
        Global("dnnlib.tflib.network", "Network"): None,
        Global("numpy.core.multiarray", "_reconstruct"): _refuse_arrays,
        Global("numpy._core.multiarray", "_reconstruct"): _refuse_arrays,
        Global("numpy", "ndarray"): None,
        **tensor_calls(budget),
    }
    classes = {
        Global("dnnlib.util", "EasyDict"): dict,
        Global("dnnlib", "EasyDict"): dict,
        Global("dnnlib.tflib.network", "Network"): _refuse_tensorflow,
    }
    return Vocabulary(calls=calls, classes=classes, complete=complete_scalar_type)


def _module(arguments: tuple[Value, ...]) -> _Module:
    if len(arguments) != 1:
        raise UnreadablePickleError(f"a network is made of {len(arguments)} values, not of 1")
    return _Module(arguments[0])


def _ordered_dict(arguments: tuple[Value, ...]) -> dict[str, Value]:
    if arguments:
        raise UnreadablePickleError("an ordered dict is made of values; it is expected empty")
    return {}


def _set(arguments: tuple[Value, ...]) -> set[str]:
    items = arguments[0] if len(arguments) == 1 else None
    if type(items) is not list or not all(type(item) is str for item in items):
        raise UnreadablePickleError("a set is not made of a list of text")
    return set(items)


def _refuse_tensorflow() -> Value:
    raise UnsupportedNetworkError(
        "a pickle of the TensorFlow version; convert it first with the reference's own tool: "
        "python legacy.py --source old.pkl --dest new.pkl"
    )


def _refuse_arrays(_: tuple[Value, ...]) -> Value:
    raise UnsupportedNetworkError(
        "holds numpy arrays, as StyleGAN3 networks do; StyleGAN2 networks are taken only"
    )


def _networks(value: Value, limits: Limits) -> dict[str, PickledNetwork]:
    if type(value) is not dict:
        raise UnreadablePickleError(f"holds {describe(value)}, not a dict of networks")
    found = _Found(limits)
    networks = {}
    for name in NETWORKS:
        if isinstance(value.get(name), _Module):
            networks[name] = _network(value[name], found)
    if not networks:
        raise UnreadablePickleError(f"holds none of the networks {', '.join(NETWORKS)}")
    return networks


def _network(module: _Module, found: _Found) -> PickledNetwork:
    found.tensors, found.classes = {}, {}
    meta = _meta(module)
    state = meta["state"]
    _gather(meta, "", found, depth=0)
    arguments = tuple(_plain(item, found, depth=0) for item in _part(state, "_init_args", tuple))
    keywords = _part(state, "_init_kwargs", dict)
    return PickledNetwork(
        class_name=meta["class_name"],
        init_args=arguments,
        init_kwargs={name: _plain(item, found, depth=0) for name, item in keywords.items()},
        tensors=found.tensors,
        classes=found.classes,
        source_sha256=hashlib.sha256(
            meta["module_src"].encode("utf-8", "surrogatepass")
        ).hexdigest(),
    )


def _meta(module: _Module) -> dict[str, Value]:
    """What a module was to be made from, each part of its type."""
    meta = module.meta
    if type(meta) is not dict or meta.get("type") != "class":
        raise UnreadablePickleError("a network is not made of a dict of type 'class'")
    if meta.get("version") != PERSISTENCE_VERSION:
        raise UnsupportedNetworkError(
            f"a network is of another version of the format than {PERSISTENCE_VERSION}; load and "
            f"save it with the tools that wrote it"
        )
    _part(meta, "class_name", str)
    _part(meta, "module_src", str)
    _part(meta, "state", dict)
    return meta


def _part(whole: dict[str, Value], name: str, kind: type[T]) -> T:
    part = whole.get(name)
    if type(part) is not kind:
        raise UnreadablePickleError(f"{name!r} of a network is {describe(part)}")
    return part


def _gather(meta: dict[str, Value], prefix: str, found: _Found, *, depth: int) -> None:
    """Add the tensors and classes of a module and of those inside it to `found`."""
    found.count(depth=depth)
    found.classes[prefix.removesuffix(".")] = meta["class_name"]
    state = meta["state"]
    for kind in ("_parameters", "_buffers"):
        for name, tensor in _part(state, kind, dict).items():
            if tensor is not None:
                _keep(_joined(prefix, name, found), tensor, found, depth=depth)
    for name, module in _part(state, "_modules", dict).items():
        if module is not None:
            inside = _joined(prefix, name, found) + "."
            _gather(_inner(name, module), inside, found, depth=depth + 1)


def _inner(name: str, module: Value) -> dict[str, Value]:
    if not isinstance(module, _Module):
        raise UnreadablePickleError(f"the part {name[:80]!r} of a network is {describe(module)}")
    return _meta(module)


def _joined(prefix: str, name: str, found: _Found) -> str:
    """Dotted names are made anew for each part: long ones would fill the memory."""
    if len(name) > found.limits.name_length:
        raise HostilePickleError(
            f"a part has a name of {len(name)} letters; limit {found.limits.name_length}"
        )
    return prefix + name


def _keep(name: str, tensor: Value, found: _Found, *, depth: int) -> None:
    found.count(depth=depth)
    if not isinstance(tensor, StoredTensor):
        raise UnreadablePickleError(f"the tensor {name[:80]!r} is {describe(tensor)}")
    found.num_elements += tensor.array.size
    if found.num_elements > found.limits.total_elements:
        limit = found.limits.total_elements
        raise HostilePickleError(f"all tensors together have more than {limit} elements")
    found.tensors[name] = tensor.array


def _plain(value: Value, found: _Found, *, depth: int) -> Value:
    """A setting: a number, text, or a list, tuple or dict of such."""
    found.count(depth=depth)
    if value is None or type(value) in (bool, int, float, str):
        return value
    if type(value) in (list, tuple):
        return tuple(_plain(item, found, depth=depth + 1) for item in value)
    if type(value) is dict:
        return {name: _plain(item, found, depth=depth + 1) for name, item in value.items()}
    raise UnreadablePickleError(f"a setting of a network is {describe(value)}")
