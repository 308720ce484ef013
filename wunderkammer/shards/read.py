"""Read shards back: verify them against their manifest, decode their pictures.

Arrays are N pictures by C channels by H by W, uint8.
"""

import hashlib
import io
import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import simplejpeg
from PIL import Image

from wunderkammer.manifests import kept
from wunderkammer.shards.write import ShardImage
from wunderkammer.stages import DEDUPED_SHARDS
from wunderkammer.storage.store import MissingObjectError, Store
from wunderkammer.storage.versions import Record, Versions
from wunderkammer.subject import Subject
from wunderkammer.workers import num_cpus

JPEG_SIGNATURE = b"\xff\xd8\xff"
AGAIN = (
    "build deduped_shards again: wunderkammer verify <subject> --mend && "
    "wunderkammer refresh <subject>"
)


class ShardError(ValueError):
    """Shards that are missing, damaged, or not what their manifest or the caller says."""


@dataclass(frozen=True)
class ShardSet:
    """The verified shards of a version, in their order."""

    store: Store
    keys: tuple[str, ...]
    num_images: int
    labels: tuple[str | None, ...]
    sha256s: tuple[str, ...]

    def images(self, *, resolution_px: int, channels: int) -> npt.NDArray[np.uint8]:
        """All pictures [N, C, H, W]; see `load_images`."""
        return load_images(self.store, self.keys, resolution_px=resolution_px, channels=channels)


def open_shards(store: Store, record: Record) -> ShardSet:
    """The shards of a finished version, after comparing them with its manifest and its digests.

    Reads all of them once: about a second a gigabyte.

    Raises:
        ShardError: a shard is missing, can't be read, holds other rows than the manifest lists, or
            is not, byte for byte, the file that was published.
    """
    keys = shard_keys(record)
    rows = kept(Versions(store).manifest(record))
    labels: list[str | None] = []
    sha256s: list[str] = []
    for key in keys:
        name = key.rpartition("/")[2]
        content = _content(store, key)
        file = _open(content, key)
        listed = rows.filter(pc.equal(rows["shard"], name)).sort_by("row")
        if listed.num_rows != file.metadata.num_rows:
            raise ShardError(
                f"{key} holds {file.metadata.num_rows} pictures, its manifest lists "
                f"{listed.num_rows}; {AGAIN}"
            )
        with _readable(key):
            found = file.read(columns=["label", "sha256"])
        sha256s += found["sha256"].to_pylist()
        if sha256s[len(labels) :] != listed["image_sha256"].to_pylist():
            raise ShardError(f"{key} holds other pictures than its manifest lists; {AGAIN}")
        labels += _labels(file, found["label"])
        _check_digest(content, key, sha256=record.digests.get(name))
    if len(labels) != rows.num_rows:
        raise ShardError(
            f"the manifest lists {rows.num_rows} pictures, the {len(keys)} shards hold "
            f"{len(labels)}; {AGAIN}"
        )
    return ShardSet(store, keys, len(labels), tuple(labels), tuple(sha256s))


def shard_keys(record: Record) -> tuple[str, ...]:
    """The keys of a version's shards, in their order."""
    home = Versions.home(record.subject, record.stage)
    names = sorted(name for name in record.files if name.startswith("train-"))
    return tuple(f"{home}/versions/{record.version}/{name}" for name in names)


def verified_keys(store: Store, record: Record) -> tuple[str, ...]:
    """The keys of a version's shards, in their order, after comparing each with its digest.

    Reads all of them once: about a second a gigabyte.

    Raises:
        ShardError: a shard is missing, or is not, byte for byte, the file that was published.
    """
    keys = shard_keys(record)
    for key in keys:
        sha256 = record.digests.get(key.rpartition("/")[2])
        _check_digest(_content(store, key), key, sha256=sha256)
    return keys


