"""The stage `raw_scrape`: whatever the source, every item listed becomes a row with a decision."""

import json
import logging
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from time import perf_counter

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import JsonValue, ValidationError

from wunderkammer.build import StageInputs
from wunderkammer.garbage import collected_rarely
from wunderkammer.harvest.course import Course
from wunderkammer.manifests import KEPT, RAW, REJECTED, conformed, kept, rejections
from wunderkammer.params import digest
from wunderkammer.progress import track
from wunderkammer.scratch import scratch_folder
from wunderkammer.sources.counts import scrape_counts
from wunderkammer.sources.growth_plot import growth_plot
from wunderkammer.sources.ingest import Ingest, facts_ledger, ingest
from wunderkammer.sources.item import Source, SourceError, SourceReport
from wunderkammer.sources.limits import MB, SourceLimits
from wunderkammer.sources.open_source import Surroundings, open_source
from wunderkammer.sources.places import BEYOND_CAP, Places
from wunderkammer.sources.sheets import new_sheet, scrape_sheets
from wunderkammer.stages import RAW_SCRAPE
from wunderkammer.storage.ledger import Ledger
from wunderkammer.storage.tables import Pile, columns_digest, release_memory, values
from wunderkammer.storage.versions import Draft, Record, Summary, Versions
from wunderkammer.workers import Workers

log = logging.getLogger(__name__)

GONE = "gone_from_source"
PLACEHOLDER = "placeholder"
COURSES = "courses.json"
# What downstream stages read or pass on; times and rejected rows are not among it.
PASSING = ("source", "tags", "taken_at", "fetched_at", "headers", "decision", "reason", "detail")
CONTENT = tuple(n for n in RAW.names if n not in PASSING)
# What sheets, curves and counts are made of.
SHOWN = (
    *("id", "sha256", "num_bytes", "format", "width", "height", "source", "licence", "label"),
    *("fetched_at", "decision", "reason"),
)


def scrape_images(inputs: StageInputs, *, scratch: Path | None = None) -> Draft:
    """List the source, take in what is new, and keep a row for all that was ever listed.

    An item of the previous version that the source has lost stays as a row rejected for
    "gone_from_source"; its blob stays too. The version of the data hashes the kept rows. Files lie
    in `scratch` while they are fetched, by default below that of the store.

    Raises:
        SourceError: the source can't be read, holds nothing, or nothing of it can be kept.
    """
    params = inputs.subject.spec.scrape
    start = perf_counter()
    current = inputs.versions.current(inputs.subject.name, RAW_SCRAPE.name)
    with collected_rarely():
        scratch = scratch or scratch_folder(inputs.store) / "scrape" / inputs.subject.name
        rows, report = _scraped(inputs, current, scratch=scratch)
    release_memory()
    for problem in report.problems:
        log.warning("%s: %s", inputs.subject.name, problem)
    if KEPT not in rows["decision"].unique().to_pylist():
        raise SourceError(_nothing_kept(inputs.subject.name, rows, report))
    previous = _previous_rows(current, inputs)
    manifest = _after(rows, previous, is_gone=report.is_gone, max_images=params.max_images)
    # Of hundreds of thousands of rows each copy of what nobody looks at is to be spared.
    del rows
    shown, shown_before = manifest.select(SHOWN), previous.select(SHOWN)
    del previous
    release_memory()
    ingested = perf_counter()
    files = {
        **scrape_sheets(shown, blobs=inputs.blobs),
        "new.jpg": new_sheet(shown, shown_before, blobs=inputs.blobs),
        "growth.png": growth_plot(shown, kind=params.kind),
    }
    timings = {"ingest": ingested - start, "sheets": perf_counter() - ingested}
    if report.courses:
        files[COURSES] = json.dumps(report.courses, indent=1, sort_keys=True).encode()
    counts = scrape_counts(shown, shown_before, kind=params.kind)
    return Draft(
        data_version=_data_version(manifest),
        summary=_summary(shown, report, counts, timings),
        manifest=manifest,
        files=files,
    )


def _scraped(
    inputs: StageInputs, current: Record | None, *, scratch: Path
) -> tuple[pa.Table, SourceReport]:
    """The rows of all that the source gives now."""
    params = inputs.subject.spec.scrape
    home = Versions.home(inputs.subject.name, RAW_SCRAPE.name)
    do = Ingest(inputs.store, max_bytes=params.max_bytes, max_pixels=params.max_pixels)
    limits = {"code": RAW_SCRAPE.code_version, "limits": [do.max_bytes, do.max_pixels]}
    facts = facts_ledger(inputs.store, f"{home}/ledger/{digest(limits)}")
    around = Surroundings(
        inputs.subject,
        inputs.store,
        ledger=f"{home}/ledger",
        courses=_courses(current, inputs.versions),
        scratch=scratch,
    )
    with open_source(params, around) as source:
        before = _previous_rows(current, inputs).select(["id", "decision"])
        release_memory()
        taken = frozenset(values(kept(before)["id"]))
        rows = _take_in(source, params, taken=taken, facts=facts, do=do)
        return rows, source.report()


def _take_in(
    source: Source,
    params: SourceLimits,
    *,
    taken: frozenset[str],
    facts: Ledger,
    do: Ingest,
) -> pa.Table:
    """The rows of all items, by id; of an id that was given twice the last one."""
    places = Places(params.max_images)
    batches = source.batches(places, taken=taken)
    pile = Pile(RAW)
    decided = ingest(batches, facts=facts, do=do, workers=Workers())
    total = partial(getattr, places, "num_expected")
    for rows in track(decided, total=total, what="pictures", log=log, size=len):
        rows = _without_placeholders(rows, params)
        places.settle(rows)
        source.decided(rows)
        pile.add(rows)
    ids = pile.column("id")
    numbered = pa.table({"id": ids, "row": pa.array(range(pile.num_rows), pa.int64())})
    last = numbered.group_by("id").aggregate([("row", "max")]).sort_by("id")
    return pile.take(last["row_max"].combine_chunks())


