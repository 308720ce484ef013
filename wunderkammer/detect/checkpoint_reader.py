"""The detector in a checkpoint of ultralytics, read without running anything in it.

Such a file is a zip that `torch.save` wrote: a pickle of the whole network with the objects of its
classes, and beside it the bytes of each storage. A class that the pickle names becomes a record
of what it is given, never an object of that class; of the records only the architecture, the
names of the classes and the tensors are taken, and ultralytics builds the network anew from them.
"""

import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from wunderkammer.detect.errors import DetectorFileError
from wunderkammer.gan.interop.errors import CheckpointFileError, HostilePickleError
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
    ELEMENTS,
    Storage,
    StoredTensor,
    rebuild_parameter,
    rebuild_tensor,
)

NETWORKS = (
    "ultralytics.nn.tasks.DetectionModel",
    "ultralytics.nn.tasks.YOLOv10DetectionModel",
)
LIMITS = Limits(tensor_elements=2**27, total_elements=2**28)
MAX_NUMBER_KEY = 2**20
MAX_DEPTH = 24

# What honest files name besides tensors. Nothing of it is imported or called.
INERT_PACKAGES = ("ultralytics.", "torch.nn.modules.", "pathlib.", "torch.nn.functional.")
INERT_NAMES = frozenset(
    {
        *(Global(module, "getattr") for module in ("__builtin__", "builtins")),
        *(Global(module, "set") for module in ("__builtin__", "builtins")),
        *(Global("torch", name) for name in ("Size", "device", "float16", "float32", "int64")),
        *(Global(f"numpy.{core}.multiarray", "scalar") for core in ("core", "_core")),
        *(Global("pathlib", name) for name in ("PosixPath", "WindowsPath", "PurePosixPath")),
        Global("_codecs", "encode"),
        Global("numpy", "dtype"),
    }
)


@dataclass(slots=True)
class _Record:
    """What the file gives to something that it names."""

    name: str
    state: Value = None


@dataclass(frozen=True)
class CheckpointParts:
    """The parts of a detector as a file has them, unchecked."""

    architecture: Mapping[str, Any]
    names: tuple[str, ...]
    tensors: Mapping[str, np.ndarray]


def read_checkpoint(content: bytes) -> CheckpointParts:
    """The detector in the bytes of a file; of an EMA and a plain network, the EMA.

    Raises:
        DetectorFileError: it is cut off, damaged, asks for code, or holds something else.
    """
    try:
        value = _parse(content)
    except (zipfile.BadZipFile, CheckpointFileError) as error:
        raise DetectorFileError(f"no checkpoint of ultralytics: {error}") from error
    network = next(
        (value[key] for key in ("ema", "model") if isinstance(value.get(key), _Record)), None
    )
    if network is None:
        raise DetectorFileError("holds no network under 'ema' or 'model'")
    if network.name not in NETWORKS:
        raise DetectorFileError(
            f"holds a {network.name}; of networks that find boxes, {' or '.join(NETWORKS)} is taken"
        )
    architecture = _part(network, "yaml")
    if not isinstance(architecture, dict):
        raise DetectorFileError(f"the architecture is {describe(architecture)}")
    return CheckpointParts(architecture, _names(_part(network, "names")), dict(_tensors(network)))


def _parse(content: bytes) -> dict[str, Value]:
    if len(content) > LIMITS.file_bytes:
        raise HostilePickleError(f"{len(content)} bytes; limit {LIMITS.file_bytes}")
    if not content.startswith(b"PK"):
        raise HostilePickleError("not a zip as torch.save writes since version 1.6")
    with zipfile.ZipFile(BytesIO(content)) as archive:
        files = _Files(archive)
        budget = Budget(LIMITS)
        vocabulary = Vocabulary(
            calls=_Names(budget.limits),
            classes=_Names(budget.limits),
            complete=_complete,
            persistent=files.storage,
            max_number_key=MAX_NUMBER_KEY,
        )
        value = interpret(BytesIO(files.read("data.pkl")), vocabulary=vocabulary, budget=budget)
    if not isinstance(value, dict):
        raise DetectorFileError(f"holds {describe(value)}, not a dict with a network")
    return value


