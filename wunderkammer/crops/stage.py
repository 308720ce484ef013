"""The stage `filtered_crops`: from scraped pictures to square crops of one size.

First every picture is judged by its stored size, which costs no decoding; then those that pass
are rendered. A render is kept in a ledger named by what its pixels depend on, so that a changed
threshold decides anew and renders nothing again.
"""

import logging
from functools import partial
from time import perf_counter

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from wunderkammer.build import StageInputs
from wunderkammer.crops.params import CropParams
from wunderkammer.crops.render import (
    RENDERS,
    RenderSettings,
    Source,
    casualty_row,
    render_row,
)
from wunderkammer.crops.windows import Verdicts, centre_squares, judge
from wunderkammer.images.contact_sheet import MAX_TILES, Tile, contact_sheet
from wunderkammer.ledger_map import map_ledgered
from wunderkammer.manifests import CROPS, KEPT, REJECTED, kept, rejections
from wunderkammer.params import digest
from wunderkammer.stages import FILTERED_CROPS, RAW_SCRAPE
from wunderkammer.storage.blobs import Blobs
from wunderkammer.storage.ledger import Ledger
from wunderkammer.storage.versions import Draft, Summary, Versions

log = logging.getLogger(__name__)

# What `deduped_shards` reads of a crop, and what a split goes by: equal rows of these, equal data
# version. Names are not among it, so they may not decide which duplicate is kept.
CONTENT = (
    "crop_sha256",
    "phash",
    "sharpness",
    "box_x0",
    "box_y0",
    "box_x1",
    "box_y1",
    "label",
    "group",
)

# A rejected picture beyond this is named on the contact sheet, not shown.
MAX_SHOWN_PIXELS = 50_000_000


class NothingKeptError(ValueError):
    """Not one picture has passed the filter, so there is nothing to go on with."""


def crop_images(inputs: StageInputs) -> Draft:
    """Build `filtered_crops` from `raw_scrape` by the subject's `filter` section.

    Raises:
        NothingKeptError: no picture passes; it says how many failed by what, and what to change.
    """
    params = inputs.subject.spec.filter
    start = perf_counter()
    raw = kept(inputs.versions.manifest(inputs.upstreams[RAW_SCRAPE.name])).sort_by("id")
    width, height = _ints(raw["width"]), _ints(raw["height"])
    verdicts = judge(width, height, params=params)
    decided = perf_counter()
    renders = _render(inputs, raw, passing=pc.is_null(verdicts.reason), params=params)
    rendered = perf_counter()
    manifest = _manifest(raw, verdicts, renders)
    crops = kept(manifest)
    if crops.num_rows == 0:
        raise NothingKeptError(_nothing_kept(inputs.subject.name, manifest))
    files = {
        "kept.jpg": _kept_sheet(crops, blobs=inputs.blobs),
        "rejected.jpg": _rejected_sheet(manifest, blobs=inputs.blobs),
    }
    summary = Summary(
        num_in=manifest.num_rows,
        num_out=crops.num_rows,
        rejections=rejections(manifest),
        timings_s={
            "decide": round(decided - start, 3),
            "render": round(rendered - decided, 3),
            "publish": round(perf_counter() - rendered, 3),
        },
        measures={"median_sharpness": round(float(np.median(crops["sharpness"])), 1)},
    )
    return Draft(_data_version(crops), summary, manifest, files)


def _render(
    inputs: StageInputs, raw: pa.Table, *, passing: pa.Array, params: CropParams
) -> pa.Table:
    """A row of `RENDERS` for each row of `raw`, null where it is not `passing`."""
    settings = RenderSettings.of(params)
    home = Versions.home(inputs.subject.name, FILTERED_CROPS.name)
    wanted = raw.filter(passing).select(["sha256", "width", "height"]).to_pydict()
    # Identical bytes have one render, whatever their ids.
    sources = {
        sha256: Source(sha256, width, height)
        for sha256, width, height in zip(*wanted.values(), strict=True)
    }
    renders = map_ledgered(
        Ledger(
            inputs.store, f"{home}/ledger/{settings.digest}", RENDERS, blob_column="crop_sha256"
        ),
        sources,
        fn=partial(render_row, settings=settings, store=inputs.store),
        on_casualty=casualty_row,
        what=f"crops of {inputs.subject.name}",
        log=log,
    )
    return renders.take(pc.index_in(raw["sha256"], value_set=pa.array(sources, pa.string())))


