"""The stage `deduped_shards`: from crops to distinct training pictures in Parquet shards.

The order of the pictures is pseudo-random but hangs on nothing except the seed and each crop's
content, so that equal crops give equal shards on any machine and a new picture displaces none.
"""

import hashlib
import json
import logging
import os
import shutil
import socket
import tempfile
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from time import perf_counter

import numpy as np
import numpy.typing as npt
import psutil
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import JsonValue

from wunderkammer.attribution import shard_credits, write_credits
from wunderkammer.build import StageInputs
from wunderkammer.crops.cuts import MEASURE
from wunderkammer.dedupe.families import families, family_names
from wunderkammer.dedupe.groups import Duplicates
from wunderkammer.dedupe.leaders import WAYS
from wunderkammer.dedupe.params import PhashParams
from wunderkammer.dedupe.search import pairs_within
from wunderkammer.ledger_map import map_ledgered
from wunderkammer.manifests import KEPT, REJECTED, SHARDS, kept, rejections
from wunderkammer.params import digest
from wunderkammer.progress import track
from wunderkammer.scratch import scratch_folder
from wunderkammer.shards.distinct import distinct_crops, remembered_search, with_columns
from wunderkammer.shards.prepare import PREPARED, ImageSettings, casualty_row, prepare_row
from wunderkammer.shards.sheets import kept_sheet, rejected_sheet
from wunderkammer.shards.write import (
    Shard,
    ShardImage,
    class_names,
    read_in_order,
    shard_name,
    write_shards,
)
from wunderkammer.stages import DEDUPED_SHARDS, FILTERED_CROPS, REVIEWED_CROPS
from wunderkammer.storage.ledger import Ledger
from wunderkammer.storage.store import Store
from wunderkammer.storage.versions import Draft, Record, Summary, Versions
from wunderkammer.subject import Subject

log = logging.getLogger(__name__)

EXACT_DUPLICATE = "exact_duplicate"
NEAR_DUPLICATE = "near_duplicate"


SUFFIXES = {"jpeg": "jpg", "png": "png", "webp": "webp"}


class TooFewImagesError(ValueError):
    """Fewer than two pictures are left to learn from."""


def dedupe_and_shard(inputs: StageInputs) -> Draft:
    """Build `deduped_shards` from the crops by the sections `dedupe` and `shard`.

    Raises:
        TooFewImagesError: fewer than two pictures are left; it says what to change.
    """
    spec, start = inputs.subject.spec, perf_counter()
    crops = with_columns(kept(inputs.versions.manifest(_crops(inputs))))
    duplicates = distinct_crops(inputs, crops)
    order = content_order(crops, np.flatnonzero(duplicates.is_kept), seed=spec.shard.seed)
    deduped = perf_counter()
    prepared = _prepare(inputs, crops.take(order))
    is_ready = np.asarray(prepared["reason"].is_null())
    ready = crops.take(order[is_ready]).append_column(
        "image_sha256", prepared["image_sha256"].filter(pa.array(is_ready))
    )
    ready = _with_family(inputs, crops, duplicates, ready, rows=order[is_ready])
    if ready.num_rows < 2:
        raise TooFewImagesError(_too_few(inputs, crops.num_rows, ready.num_rows))
    files: dict[str, bytes | Path] = {
        "kept.jpg": kept_sheet(ready, blobs=inputs.blobs),
        "rejected.jpg": rejected_sheet(crops, duplicates, blobs=inputs.blobs),
    }
    made = perf_counter()
    scratch, shards = _write(inputs, ready)
    files.update(zip(_names(shards), (shard.path for shard in shards), strict=True))
    manifest = _manifest(
        crops, duplicates, order=order, prepared=prepared, ready=ready, shards=shards
    )
    files.update(_credits(inputs, manifest, folder=scratch))
    summary = Summary(
        num_in=crops.num_rows,
        num_out=ready.num_rows,
        rejections=rejections(manifest),
        timings_s={
            "dedupe": round(deduped - start, 3),
            "prepare": round(made - deduped, 3),
            "write": round(perf_counter() - made, 3),
        },
        measures=_measures(inputs, manifest, shards=shards),
    )
    return Draft(_data_version(inputs, ready), summary, manifest, files, scratch)


def _with_family(
    inputs: StageInputs,
    crops: pa.Table,
    duplicates: Duplicates,
    ready: pa.Table,
    *,
    rows: npt.NDArray[np.int64],
) -> pa.Table:
    """The training pictures, which are these rows of the crops, with the family of each."""
    search = remembered_search(inputs)
    kin = families(crops, duplicates, params=inputs.subject.spec.dedupe, search=search)
    names = family_names(kin[rows], ready["image_sha256"])
    return ready.append_column("family", pa.array(names))


