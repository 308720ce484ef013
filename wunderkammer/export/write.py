"""Write pictures in a format that others read: the whole of it, or nothing.

An export is one folder: the data, `attributions.md` and `attributions.csv`, and `export.json`,
which says what it is and names the labels by their numbers. It is written beside its place under
another name and renamed when it is complete.
"""

import errno
import glob
import json
import logging
import os
import shutil
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import psutil

from wunderkammer.attribution import credits_of, write_credits
from wunderkammer.export.collection import Collection, ExportError
from wunderkammer.export.hdf5 import write_hdf5
from wunderkammer.export.imagefolder import write_imagefolder
from wunderkammer.export.nvlabs_zip import write_nvlabs_zip
from wunderkammer.export.tfrecords import write_tfrecords
from wunderkammer.export.webdataset import write_webdataset
from wunderkammer.progress import track
from wunderkammer.storage.versions import Versions

log = logging.getLogger(__name__)

DESCRIPTION = "export.json"
Writer = Callable[..., None]
WRITERS: Final[dict[str, Writer]] = {
    "nvlabs-zip": write_nvlabs_zip,
    "webdataset": write_webdataset,
    "imagefolder": write_imagefolder,
    "hdf5": write_hdf5,
    "tfrecords": write_tfrecords,
}
# Bytes of pixels that a format has for one of the largest level: 1 + 1/4 + 1/16 + … of a pyramid.
RAW_SHARES = {"nvlabs-zip": 1.0, "hdf5": 4 / 3, "tfrecords": 4 / 3}


def write_export(collection: Collection, *, kind: str, target: Path, replace: bool) -> None:
    """Write the pictures in the format `kind`, one of `WRITERS`, as the folder `target`.

    Memory holds a row group of the shards, some pictures, and the labels and credits of all.

    Args:
        collection: the pictures.
        kind: the format.
        target: a folder that is not there yet; its parents are made.
        replace: an earlier export that is there goes when the new one is complete.

    Raises:
        ExportError: `target` is there, can't be written, or its disk is too full.
        ShardError: a shard is damaged.
    """
    check_target(target, replace=replace)
    with _in_words(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        _check_room(collection, kind=kind, target=target)
        part = _new_part(target)
        try:
            _fill(collection, kind=kind, folder=part)
            os.sync()
            _publish(part, target, replace=replace)
        except BaseException:
            shutil.rmtree(part)
            raise


def check_target(target: Path, *, replace: bool) -> None:
    """Refuse a place where something is that may not go.

    Raises:
        ExportError: as it says.
    """
    if not os.path.lexists(target):
        return
    if not replace:
        raise ExportError(f"{target} is there already; name another place with --out, or --force")
    if target.is_symlink() or not (target / DESCRIPTION).is_file():
        raise ExportError(
            f"{target} is no earlier export (it has no {DESCRIPTION}), so --force leaves it alone; "
            f"name another place with --out"
        )


def _fill(collection: Collection, *, kind: str, folder: Path) -> None:
    what = f"{kind} of {collection.subject}"
    pictures = track(collection.pictures(), total=collection.num_images, what=what, log=log)
    WRITERS[kind](collection, pictures, folder=folder)
    record = collection.record
    versions = Versions(collection.shards.store)
    credit_rows = credits_of(versions, record, images=collection.sha256s)
    write_credits(credit_rows, subject=record.subject, stage=record.stage, folder=folder)
    described = {
        "subject": collection.subject,
        "format": kind,
        "split": collection.side,
        "num_images": collection.num_images,
        "resolution_px": collection.resolution_px,
        "channels": collection.channels,
        "shards": record.data_version,
        "class_names": collection.class_names,
    }
    content = json.dumps(described, indent=1, ensure_ascii=False)
    (folder / DESCRIPTION).write_text(f"{content}\n", encoding="utf-8")


def _check_room(collection: Collection, *, kind: str, target: Path) -> None:
    needed, free = _needed_bytes(collection, kind=kind), shutil.disk_usage(target.parent).free
    if needed > free:
        raise ExportError(_no_room(target, f"{needed / 1e9:.1f} GB needed, {free / 1e9:.1f} free"))


def _needed_bytes(collection: Collection, *, kind: str) -> float:
    """What the export will take at least, or about that where pictures are compressed."""
    if kind in RAW_SHARES:
        pixels = collection.num_images * collection.channels * collection.resolution_px**2
        return pixels * RAW_SHARES[kind]
    shards = collection.shards
    num_bytes = sum(shards.store.size(key) or 0 for key in shards.keys)
    share = collection.num_images / shards.num_images
    return num_bytes * share * (collection.resolution_px / collection.made.resolution_px) ** 2


def _new_part(target: Path) -> Path:
    """A new folder beside the target. What killed exports to this target left there is removed."""
    ours = f".{target.name}.{socket.gethostname()}-"
    for left in target.parent.glob(f"{glob.escape(ours)}*"):
        pid = left.stem.removeprefix(ours)
        # In a container each run may have the number of the one before.
        if pid.isdecimal() and (int(pid) == os.getpid() or not psutil.pid_exists(int(pid))):
            shutil.rmtree(left)
    part = target.with_name(f"{ours}{os.getpid()}.part")
    part.mkdir()
    return part


def _publish(part: Path, target: Path, *, replace: bool) -> None:
    """Put the complete folder in its place; an earlier export goes after that."""
    if not replace or not target.exists():
        part.rename(target)
        return
    old = part.with_suffix(".old")
    target.rename(old)
    part.rename(target)
    shutil.rmtree(old)


@contextmanager
def _in_words(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise ExportError(_no_room(target, error.strerror or str(error))) from error
        remedy = "name a place that you may write to with --out"
        raise ExportError(
            f"{target} can't be written: {error.strerror or error}; {remedy}"
        ) from error


def _no_room(target: Path, why: str) -> str:
    return (
        f"no room for {target} ({why}); make some, name a place on another disk with --out, or "
        f"ask for a smaller --resolution"
    )