def _manifest(raw: pa.Table, verdicts: Verdicts, renders: pa.Table) -> pa.Table:
    """Rows by `CROPS`: `raw`'s, in its order, with what was decided and made of each."""
    reason = pc.coalesce(verdicts.reason, renders["reason"])
    is_kept = pc.is_null(reason)
    windows = centre_squares(_ints(raw["width"]), _ints(raw["height"]))
    columns = {
        "id": raw["id"],
        "sha256": raw["sha256"],
        "crop_sha256": renders["crop_sha256"],
        "source_width": raw["width"],
        "source_height": raw["height"],
        "box_x0": _where(is_kept, windows.x0),
        "box_y0": _where(is_kept, windows.y0),
        "box_x1": _where(is_kept, windows.x1),
        "box_y1": _where(is_kept, windows.y1),
        "phash": renders["phash"],
        "sharpness": renders["sharpness"],
        "num_bytes": raw["num_bytes"],
        "label": raw["label"],
        "group": raw["group"],
        "decision": pc.if_else(is_kept, KEPT, REJECTED),
        "reason": reason,
        "measured": verdicts.measured,
        "limit": verdicts.limit,
        "detail": pc.coalesce(verdicts.detail, renders["detail"]),
    }
    return pa.table([columns[name] for name in CROPS.names], names=CROPS.names).cast(CROPS)


def _data_version(crops: pa.Table) -> str:
    content = crops.select(CONTENT).sort_by([(name, "ascending") for name in CONTENT])
    return digest([content[name].to_pylist() for name in CONTENT])


def _nothing_kept(subject: str, manifest: pa.Table) -> str:
    if manifest.num_rows == 0:
        return (
            f"raw_scrape of {subject!r} has kept no picture, so there is nothing to crop; "
            f"look at its rejections, and correct the section `scrape` of {subject}.yaml"
        )
    counts = ", ".join(f"{n} {reason}" for reason, n in rejections(manifest).items())
    limits = manifest.group_by(["reason", "detail", "limit"]).aggregate(
        [("measured", "min"), ("measured", "max")]
    )
    spans = [
        f"{row['reason']}: {row['measured_min']:g} to {row['measured_max']:g}, "
        f"the limit is {row['limit']:g} ({row['detail']})"
        for row in limits.to_pylist()
        if row["limit"] is not None
    ]
    return (
        f"none of the {manifest.num_rows} pictures of {subject!r} passes the filter ({counts}). "
        f"{'; '.join(spans)}. Loosen the settings named in the section `filter` of {subject}.yaml, "
        f"or give its source other pictures"
    )


def _kept_sheet(crops: pa.Table, *, blobs: Blobs) -> bytes:
    chosen = crops.take(np.sort(_shuffled(crops.num_rows)[:MAX_TILES]))
    tiles = [Tile(blobs.get(row["crop_sha256"]), row["id"]) for row in chosen.to_pylist()]
    return contact_sheet(tiles, title=f"{len(tiles)} of {crops.num_rows} kept")


def _rejected_sheet(manifest: pa.Table, *, blobs: Blobs) -> bytes:
    rejected = manifest.filter(pc.equal(manifest["decision"], REJECTED))
    reasons = np.asarray(rejected["reason"].combine_chunks().dictionary_encode().indices)
    order = _shuffled(rejected.num_rows)
    # Every reason in turn, so that a rare one is seen beside a frequent one.
    turn = np.empty(rejected.num_rows, np.int64)
    for reason in np.unique(reasons):
        own = order[reasons[order] == reason]
        turn[own] = np.arange(own.size)
    first = np.lexsort((reasons, turn))[:MAX_TILES]
    chosen = rejected.take(first[np.argsort(reasons[first], kind="stable")])
    tiles = [_rejected_tile(row, blobs=blobs) for row in chosen.to_pylist()]
    return contact_sheet(tiles, title=f"{len(tiles)} of {rejected.num_rows} rejected")


def _rejected_tile(row: dict[str, object], *, blobs: Blobs) -> Tile:
    if row["limit"] is None:
        # What could not be rendered, or took a worker down, is not tried again here.
        return Tile(None, f"{row['reason']}\n{row['detail']}")
    caption = f"{row['reason']}\n{row['measured']:.4g} (limit {row['limit']:.4g})"
    if int(str(row["source_width"])) * int(str(row["source_height"])) > MAX_SHOWN_PIXELS:
        return Tile(None, caption)
    return Tile(blobs.get(str(row["sha256"])), caption)


def _shuffled(num_rows: int) -> npt.NDArray[np.int64]:
    return np.random.default_rng(0).permutation(num_rows)


def _ints(column: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    return np.asarray(column, np.int64)


def _where(mask: pa.ChunkedArray, values: npt.NDArray[np.int64]) -> pa.ChunkedArray:
    return pc.if_else(mask, pa.array(values), None)