def _crops(inputs: StageInputs) -> Record:
    """The crops that may be trained on: reviewed, where the subject has a gate."""
    reviewed = inputs.upstreams.get(REVIEWED_CROPS.name)
    return inputs.upstreams[FILTERED_CROPS.name] if reviewed is None else reviewed


def content_order(
    crops: pa.Table, rows: npt.NDArray[np.int64], *, seed: int
) -> npt.NDArray[np.int64]:
    """The chosen rows, sorted by a hash of the seed and each crop's content."""
    contents = crops["crop_sha256"].take(rows).to_pylist()
    keys = [hashlib.sha256(f"{seed}:{content}".encode()).hexdigest() for content in contents]
    return rows[np.argsort(np.array(keys, "U64"), kind="stable")]


def check_no_duplicates_left(subject: Subject, store: Store) -> str | None:
    """Which kept pictures of the version in force are within its own threshold, or None."""
    versions = Versions(store)
    record = versions.current(subject.name, DEDUPED_SHARDS.name)
    if record is None:
        return f"deduped_shards of {subject.name!r} was never built"
    rows = kept(versions.manifest(record))
    params = PhashParams.model_validate_json(json.dumps(record.sections.get("dedupe", {})))
    pairs = pairs_within(rows["phash"].to_numpy().copy(), max_distance=params.max_distance)
    left = np.arange(len(pairs.distances))
    if params.max_dhash_distance is not None:
        one, other = rows["dhash"].to_numpy()[pairs.indices.T]
        left = np.flatnonzero(np.bitwise_count(one ^ other) <= params.max_dhash_distance)
    if not len(left):
        return None
    first = [rows["id"][int(row)].as_py() for row in pairs.indices[left[0]]]
    return (
        f"{len(left)} pairs of kept pictures differ in at most {params.max_distance} bits, as "
        f"{first[0]!r} and {first[1]!r} do in {pairs.distances[left[0]]}; "
        f"build deduped_shards again"
    )


def _prepare(inputs: StageInputs, crops: pa.Table) -> pa.Table:
    """A row of `PREPARED` for each of these crops, in their order."""
    settings = ImageSettings.of(inputs.subject.spec.shard)
    contents = crops["crop_sha256"]
    if settings.are_those_of(_crops(inputs)):
        columns = [contents, contents, pa.nulls(len(contents), pa.string())]
        return pa.table(columns, schema=PREPARED)
    home = Versions.home(inputs.subject.name, DEDUPED_SHARDS.name)
    return map_ledgered(
        Ledger(
            inputs.store,
            f"{home}/ledger/{settings.digest}",
            PREPARED,
            blob_columns=("image_sha256",),
        ),
        {content: content for content in contents.to_pylist()},
        fn=partial(prepare_row, settings=settings, store=inputs.store),
        on_casualty=casualty_row,
        what=f"training pictures of {inputs.subject.name}",
        log=log,
    )


def _write(inputs: StageInputs, ready: pa.Table) -> tuple[Path, list[Shard]]:
    """The shards of these pictures, in a new folder that holds nothing else."""
    params = inputs.subject.spec.shard
    scratch = _new_scratch(inputs)
    try:
        shards = write_shards(
            _images(inputs, ready),
            folder=scratch,
            names=class_names(ready["label"].to_pylist()),
            max_shard_mb=params.max_shard_mb,
        )
    except BaseException:
        shutil.rmtree(scratch)
        raise
    return scratch, shards


def _credits(inputs: StageInputs, manifest: pa.Table, *, folder: Path) -> dict[str, Path]:
    """Who made the pictures in the shards, as files in `folder`, which goes if that fails."""
    subject = inputs.subject.name
    try:
        credit_rows = shard_credits(inputs.versions, subject, manifest)
        return write_credits(credit_rows, subject=subject, stage=DEDUPED_SHARDS.name, folder=folder)
    except BaseException:
        shutil.rmtree(folder)
        raise


def _images(inputs: StageInputs, ready: pa.Table) -> Iterator[ShardImage]:
    suffix = SUFFIXES[inputs.subject.spec.shard.codec]
    sha256s = ready["image_sha256"].to_pylist()
    contents = read_in_order(inputs.blobs, sha256s)
    columns = (ready[name].to_pylist() for name in ("label", "family"))
    rows = zip(contents, sha256s, *columns, strict=True)
    what = f"shards of {inputs.subject.name}"
    for content, sha256, label, family in track(rows, total=len(sha256s), what=what, log=log):
        yield ShardImage(content, sha256, label, path=f"{sha256}.{suffix}", family=family)


