"""Tensors and numbers inside a pickle: PyTorch's storages of the legacy format, numpy's scalars.

A storage is five small pickles (a magic number, a version, facts of the machine, the storage's
description under a persistent id, a list of keys), then the number of elements (int64) and the
elements, little-endian.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from io import BytesIO

import numpy as np
from numpy.lib.stride_tricks import as_strided

from wunderkammer.gan.interop.errors import HostilePickleError, UnreadablePickleError
from wunderkammer.gan.interop.pickle_machine import (
    Budget,
    Global,
    Limits,
    Value,
    Vocabulary,
    describe,
    interpret,
)

MAGIC = 0x1950A86A20F9469CFC6C
FORMAT_VERSION = 1001
ELEMENTS = {
    Global("torch", "FloatStorage"): "<f4",
    Global("torch", "DoubleStorage"): "<f8",
    Global("torch", "HalfStorage"): "<f2",
    Global("torch", "LongStorage"): "<i8",
    Global("torch", "IntStorage"): "<i4",
    Global("torch", "ShortStorage"): "<i2",
    Global("torch", "CharStorage"): "<i1",
    Global("torch", "ByteStorage"): "<u1",
    Global("torch", "BoolStorage"): "<?",
}
MAX_NDIM = 8
# numpy's codes of the scalars that a network may hold, as codes of `struct`.
SCALARS = {"f4": "<f", "f8": "<d", "i4": "<i", "i8": "<q", "b1": "<?"}


@dataclass(frozen=True, slots=True)
class Storage:
    """The elements of a storage, one dimension, read-only."""

    elements: np.ndarray


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """A tensor as numpy sees it, read-only, without a copy of its storage."""

    array: np.ndarray


@dataclass(frozen=True, slots=True)
class ScalarType:
    """numpy's dtype of one number, by its code."""

    code: str


@dataclass(frozen=True, slots=True)
class _Described:
    """What the persistent id of a storage says."""

    dtype: np.dtype
    num_elements: int


def load_storage(arguments: tuple[Value, ...], *, budget: Budget) -> Storage:
    """`torch.storage._load_from_bytes(blob)`.

    Raises:
        UnreadablePickleError: the blob is cut off, of another version, or has bytes too many.
        HostilePickleError: it asks for something that no storage needs.
    """
    if len(arguments) != 1 or type(arguments[0]) is not bytes:
        raise UnreadablePickleError("a storage is not made of one string of bytes")
    blob = arguments[0]
    file = BytesIO(blob)
    vocabulary = Vocabulary(calls=dict.fromkeys(ELEMENTS), classes={}, persistent=_described)
    values = [interpret(file, vocabulary=vocabulary, budget=budget) for _ in range(5)]
    magic, version, machine, described, _ = values
    if type(magic) is not int or magic != MAGIC or version != FORMAT_VERSION:
        raise UnreadablePickleError("a storage is not of PyTorch's legacy format 1001")
    if type(machine) is not dict or machine.get("little_endian") is not True:
        raise UnreadablePickleError("a storage was not written on a little-endian machine")
    if not isinstance(described, _Described):
        raise UnreadablePickleError(f"a storage is described by {describe(described)}")
    return Storage(_elements(memoryview(blob)[file.tell() :], described))


def _described(identity: Value) -> _Described:
    if type(identity) is not tuple or len(identity) != 6 or identity[0] != "storage":
        raise HostilePickleError(f"a persistent id is {describe(identity)}, not one of a storage")
    _, kind, _, _, num_elements, view = identity
    if not isinstance(kind, Global) or view is not None or not _is_count(num_elements):
        raise HostilePickleError("a storage is a view, of an unknown type, or of no known size")
    return _Described(np.dtype(ELEMENTS[kind]), num_elements)


def _elements(data: memoryview, described: _Described) -> np.ndarray:
    expected = 8 + described.num_elements * described.dtype.itemsize
    if len(data) != expected:
        raise UnreadablePickleError(
            f"a storage says it has {described.num_elements} elements of {described.dtype}, "
            f"{expected} bytes, and has {len(data)}"
        )
    (num_elements,) = struct.unpack_from("<q", data)
    if num_elements != described.num_elements:
        raise UnreadablePickleError(
            f"a storage says it has {described.num_elements} elements and then {num_elements}"
        )
    return np.frombuffer(data[8:], described.dtype)


def _is_count(value: Value) -> bool:
    return type(value) is int and value >= 0