def load_images(
    store: Store, keys: Sequence[str], *, resolution_px: int, channels: int
) -> npt.NDArray[np.uint8]:
    """Decode every picture of the shards into memory: uint8 [N, C, H, W], in their order.

    They lie there as [N, H, W, C]: 100,000 pictures at 64 px in colour are 1.2 GB.

    Raises:
        ShardError: a shard or a picture is missing, damaged, or has another size.
    """
    files = [_open(_content(store, key), key) for key in keys]
    num_images = sum(file.metadata.num_rows for file in files)
    images_NHWC = np.empty((num_images, resolution_px, resolution_px, channels), np.uint8)
    done = 0
    with ThreadPoolExecutor(num_cpus()) as pool:
        for key, file in zip(keys, files, strict=True):
            for number in range(file.num_row_groups):
                with _readable(key):
                    rows = file.read_row_group(number, columns=["image", "sha256"])
                out = images_NHWC[done : done + rows.num_rows]
                # One slice a thread: a task a picture costs more than a small picture's decoding.
                slices = [slice(k, None, num_cpus()) for k in range(num_cpus())]
                list(pool.map(partial(_decode_rows, rows, key=key, out=out), slices))
                done += rows.num_rows
    return images_NHWC.transpose(0, 3, 1, 2)


def stream_images(store: Store, keys: Sequence[str]) -> Iterator[ShardImage]:
    """Every picture's file, in the order of the shards; one row group is in memory at a time.

    Raises:
        ShardError: a shard or a picture is missing or damaged.
    """
    for key in keys:
        file = _open(_content(store, key), key)
        for number in range(file.num_row_groups):
            with _readable(key):
                rows = file.read_row_group(number)
            labels = _labels(file, rows["label"])
            found = zip(rows["image"].to_pylist(), rows["sha256"].to_pylist(), labels, strict=True)
            for image, sha256, label in found:
                _check_picture(image["bytes"], sha256, key=key)
                yield ShardImage(image["bytes"], sha256, label, image["path"])


def stream_contents(store: Store, keys: Sequence[str]) -> Iterator[bytes]:
    """Every picture's file without what else is known of it, as `stream_images`.

    Raises:
        ShardError: a shard or a picture is missing or damaged.
    """
    for key in keys:
        file = _open(_content(store, key), key)
        for number in range(file.num_row_groups):
            with _readable(key):
                rows = file.read_row_group(number, columns=["image", "sha256"])
            for image, sha256 in zip(rows["image"], rows["sha256"], strict=True):
                content: bytes = image["bytes"].as_py()
                _check_picture(content, sha256.as_py(), key=key)
                yield content


def decode_image(
    content: bytes, *, what: str, side_px: int, channels: int
) -> npt.NDArray[np.uint8]:
    """The pixels of a picture of a shard, uint8 [H, W, C]; `what` it is, for the messages.

    Raises:
        ShardError: it can't be decoded, or has another size.
    """
    try:
        image_HWC = _decode(content, channels=channels)
    except (ValueError, OSError, SyntaxError) as error:
        raise ShardError(f"{what} can't be decoded: {error}") from error
    _check_side(image_HWC.shape, what=what, side_px=side_px)
    return image_HWC


def decode_into(
    out_HWC: npt.NDArray[np.uint8], content: npt.NDArray[np.uint8], *, what: str
) -> None:
    """As `decode_image`, into a picture that lies in memory already.

    Raises:
        ShardError: it can't be decoded, or has another size.
    """
    side_px, channels = out_HWC.shape[0], out_HWC.shape[2]
    if bytes(content[:3]) != JPEG_SIGNATURE:
        file = content.tobytes()
        out_HWC[:] = decode_image(file, what=what, side_px=side_px, channels=channels)
        return
    try:
        size = simplejpeg.decode_jpeg_header(content)[:2]
        _check_side(size, what=what, side_px=side_px)
        colours = "RGB" if channels == 3 else "GRAY"
        simplejpeg.decode_jpeg(content, colorspace=colours, buffer=out_HWC)
    except ShardError:
        raise
    except ValueError as error:
        raise ShardError(f"{what} can't be decoded: {error}") from error


def _check_side(size: tuple[int, ...], *, what: str, side_px: int) -> None:
    height, width = size[:2]
    if (height, width) != (side_px, side_px):
        raise ShardError(
            f"{what} is {width} x {height} px, asked for were {side_px} x {side_px}; train at the "
            f"resolution of the shards"
        )


def load_labels(store: Store, keys: Sequence[str]) -> tuple[str | None, ...]:
    """The label of every picture of the shards, in their order.

    Raises:
        ShardError: a shard is missing or damaged.
    """
    labels: list[str | None] = []
    for key in keys:
        file = _open(_content(store, key), key)
        with _readable(key):
            labels += _labels(file, file.read(columns=["label"])["label"])
    return tuple(labels)