def _new_scratch(inputs: StageInputs) -> Path:
    """A new folder to write shards in. What a killed run of this subject left here is removed."""
    home = scratch_folder(inputs.store) / "shards" / inputs.subject.name
    home.mkdir(parents=True, exist_ok=True)
    ours = f"{socket.gethostname()}-"
    for left in home.glob(f"{ours}*"):
        if not psutil.pid_exists(int(left.name.removeprefix(ours).partition("-")[0])):
            shutil.rmtree(left, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=f"{ours}{os.getpid()}-", dir=home))


def _names(shards: list[Shard]) -> list[str]:
    return [shard_name(number, num_shards=len(shards)) for number in range(len(shards))]


def _manifest(
    crops: pa.Table,
    duplicates: Duplicates,
    *,
    order: npt.NDArray[np.int64],
    prepared: pa.Table,
    ready: pa.Table,
    shards: list[Shard],
) -> pa.Table:
    """A row a crop, in the crops' order: where it is, or why it is in no shard."""
    dropped = np.flatnonzero(~duplicates.is_kept)
    columns = {name: np.full(crops.num_rows, None, object) for name in SHARDS.names}
    reason = columns["reason"]
    reason[order] = prepared["reason"].to_pylist()
    reason[dropped] = np.where(duplicates.is_exact[dropped], EXACT_DUPLICATE, NEAR_DUPLICATE)
    columns["decision"][:] = [KEPT if why is None else REJECTED for why in reason]
    columns["image_sha256"][order] = prepared["image_sha256"].to_pylist()
    columns["duplicate_of"][dropped] = (
        crops["id"].take(duplicates.duplicate_of[dropped]).to_pylist()
    )
    columns["distance"][dropped] = duplicates.distances[dropped]
    columns["found_by"][dropped] = np.array(WAYS, object)[duplicates.found_by[dropped]]
    columns["likeness"][dropped] = [
        None if np.isnan(value) else value for value in duplicates.likeness[dropped]
    ]
    placed = order[np.asarray(prepared["reason"].is_null())]
    sizes = [shard.num_rows for shard in shards]
    columns["shard"][placed] = np.repeat(np.array(_names(shards), object), sizes)
    columns["row"][placed] = np.concatenate([np.arange(size) for size in sizes])
    columns["family"][placed] = ready["family"].to_pylist()
    known = ("id", "sha256", "crop_sha256", "label", "phash", "dhash", "proposed_by", "reviewer")
    # Nobody has reviewed the crops of a subject without a gate.
    columns |= {name: crops[name] for name in known if name in crops.column_names}
    manifest = pa.table(columns, schema=SHARDS)
    for name in crops.column_names:
        if name.startswith(MEASURE):
            manifest = manifest.append_column(name, crops[name])
    return manifest


def _measures(
    inputs: StageInputs, manifest: pa.Table, *, shards: list[Shard]
) -> dict[str, JsonValue]:
    ready, ways = kept(manifest), Counter(manifest["found_by"].drop_null().to_pylist())
    params = inputs.subject.spec.shard
    return {
        "num_shards": len(shards),
        "resolution_px": params.resolution_px,
        "channels": params.channels,
        "num_labels": len(pc.unique(ready["label"].drop_null())),
        "num_families": len(pc.unique(ready["family"])),
        "found_by": dict(ways.most_common()),
        "bytes": sum(shard.path.stat().st_size for shard in shards),
    }


def _data_version(inputs: StageInputs, ready: pa.Table) -> str:
    params = inputs.subject.spec.shard
    told = ready.select(["image_sha256", "label", "family"]).to_pydict()
    pictures = list(zip(*told.values(), strict=True))
    return digest(
        {
            "images": pictures,
            "resolution_px": params.resolution_px,
            "channels": params.channels,
        }
    )


def _too_few(inputs: StageInputs, num_crops: int, num_left: int) -> str:
    name, max_distance = inputs.subject.name, inputs.subject.spec.dedupe.max_distance
    return (
        f"{num_left} of the {num_crops} crops of {name!r} are left without duplicates, at least 2 "
        f"are needed to train; give its source more pictures, loosen the section `filter` of "
        f"{name}.yaml, or lower dedupe.max_distance (now {max_distance})"
    )
