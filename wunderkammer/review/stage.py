"""The stage `reviewed_crops`: the crops that may go on, as persons have decided.

Only the pictures of corrected crops are opened.
"""

from collections import Counter
from collections.abc import Sequence
from time import perf_counter
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import JsonValue

from wunderkammer.build import StageInputs
from wunderkammer.images.contact_sheet import MAX_TILES, Tile, contact_sheet
from wunderkammer.manifests import KEPT, REJECTED, kept, rejections
from wunderkammer.params import digest
from wunderkammer.review.crop_table import PROVENANCE, WINDOW, CropTable, crop_table
from wunderkammer.review.decision import ACCEPT, Decision
from wunderkammer.review.gate import ReviewNeededError, check_sample, sample_rows
from wunderkammer.review.journal import read_decisions
from wunderkammer.review.params import ReviewParams
from wunderkammer.review.recut import corrected_window, recut
from wunderkammer.review.standing import Standing
from wunderkammer.stages import FILTERED_CROPS
from wunderkammer.storage.versions import Draft, Summary, Versions

STAGE = "reviewed_crops"

# The reasons of a rejection; one of the recipe's own follows a colon.
BY_PERSON = "rejected_by_person"
NOT_REVIEWED = "not_reviewed"

# What was decided of a crop: columns beside those of `filtered_crops`.
REVIEW_COLUMNS = {
    "review": pa.string(),
    "review_reason": pa.string(),
    "reviewer": pa.string(),
    "reviewed_at": pa.string(),
    "in_sample": pa.bool_(),
}
UNDECIDED, ACCEPTED, CORRECTED, REJECTED_BY_PERSON = (
    "undecided",
    "accepted",
    "corrected",
    "rejected",
)

# What later stages read: the crops, and who has proposed and approved them.
CONTENT = (
    "crop_sha256",
    "phash",
    "dhash",
    "sharpness",
    "source_width",
    "source_height",
    "num_bytes",
    *WINDOW,
    "label",
    "group",
    "review",
    "reviewer",
    "proposed_by",
)

Row = dict[str, Any]


def review_crops(inputs: StageInputs) -> Draft:
    """Build `reviewed_crops` from `filtered_crops`, the decisions and the section `review`.

    Raises:
        ReviewNeededError: the gate lets nothing pass yet; it says what is missing and what to run.
    """
    subject, params = inputs.subject.name, inputs.subject.spec.review
    start = perf_counter()
    crops = crop_table(inputs.versions, inputs.upstreams[FILTERED_CROPS.name])
    standing = Standing(read_decisions(inputs.store, subject), min_same_iou=params.min_same_iou)
    decisions = [crops.standing(row, standing) for row in range(len(crops))]
    sample = sample_rows(crops, params)
    if params.gate == "sample":
        check_sample(sample, decisions, subject=subject, params=params)
    decided = perf_counter()
    manifest = _manifest(inputs, crops, decisions, params=params, sample=sample)
    passed = kept(manifest)
    if passed.num_rows == 0:
        raise ReviewNeededError(_nothing_passed(subject, manifest))
    files = {
        "kept.jpg": _sheet(inputs, passed, "approved"),
        "rejected.jpg": _sheet(inputs, manifest.filter(_is(manifest, REJECTED)), "held back"),
    }
    summary = Summary(
        num_in=manifest.num_rows,
        num_out=passed.num_rows,
        rejections=rejections(manifest),
        timings_s={
            "decide": round(decided - start, 3),
            "render": round(perf_counter() - decided, 3),
        },
        measures=_measures(manifest),
    )
    return Draft(_data_version(passed), summary, manifest, files)


def _manifest(
    inputs: StageInputs,
    crops: CropTable,
    decisions: Sequence[Decision | None],
    *,
    params: ReviewParams,
    sample: Sequence[int],
) -> pa.Table:
    """The kept rows of `filtered_crops`, with what became of each."""
    in_sample = set(sample)
    reviews: list[Row] = []
    for row, decision in enumerate(decisions):
        review = _review(decision)
        reviews.append({**review, "in_sample": row in in_sample, **_verdict(review, params)})
    table = crops.table.drop_columns([name for name in PROVENANCE if crops.has(name)])
    for name, kind in {**REVIEW_COLUMNS, "decision": pa.string(), "reason": pa.string()}.items():
        values = pa.array([review[name] for review in reviews], kind)
        table = _with_column(table, name, values)
    return _corrected(inputs, table, crops, decisions)