def load_sha256s(store: Store, keys: Sequence[str]) -> tuple[str, ...]:
    """The SHA-256 of every picture's file, in the order of the shards.

    Raises:
        ShardError: a shard is missing or damaged.
    """
    return _column(store, keys, "sha256")


def load_families(store: Store, keys: Sequence[str]) -> tuple[str, ...]:
    """The family of every picture, in the order of the shards: near-duplicates have one.

    Raises:
        ShardError: a shard is missing or damaged.
    """
    return _column(store, keys, "family")


def _column(store: Store, keys: Sequence[str], name: str) -> tuple[str, ...]:
    values: list[str] = []
    for key in keys:
        file = _open(_content(store, key), key)
        # Shards of a time before families.
        wanted = name if name in file.schema_arrow.names else "sha256"
        with _readable(key):
            values += file.read(columns=[wanted])[wanted].to_pylist()
    return tuple(values)


def check_shard_counts(subject: Subject, store: Store) -> str | None:
    """What is wrong with the shards in force (rows, order, missing files), or None."""
    record = Versions(store).current(subject.name, DEDUPED_SHARDS.name)
    if record is None:
        return f"deduped_shards of {subject.name!r} was never built"
    try:
        open_shards(store, record)
    except ShardError as error:
        return str(error)
    return None


@contextmanager
def _readable(key: str) -> Iterator[None]:
    try:
        yield
    except (MissingObjectError, FileNotFoundError):
        raise ShardError(f"{key} is missing; {AGAIN}") from None
    except (pa.ArrowException, OSError) as error:
        raise ShardError(f"{key} is damaged ({error}); {AGAIN}") from error


def _content(store: Store, key: str) -> Path | bytes:
    """A shard's file, or what an object store gives for it."""
    path = store.path(key)
    if path is not None:
        return path
    with _readable(key):
        return store.read(key)


def _open(content: Path | bytes, key: str) -> pq.ParquetFile:
    source = content if isinstance(content, Path) else pa.BufferReader(content)
    with _readable(key):
        return pq.ParquetFile(source, page_checksum_verification=True)


def _check_digest(content: Path | bytes, key: str, *, sha256: str | None) -> None:
    """Compare with the record, if that is young enough to have a digest."""
    if sha256 is None:
        return
    with _readable(key):
        if isinstance(content, Path):
            with content.open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
        else:
            found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise ShardError(
            f"{key} is not the file that was published (SHA-256 {found}, recorded {sha256}); "
            f"{AGAIN}"
        )


def _check_picture(content: bytes, sha256: str, *, key: str) -> None:
    if hashlib.sha256(content).hexdigest() != sha256:
        raise ShardError(f"{key}: the picture {sha256} is damaged; {AGAIN}")


def _labels(file: pq.ParquetFile, column: pa.ChunkedArray) -> list[str | None]:
    metadata = json.loads(file.schema_arrow.metadata[b"huggingface"])
    names = metadata["info"]["features"]["label"].get("names")
    values = column.to_pylist()
    return values if names is None else [names[value] for value in values]


def _decode_rows(rows: pa.Table, chosen: slice, *, key: str, out: npt.NDArray[np.uint8]) -> None:
    """Decode the chosen rows of a row group into the same rows of `out`."""
    contents = pc.struct_field(rows["image"], "bytes")
    for number in range(*chosen.indices(rows.num_rows)):
        content, sha256 = contents[number].as_py(), rows["sha256"][number].as_py()
        _check_picture(content, sha256, key=key)
        what = f"{key}: the picture {sha256}"
        image_HWC = decode_image(content, what=what, side_px=out.shape[1], channels=out.shape[3])
        out[number] = image_HWC


def _decode(content: bytes, *, channels: int) -> npt.NDArray[np.uint8]:
    if content.startswith(JPEG_SIGNATURE):
        colours = "RGB" if channels == 3 else "GRAY"
        image_HWC: npt.NDArray[np.uint8] = simplejpeg.decode_jpeg(content, colorspace=colours)
        return image_HWC
    with Image.open(io.BytesIO(content)) as image:
        pixels = np.asarray(image.convert("RGB" if channels == 3 else "L"))
    return pixels.reshape(*pixels.shape[:2], channels)
