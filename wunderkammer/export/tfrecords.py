"""The multi-resolution TFRecords of progressive growing, one file a side.

    <subject>-r02.tfrecords … <subject>-r08.tfrecords    2^2 = 4 px … 2^8 = 256 px
    <subject>-rxx.labels                                 float32 [N, L], NumPy's format, one-hot

A record is a `tf.train.Example` with `shape` (C, H, W), `data` (uint8, C * H * W bytes), and
`label`, the number of the label, if every picture has one.

    record     length: uint64, masked CRC of it: uint32, content, masked CRC of it: uint32
    Example    {1: Features}, Features {1: map<string, Feature>}, an entry {1: key, 2: value}
    Feature    {1: BytesList} or {3: Int64List}, each {1: repeated values}, integers packed

(https://www.tensorflow.org/tutorials/load_data/tfrecord, and the protocol buffers' encoding,
https://protobuf.dev/programming-guides/encoding). All numbers are little-endian.
"""

import struct
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path

import google_crc32c
import numpy as np

from wunderkammer.export.collection import Collection, Picture, ahead

BYTES_LIST = 1
INT64_LIST = 3
MASK_DELTA = 0xA282EAD8


def write_tfrecords(collection: Collection, pictures: Iterable[Picture], *, folder: Path) -> None:
    """Write a file for each side from 4 px up, and the labels."""
    prefix = folder / collection.subject

    def records(picture: Picture) -> list[bytes]:
        levels = collection.pyramid(picture)
        return [record(example(level, label=picture.number)) for level in levels]

    with ExitStack() as stack:
        files = [
            stack.enter_context(Path(f"{prefix}-r{side.bit_length() - 1:02d}.tfrecords").open("wb"))
            for side in reversed(collection.sides_px)
        ]
        for _, made in ahead(records, pictures):
            for file, content in zip(files, made, strict=True):
                file.write(content)
    if collection.class_names:
        shape = (collection.num_images, len(collection.class_names))
        one_hot_NL = np.lib.format.open_memmap(f"{prefix}-rxx.labels", "w+", np.float32, shape)
        one_hot_NL[np.arange(shape[0]), collection.numbers] = 1


def example(image_CHW: np.ndarray, *, label: int | None) -> bytes:
    """A picture as a `tf.train.Example`."""
    features = {
        "shape": _delimited(INT64_LIST, _packed(image_CHW.shape)),
        "data": _delimited(BYTES_LIST, _delimited(1, image_CHW.tobytes())),
    }
    if label is not None:
        features["label"] = _delimited(INT64_LIST, _packed([label]))
    entries = (
        _delimited(1, _delimited(1, key.encode()) + _delimited(2, feature))
        for key, feature in features.items()
    )
    return _delimited(1, b"".join(entries))


def record(content: bytes) -> bytes:
    """`content` between its length and its checksum."""
    length = struct.pack("<Q", len(content))
    return b"".join((length, _masked_crc(length), content, _masked_crc(content)))


def _masked_crc(content: bytes) -> bytes:
    crc = google_crc32c.value(content)
    rotated = crc >> 15 | crc << 17
    return struct.pack("<I", rotated + MASK_DELTA & 0xFFFFFFFF)


def _delimited(field: int, content: bytes) -> bytes:
    return b"".join((bytes([field << 3 | 2]), _varint(len(content)), content))


def _packed(values: Sequence[int]) -> bytes:
    return _delimited(1, b"".join(map(_varint, values)))


def _varint(value: int) -> bytes:
    """Seven bits a byte, the lowest first; all but the last have the highest bit set."""
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    found.append(value)
    return bytes(found)