def _without_placeholders(rows: pa.Table, params: SourceLimits) -> pa.Table:
    """`rows` with the pictures rejected that stand in place of a deleted one."""
    known = pa.array(params.placeholder_sha256, pa.string())
    which = pc.is_in(rows["sha256"], value_set=known)
    for width, height in params.placeholder_sizes:
        same = pc.and_(pc.equal(rows["width"], width), pc.equal(rows["height"], height))
        which = pc.or_(which, pc.fill_null(same, False))
    which = pc.and_(which, pc.equal(rows["decision"], KEPT))
    detail = "what the site sends in place of a deleted picture"
    return _reject(rows, which, PLACEHOLDER, detail)


def _previous_rows(current: Record | None, inputs: StageInputs) -> pa.Table:
    """The rows of the version in force, if it comes from the same query."""
    if current is None:
        return RAW.empty_table()
    params = inputs.subject.spec.scrape
    try:
        before = type(params).model_validate_json(json.dumps(current.sections["scrape"]))
    except ValidationError:
        return RAW.empty_table()
    if before.identity() != params.identity():
        return RAW.empty_table()
    return conformed(inputs.versions.manifest(current), RAW)


def _courses(record: Record | None, versions: Versions) -> dict[str, Course]:
    """Where each source goes on: one whose own query is the same, whatever stands beside it."""
    if record is None or COURSES not in record.files:
        return {}
    plain = json.loads(versions.read(record, COURSES))
    return {name: Course.model_validate(value) for name, value in plain.items()}


def _after(
    rows: pa.Table,
    previous: pa.Table,
    *,
    is_gone: Callable[[str], bool],
    max_images: int | None,
) -> pa.Table:
    """`rows` with the times of unchanged content, and what `previous` has and `rows` has not."""
    of_each = pc.index_in(rows["id"], value_set=previous["id"].combine_chunks())
    before = previous.select(["sha256", "fetched_at"]).take(of_each)
    same = pc.fill_null(pc.equal(before["sha256"], rows["sha256"]), False)
    times = pc.if_else(same, before["fetched_at"], rows["fetched_at"])
    rows = rows.set_column(RAW.get_field_index("fetched_at"), RAW.field("fetched_at"), times)
    listed = pc.is_in(previous["id"], value_set=rows["id"].combine_chunks())
    manifest = pa.concat_tables([rows, previous.filter(pc.invert(listed))])
    gone = pa.array([is_gone(id_) for id_ in values(manifest["id"])], pa.bool_())
    newly = pc.and_(gone, pc.not_equal(pc.fill_null(manifest["reason"], ""), GONE))
    reason = pc.fill_null(manifest["reason"], KEPT)
    detail = pc.binary_join_element_wise("no longer listed; it was: ", reason, "")
    manifest = _reject(manifest, newly, GONE, detail)
    if max_images is None:
        return manifest
    # What no place was left for, since the cap was lowered, was not given again.
    is_kept = pc.equal(manifest["decision"], KEPT)
    is_beyond = pc.greater(pc.cumulative_sum(is_kept.cast(pa.int64())), max_images)
    return _reject(manifest, pc.and_(is_kept, is_beyond), BEYOND_CAP, "")


def _reject(
    rows: pa.Table, which: pa.ChunkedArray, reason: str, detail: pa.ChunkedArray | str
) -> pa.Table:
    for name, value in (("decision", REJECTED), ("reason", reason), ("detail", detail)):
        column = pc.if_else(which, value, rows[name])
        rows = rows.set_column(RAW.get_field_index(name), RAW.field(name), column)
    return rows


def _data_version(manifest: pa.Table) -> str:
    numbers = pa.array(range(manifest.num_rows), pa.int64())
    rows = pa.table({"id": manifest["id"], "decision": manifest["decision"], "row": numbers})
    return columns_digest(manifest.select(CONTENT), kept(rows).sort_by("id")["row"])


def _summary(
    manifest: pa.Table,
    report: SourceReport,
    counts: dict[str, JsonValue],
    timings_s: dict[str, float],
) -> Summary:
    rows = kept(manifest)
    pixels = pc.multiply(rows["width"].cast(pa.int64()), rows["height"].cast(pa.int64()))
    return Summary(
        num_in=report.num_listed,
        num_out=rows.num_rows,
        rejections=rejections(manifest),
        timings_s={name: round(seconds, 3) for name, seconds in timings_s.items()},
        measures={
            **counts,
            **report.measures,
            **({"problems": list(report.problems)} if report.problems else {}),
            "formats": dict(Counter(rows["format"].to_pylist()).most_common()),
            "labels": len(rows["label"].unique().drop_null()),
            "median_megapixels": round(pc.approximate_median(pixels).as_py() / MB, 3),
        },
    )


def _nothing_kept(subject: str, rows: pa.Table, report: SourceReport) -> str:
    if not rows.num_rows:
        why = "; ".join(report.problems) or "it lists nothing"
        return f"raw_scrape of {subject!r}: the source gives no item ({why})"
    counts = ", ".join(f"{count} {reason}" for reason, count in rejections(rows).items())
    example = rows.slice(0, 1).to_pylist()[0]
    return (
        f"raw_scrape of {subject!r}: none of {rows.num_rows} items can be kept ({counts}; the "
        f"first: {example['id']!r}, {example['detail'] or example['reason']}); "
        f"correct scrape.path or the limits of the scrape section"
    )