class _Files:
    """The members of the zip below its one folder."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._members = {}
        for info in archive.infolist():
            _, _, inner = info.filename.partition("/")
            self._members[inner] = info
        self._storages: dict[str, Storage] = {}
        if self._read_or("byteorder", b"little") != b"little":
            raise HostilePickleError("not written on a little-endian machine")

    def read(self, name: str) -> bytes:
        """The bytes of one member, which lie in the file as they are."""
        info = self._members.get(name)
        if info is None:
            raise HostilePickleError(f"the zip has no {name[:80]!r}")
        # Stored, not packed: what is read can't be larger than the file.
        if info.compress_type != zipfile.ZIP_STORED:
            raise HostilePickleError(f"{name[:80]!r} is packed, as torch.save leaves nothing")
        return self._archive.read(info)

    def storage(self, identity: Value) -> Storage:
        """The storage that a persistent id names: ("storage", type, key, place, count)."""
        match identity:
            case ("storage", Global() as kind, str(key), str(), int(count)) if kind in ELEMENTS:
                dtype = np.dtype(ELEMENTS[kind])
            case _:
                raise HostilePickleError(f"a persistent id is {describe(identity)}")
        if key not in self._storages:
            data = self.read(str(PurePosixPath("data", key)))
            if len(data) != count * dtype.itemsize:
                raise HostilePickleError(f"a storage of {count} {dtype} has {len(data)} bytes")
            self._storages[key] = Storage(np.frombuffer(data, dtype))
        found = self._storages[key]
        if found.elements.dtype != dtype:
            raise HostilePickleError("a storage is of two types")
        return found

    def _read_or(self, name: str, otherwise: bytes) -> bytes:
        return self.read(name) if name in self._members else otherwise


class _Names(Mapping[Global, Callable[..., Value]]):
    """What the names in a file stand for: tensors, dicts, and records of all else."""

    def __init__(self, limits: Limits) -> None:
        self._known: dict[Global, Callable[..., Value]] = {
            Global("torch._utils", "_rebuild_tensor_v2"): partial(rebuild_tensor, limits=limits),
            Global("torch._utils", "_rebuild_parameter"): rebuild_parameter,
            Global("collections", "OrderedDict"): _ordered_dict,
            **{name: partial(_Record, str(name)) for name in ELEMENTS},
        }

    def __getitem__(self, name: Global) -> Callable[..., Value]:
        if name in self._known:
            return self._known[name]
        if name in INERT_NAMES or f"{name.module}.".startswith(INERT_PACKAGES):
            return partial(_Record, str(name))
        raise KeyError(name)

    def __iter__(self) -> Iterator[Global]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)


def _ordered_dict(arguments: tuple[Value, ...] = ()) -> dict[Any, Value]:
    if arguments:
        raise HostilePickleError("an ordered dict is made of values; it is expected empty")
    return {}


def _complete(target: Value, state: Value) -> Value:
    """BUILD: a record keeps the state; attributes of a dict do not matter."""
    if isinstance(target, _Record):
        target.state = state
    elif not isinstance(target, dict):
        raise HostilePickleError(f"BUILD changes {describe(target)}")
    return target


def _part(record: _Record, name: str) -> Value:
    if not isinstance(record.state, dict) or name not in record.state:
        raise DetectorFileError(f"a part of the network, {record.name}, has no {name!r}")
    return record.state[name]


def _names(value: Value) -> tuple[str, ...]:
    """The class names by index, from a list or a dict."""
    if isinstance(value, dict) and list(value) != list(range(len(value))):
        raise DetectorFileError("the names of the classes are not numbered from 0 on")
    names = tuple(value.values()) if isinstance(value, dict) else value
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        raise DetectorFileError(f"the names of the classes are {describe(value)}")
    return tuple(names)


def _tensors(record: _Record, prefix: str = "", depth: int = 0) -> Iterator[tuple[str, np.ndarray]]:
    """The tensors of a module and of those inside it, by dotted name."""
    if depth > MAX_DEPTH:
        raise DetectorFileError(f"modules lie more than {MAX_DEPTH} deep in each other")
    for kind in ("_parameters", "_buffers", "_modules"):
        parts = _part(record, kind)
        if not isinstance(parts, dict):
            raise DetectorFileError(f"{kind!r} of {record.name} is {describe(parts)}")
        for name, part in parts.items():
            if isinstance(part, StoredTensor) and kind != "_modules":
                yield f"{prefix}{name}", part.array
            elif isinstance(part, _Record) and kind == "_modules":
                yield from _tensors(part, f"{prefix}{name}.", depth + 1)
            elif part is not None:
                raise DetectorFileError(f"{prefix}{name} is {describe(part)}")