def _review(decision: Decision | None) -> Row:
    """Values of `REVIEW_COLUMNS`, but for the sample."""
    if decision is None:
        nothing = dict.fromkeys(("review_reason", "reviewer", "reviewed_at"))
        return {"review": UNDECIDED, **nothing}
    accepted = CORRECTED if decision.is_corrected else ACCEPTED
    return {
        "review": accepted if decision.decision == ACCEPT else REJECTED_BY_PERSON,
        "review_reason": decision.reason,
        "reviewer": decision.reviewer,
        "reviewed_at": decision.time,
    }


def _verdict(review: Row, params: ReviewParams) -> Row:
    if review["review"] == REJECTED_BY_PERSON:
        because = f": {review['review_reason']}" if review["review_reason"] else ""
        return {"decision": REJECTED, "reason": BY_PERSON + because}
    if review["review"] == UNDECIDED and params.gate == "all":
        return {"decision": REJECTED, "reason": NOT_REVIEWED}
    return {"decision": KEPT, "reason": None}


def _corrected(
    inputs: StageInputs,
    table: pa.Table,
    crops: CropTable,
    decisions: Sequence[Decision | None],
) -> pa.Table:
    """`table` with the crops cut anew whose window a person has moved."""
    angles = crops.column("angle_deg")
    windows = {
        row: corrected_window(
            decision,
            decision.window,
            angle_deg=angles[row] or 0.0,
            shown_share=crops.shown_share(row),
        )
        for row, decision in enumerate(decisions)
        if decision is not None and decision.window is not None
    }
    if not windows:
        return table
    home = Versions.home(inputs.subject.name, STAGE)
    places = pa.array(list(windows), pa.int64())
    rows = table.take(places).to_pylist()
    for row, change in zip(rows, recut(inputs, list(windows.values()), home=home), strict=True):
        row.update({name: value for name, value in change.items() if name in row})
        row["decision"] = KEPT if row["reason"] is None else REJECTED
    stays = pc.invert(pc.is_in(pa.array(range(len(table)), pa.int64()), value_set=places))
    both = pa.concat_tables([table.filter(stays), pa.Table.from_pylist(rows, schema=table.schema)])
    order = [row for row in range(len(table)) if row not in windows] + list(windows)
    return both.take(pc.sort_indices(pa.array(order, pa.int64())))


def _with_column(table: pa.Table, name: str, values: pa.Array) -> pa.Table:
    if name in table.column_names:
        return table.set_column(table.column_names.index(name), name, values)
    return table.append_column(name, values)


def _is(manifest: pa.Table, decision: str) -> pa.ChunkedArray:
    return pc.equal(manifest["decision"], decision)


def _data_version(passed: pa.Table) -> str:
    content = passed.select(CONTENT).sort_by([(name, "ascending") for name in CONTENT])
    return digest([content[name].to_pylist() for name in CONTENT])


def _measures(manifest: pa.Table) -> dict[str, JsonValue]:
    """How much was decided, by whom, and the share accepted of what was decided."""
    counts = Counter(manifest["review"].to_pylist())
    approved = counts[ACCEPTED] + counts[CORRECTED]
    decided = approved + counts[REJECTED_BY_PERSON]
    by = Counter(name for name in manifest["reviewer"].to_pylist() if name is not None)
    measures: dict[str, JsonValue] = {"reviews": dict(counts), "reviewers": dict(by)}
    if decided:
        measures["accept_rate"] = round(approved / decided, 4)
    return measures


def _nothing_passed(subject: str, manifest: pa.Table) -> str:
    counts = ", ".join(f"{n} {reason}" for reason, n in rejections(manifest).items())
    return (
        f"none of the {manifest.num_rows} crops of {subject!r} may go on ({counts}); "
        f"run: wunderkammer review {subject}"
    )


def _sheet(inputs: StageInputs, rows: pa.Table, words: str) -> bytes:
    """At most so many crops as a sheet shows, those that a person has seen first."""
    seen = pc.is_null(rows["reviewer"])
    order = pc.sort_indices(pa.table({"unseen": seen}), [("unseen", "ascending")])
    chosen = rows.take(order[:MAX_TILES])
    tiles = [
        Tile(inputs.blobs.get(row["crop_sha256"]) if row["crop_sha256"] else None, _caption(row))
        for row in chosen.to_pylist()
    ]
    return contact_sheet(tiles, title=f"{len(tiles)} of {rows.num_rows} {words}")


def _caption(row: Row) -> str:
    by = f"{row['review']} by {row['reviewer']}" if row["reviewer"] else row["review"]
    return f"{row['review_reason'] or row['id']}\n{by}"
