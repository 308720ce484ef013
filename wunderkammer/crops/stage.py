"""The stage `filtered_crops`: from scraped pictures to square crops of one size.

First every picture gets its candidates: windows with measures, from its size, its detections or
its regions. Rules cut through the measures; the windows that pass are rendered, and what is
measured of the crops is judged in turn. Regions and renders are kept in ledgers named by what they
depend on, so that a changed threshold decides anew and computes nothing again.
"""

import logging
from functools import partial
from time import perf_counter

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from wunderkammer.build import StageInputs
from wunderkammer.crops.candidates import NOTHING_FOUND
from wunderkammer.crops.centre import rendered_cuts
from wunderkammer.crops.cuts import MEASURE, Verdicts, judge
from wunderkammer.crops.params import CropParams
from wunderkammer.crops.proposals import propose
from wunderkammer.crops.render import RENDERS, RenderSettings, Window, casualty_row, render_row
from wunderkammer.crops.rules import all_cuts, score_cuts, window_cuts
from wunderkammer.crops.tune import cuts_plot
from wunderkammer.images.contact_sheet import MAX_TILES, Tile, contact_sheet
from wunderkammer.ledger_map import map_ledgered
from wunderkammer.manifests import CROPS, KEPT, RAW, REJECTED, conformed, kept, rejections
from wunderkammer.mask.cuts import mask_cuts
from wunderkammer.mask.params import MaskParams
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
    "dhash",
    "sharpness",
    "source_width",
    "source_height",
    "num_bytes",
    "box_x0",
    "box_y0",
    "box_x1",
    "box_y1",
    "label",
    "group",
    "proposed_by",
)
PROPOSED = (
    "angle_deg",
    "shown_width",
    "shown_height",
    "object_x0",
    "object_y0",
    "object_x1",
    "object_y1",
    "class_name",
    "proposed_by",
)
RENDERED_MEASURES = ("sharpness", "brightness", "contrast")

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
    scraped = inputs.versions.manifest(inputs.upstreams[RAW_SCRAPE.name])
    raw = kept(conformed(scraped, RAW)).sort_by("id")
    found = propose(inputs, raw)
    found = _with_verdicts(found, judge(found, window_cuts(params)))
    decided = perf_counter()
    found = _rendered(inputs, raw, found, params=params)
    found = _with_verdicts(found, judge(found, rendered_cuts(params)))
    if score_cuts(params):
        found = _scored(inputs, found, params=params)
        found = _with_verdicts(found, judge(found, score_cuts(params)))
    if params.mask is not None:
        found = _masked(inputs, found, params=params.mask)
        found = _with_verdicts(found, judge(found, mask_cuts(params.mask)))
    rendered = perf_counter()
    manifest = _manifest(raw, found)
    crops = kept(manifest)
    if crops.num_rows == 0:
        raise NothingKeptError(_nothing_kept(inputs.subject.name, manifest))
    files = {
        "cuts.png": cuts_plot(manifest, all_cuts(params)),
        "kept.jpg": _kept_sheet(crops, blobs=inputs.blobs),
        "rejected.jpg": _rejected_sheet(manifest, blobs=inputs.blobs),
    }
    summary = Summary(
        num_in=raw.num_rows,
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


def _with_verdicts(found: pa.Table, verdicts: Verdicts) -> pa.Table:
    """`found` with what the rules say of the rows that had no reason yet."""
    is_new = pc.and_(pc.is_null(found["reason"]), pc.is_valid(verdicts.reason))
    columns = {
        "reason": pc.coalesce(found["reason"], verdicts.reason),
        "detail": pc.coalesce(found["detail"], pc.if_else(is_new, verdicts.detail, None)),
        "measured": pc.if_else(is_new, verdicts.measured, _column(found, "measured")),
        "limit": pc.if_else(is_new, verdicts.limit, _column(found, "limit")),
    }
    kept_names = [name for name in found.column_names if name not in columns]
    return pa.table({**{name: found[name] for name in kept_names}, **columns})


def _texts(table: pa.Table, name: str) -> pa.ChunkedArray | pa.Array:
    return table[name] if name in table.column_names else pa.nulls(table.num_rows, pa.string())


def _column(table: pa.Table, name: str) -> pa.ChunkedArray | pa.Array:
    if name in table.column_names:
        return table[name]
    return pa.nulls(table.num_rows, pa.float64())


def _rendered(
    inputs: StageInputs, raw: pa.Table, found: pa.Table, *, params: CropParams
) -> pa.Table:
    """`found` with the renders of the rows that have passed so far."""
    settings = RenderSettings.of(params)
    home = Versions.home(inputs.subject.name, FILTERED_CROPS.name)
    keys = _windows(raw, found)
    # Identical bytes have one render, whatever their ids.
    windows = {window.key: window for window in keys if window is not None}
    renders = map_ledgered(
        Ledger(
            inputs.store, f"{home}/ledger/{settings.digest}", RENDERS, blob_columns=("crop_sha256",)
        ),
        windows,
        fn=partial(render_row, settings=settings, store=inputs.store),
        on_casualty=casualty_row,
        what=f"crops of {inputs.subject.name}",
        log=log,
    )
    names = pa.array([None if window is None else window.key for window in keys], pa.string())
    renders = renders.take(pc.index_in(names, value_set=pa.array(windows, pa.string())))
    columns = {MEASURE + name: renders[name] for name in RENDERED_MEASURES}
    return pa.table(
        {
            **{name: found[name] for name in found.column_names},
            **columns,
            "crop_sha256": renders["crop_sha256"],
            "phash": renders["phash"],
            "dhash": renders["dhash"],
            "reason": pc.coalesce(found["reason"], renders["reason"]),
            "detail": pc.coalesce(found["detail"], renders["detail"]),
        }
    )


def _scored(inputs: StageInputs, found: pa.Table, *, params: CropParams) -> pa.Table:
    """`found` with what networks see in the crops that have passed so far."""
    from wunderkammer.classify.scores import (
        classify_ledgered,
        outliers_ledgered,
        similar_ledgered,
    )

    prefix = f"{Versions.home(inputs.subject.name, FILTERED_CROPS.name)}/scores"
    crops = pc.if_else(pc.is_null(found["reason"]), found["crop_sha256"], None)
    keys = list(dict.fromkeys(crops.drop_null().to_pylist()))
    store, subject = inputs.store, inputs.subject
    tables = []
    if params.classify is not None:
        tables.append(classify_ledgered(store, prefix, keys, params.classify, subject=subject))
    if params.similar is not None:
        tables.append(similar_ledgered(store, prefix, keys, params.similar, subject=subject))
    if params.outliers is not None:
        tables.append(outliers_ledgered(store, prefix, keys, params.outliers, subject=subject))
    for table in tables:
        rows = table.take(pc.index_in(crops, value_set=table["key"].combine_chunks()))
        columns = {
            "reason": pc.coalesce(found["reason"], rows["reason"]),
            "detail": pc.coalesce(found["detail"], rows["detail"]),
        }
        for name in table.column_names:
            if pa.types.is_floating(table.schema.field(name).type):
                columns[MEASURE + name] = rows[name]
        others = {name: found[name] for name in found.column_names if name not in columns}
        found = pa.table({**others, **columns})
    return found


def _masked(inputs: StageInputs, found: pa.Table, *, params: MaskParams) -> pa.Table:
    """`found` with the masked crops of the rows that have passed so far in place of theirs."""
    from wunderkammer.mask.location import find_model
    from wunderkammer.mask.run import mask_ledgered
    from wunderkammer.mask.settings import MaskSettings

    home = Versions.home(inputs.subject.name, FILTERED_CROPS.name)
    crops = pc.if_else(pc.is_null(found["reason"]), found["crop_sha256"], None)
    masks = mask_ledgered(
        inputs.store,
        f"{home}/masks",
        dict.fromkeys(crops.drop_null().to_pylist()),
        MaskSettings.of(params, path=find_model(params, subject=inputs.subject)),
        render=RenderSettings.of(inputs.subject.spec.filter),
    )
    masks = masks.take(pc.index_in(crops, value_set=masks["key"].combine_chunks()))
    columns = {
        "crop_sha256": pc.coalesce(masks["masked_sha256"], found["crop_sha256"]),
        "phash": pc.coalesce(masks["phash"], found["phash"]),
        "dhash": pc.coalesce(masks["dhash"], found["dhash"]),
        "mask_sha256": masks["mask_sha256"],
        MEASURE + "mask_area": masks["mask_area"],
        MEASURE + "mask_peak": masks["mask_peak"],
        "reason": pc.coalesce(found["reason"], masks["reason"]),
        "detail": pc.coalesce(found["detail"], masks["detail"]),
    }
    others = {name: found[name] for name in found.column_names if name not in columns}
    return pa.table({**others, **columns})


def _windows(raw: pa.Table, found: pa.Table) -> list[Window | None]:
    """The window of each row that has no reason against it."""
    pictures = raw.select(["sha256", "width", "height"]).take(found["picture"])
    edges = ("x0", "y0", "x1", "y1", "angle_deg", "shown_width", "shown_height")
    columns = [pictures[name].to_pylist() for name in pictures.column_names]
    columns += [found[name].to_pylist() for name in edges]
    reasons = found["reason"].to_pylist()
    return [
        Window(*values) if reason is None else None
        for reason, values in zip(reasons, zip(*columns, strict=True), strict=True)
    ]


def _manifest(raw: pa.Table, found: pa.Table) -> pa.Table:
    """Rows by `CROPS` and a column a measure: a row a candidate, with what became of it."""
    pictures = raw.take(found["picture"])
    is_kept = pc.is_null(found["reason"])
    number = found["number"].cast(pa.string())
    several = pc.binary_join_element_wise(pictures["id"], number, "#")
    columns = {
        "id": pc.if_else(pc.equal(found["number"], 0), pictures["id"], several),
        "picture_id": pictures["id"],
        "sha256": pictures["sha256"],
        "crop_sha256": found["crop_sha256"],
        "mask_sha256": _texts(found, "mask_sha256"),
        "source_width": pictures["width"],
        "source_height": pictures["height"],
        **{f"box_{edge}": found[edge] for edge in ("x0", "y0", "x1", "y1")},
        **{name: found[name] for name in PROPOSED},
        "phash": found["phash"],
        "dhash": found["dhash"],
        "sharpness": found[MEASURE + "sharpness"],
        "num_bytes": pictures["num_bytes"],
        "label": pictures["label"],
        "group": pictures["group"],
        "source": pictures["source"],
        "licence": pictures["licence"],
        "decision": pc.if_else(is_kept, KEPT, REJECTED),
        "reason": found["reason"],
        "measured": found["measured"],
        "limit": found["limit"],
        "detail": found["detail"],
    }
    rows = pa.table([columns[name] for name in CROPS.names], names=CROPS.names).cast(CROPS)
    for name in sorted(n for n in found.column_names if n.startswith(MEASURE)):
        rows = rows.append_column(name, found[name].cast(pa.float64()))
    return rows


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
    if row["limit"] is not None:
        caption = f"{row['reason']}\n{row['measured']:.4g} (limit {row['limit']:.4g})"
    else:
        caption = f"{row['reason']}\n{row['detail']}"
        if row["reason"] not in NOTHING_FOUND:
            # What could not be rendered, or took a worker down, is not tried again here.
            return Tile(None, caption)
    if int(str(row["source_width"])) * int(str(row["source_height"])) > MAX_SHOWN_PIXELS:
        return Tile(None, caption)
    return Tile(blobs.get(str(row["sha256"])), caption)


def _shuffled(num_rows: int) -> npt.NDArray[np.int64]:
    return np.random.default_rng(0).permutation(num_rows)