def rebuild_tensor(arguments: tuple[Value, ...], *, limits: Limits) -> StoredTensor:
    """`torch._utils._rebuild_tensor_v2(storage, offset, size, stride, requires_grad, hooks)`.

    Raises:
        HostilePickleError: size and stride reach beyond the storage, or the tensor is too large.
        UnreadablePickleError: the arguments are not those of a tensor.
    """
    if len(arguments) not in (6, 7) or not isinstance(arguments[0], Storage):
        raise UnreadablePickleError("a tensor is not made of a storage, an offset, sizes, strides")
    storage, offset, size, stride = arguments[:4]
    if type(size) is not tuple or type(stride) is not tuple or len(size) != len(stride):
        raise UnreadablePickleError("a tensor's sizes and strides do not belong together")
    if len(size) > MAX_NDIM or not all(map(_is_count, (offset, *size, *stride))):
        raise HostilePickleError(
            f"a tensor's offset, sizes or strides are no whole numbers from 0 on, or it has "
            f"{len(size)} dimensions; at most {MAX_NDIM} are taken"
        )
    elements = storage.elements
    count = int(np.prod(size, dtype=object))
    last = offset + sum((n - 1) * s for n, s in zip(size, stride, strict=True))
    if count > limits.tensor_elements:
        raise HostilePickleError(f"a tensor has {count} elements; limit {limits.tensor_elements}")
    if count > len(elements) or (count and last >= len(elements)):
        raise HostilePickleError(
            f"a tensor of {count} elements reaches element {last} of a storage of {len(elements)}"
        )
    strides = [s * elements.itemsize for s in stride]
    start = elements[offset:] if count else elements[:0]
    return StoredTensor(as_strided(start, size, strides, writeable=False))


def rebuild_parameter(arguments: tuple[Value, ...]) -> StoredTensor:
    """`torch._utils._rebuild_parameter(tensor, requires_grad, hooks)`.

    Raises:
        UnreadablePickleError: the arguments are others.
    """
    if len(arguments) != 3 or not isinstance(arguments[0], StoredTensor):
        raise UnreadablePickleError("a parameter is not made of a tensor")
    return arguments[0]


def scalar_type(arguments: tuple[Value, ...]) -> ScalarType:
    """`numpy.dtype(code, align, copy)`.

    Raises:
        HostilePickleError: it is not the type of a plain number.
    """
    if not arguments or type(arguments[0]) is not str or arguments[0] not in SCALARS:
        raise HostilePickleError("a numpy type is not that of a plain number")
    return ScalarType(arguments[0])


def scalar(arguments: tuple[Value, ...]) -> float | int | bool:
    """`numpy.core.multiarray.scalar(type, bytes)`.

    Raises:
        UnreadablePickleError: the bytes are not one number of the type.
    """
    match arguments:
        case (ScalarType(code=code), bytes(data)) if len(data) == struct.calcsize(SCALARS[code]):
            (number,) = struct.unpack(SCALARS[code], data)
            return number  # type: ignore[no-any-return]
    raise UnreadablePickleError("a numpy number is not made of its type and its bytes")


def complete_scalar_type(target: Value, state: Value) -> ScalarType:
    """BUILD on a numpy type: its byte order, which has to be this one's; nothing is changed.

    Raises:
        HostilePickleError: BUILD is on something else, or sets something else.
    """
    if not isinstance(target, ScalarType):
        raise HostilePickleError(f"BUILD changes {describe(target)}; only a numpy type may be")
    plain = [item for item in state if item is not None] if type(state) is tuple else []
    if plain not in ([3, "<", -1, -1, 0], [3, "|", -1, -1, 0]):
        raise HostilePickleError("BUILD sets more of a numpy type than its byte order")
    return target


def tensor_calls(budget: Budget) -> dict[Global, Callable[[tuple[Value, ...]], Value] | None]:
    """The functions that tensors and numbers are made by."""
    return {
        Global("torch.storage", "_load_from_bytes"): partial(load_storage, budget=budget),
        Global("torch._utils", "_rebuild_tensor_v2"): partial(rebuild_tensor, limits=budget.limits),
        Global("torch._utils", "_rebuild_parameter"): rebuild_parameter,
        Global("numpy", "dtype"): scalar_type,
        Global("numpy.core.multiarray", "scalar"): scalar,
        Global("numpy._core.multiarray", "scalar"): scalar,
    }
