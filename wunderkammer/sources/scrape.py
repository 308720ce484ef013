"""The stage `raw_scrape`: whatever the source, every item listed becomes a row with a decision."""

import logging
from collections import Counter
from collections.abc import Sequence
from time import perf_counter

import pyarrow as pa
import pyarrow.compute as pc

from wunderkammer.build import StageInputs
from wunderkammer.manifests import KEPT, RAW, REJECTED, kept, rejections
from wunderkammer.params import digest
from wunderkammer.sources.archive import Archive
from wunderkammer.sources.folder import Folder
from wunderkammer.sources.ingest import Ingest, facts_ledger, ingest, unread_rows
from wunderkammer.sources.item import Source, SourceError, SourceItem
from wunderkammer.sources.params import (
    MB,
    ArchiveParams,
    FolderParams,
    PatchworkParams,
    ScrapeParams,
)
from wunderkammer.sources.patchwork import patchwork_items
from wunderkammer.sources.sheets import scrape_sheets
from wunderkammer.sources.urls import Urls
from wunderkammer.stages import RAW_SCRAPE
from wunderkammer.storage.ledger import Ledger
from wunderkammer.storage.versions import Draft, Summary, Versions

log = logging.getLogger(__name__)

GONE = "gone_from_source"
BEYOND_CAP = "beyond_max_images"
# With `max_images`, so many items at least are looked at in one go.
MIN_ROUND = 256
# What downstream stages read or pass on; times and rejected rows are not among it.
CONTENT = tuple(n for n in RAW.names if n not in ("fetched_at", "decision", "reason", "detail"))


def scrape_images(inputs: StageInputs) -> Draft:
    """List the source, take in what is new, and keep a row for all that was ever listed.

    An item of the previous version that is no longer listed stays as a row rejected for
    "gone_from_source"; its blob stays too. The version of the data hashes the kept rows.

    Raises:
        SourceError: the source can't be read, holds nothing, or nothing of it can be kept.
    """
    params = inputs.subject.spec.scrape
    home = Versions.home(inputs.subject.name, RAW_SCRAPE.name)
    start = perf_counter()
    source = _source(params, inputs, ledger=f"{home}/ledger")
    items = list(source.items())
    listed = perf_counter()
    log.info("%s: %d items listed", inputs.subject.name, len(items))
    do = Ingest(inputs.store, max_bytes=params.max_bytes, max_pixels=params.max_pixels)
    limits = {"code": RAW_SCRAPE.code_version, "limits": [do.max_bytes, do.max_pixels]}
    facts = facts_ledger(inputs.store, f"{home}/ledger/{digest(limits)}")
    previous = _previous(inputs)
    if params.max_images is not None:
        # What the cap has let in before stays in, wherever new items sort.
        before = set(kept(previous)["id"].to_pylist())
        items.sort(key=lambda item: item.id not in before)
    rows = _capped(source, items, params.max_images, facts=facts, do=do)
    if not kept(rows).num_rows:
        raise SourceError(_nothing_kept(inputs.subject.name, rows))
    manifest = _after(rows, previous)
    ingested = perf_counter()
    files = scrape_sheets(manifest, blobs=inputs.blobs)
    timings = {
        "list": listed - start,
        "ingest": ingested - listed,
        "sheets": perf_counter() - ingested,
    }
    return Draft(
        data_version=_data_version(manifest),
        summary=_summary(manifest, len(items), timings),
        manifest=manifest,
        files=files,
    )


def _source(params: ScrapeParams, inputs: StageInputs, *, ledger: str) -> Source:
    if isinstance(params, PatchworkParams):
        return Patchwork(params)
    path = inputs.subject.resolve(params.path)
    if isinstance(params, FolderParams):
        return Folder(params, root=path)
    if isinstance(params, ArchiveParams):
        return Archive(params, path=path, store=inputs.store, ledger=ledger)
    return Urls(params, path=path, store=inputs.store, ledger=ledger)


class Patchwork:
    """The pictures of `patchwork_items` as a source."""

    def __init__(self, params: PatchworkParams) -> None:
        self.params = params

    def items(self) -> Sequence[SourceItem]:
        """Every picture, drawn when it is read."""
        return patchwork_items(self.params)

    def bring(self, items: Sequence[SourceItem]) -> Sequence[SourceItem]:
        """The same items: a worker can read them."""
        return items


def _capped(
    source: Source,
    items: Sequence[SourceItem],
    max_images: int | None,
    *,
    facts: Ledger,
    do: Ingest,
) -> pa.Table:
    """The rows of all items; once `max_images` are kept, the later ones are not looked at."""
    tables = []
    start = num_kept = 0
    while start < len(items) and (max_images is None or num_kept < max_images):
        wanted = len(items) if max_images is None else max(max_images - num_kept, MIN_ROUND)
        brought = source.bring(items[start : start + wanted])
        tables.append(ingest(brought, facts=facts, do=do))
        num_kept += kept(tables[-1]).num_rows
        start += wanted
    tables.append(unread_rows(items[start:], reason=BEYOND_CAP))
    rows = pa.concat_tables(tables)
    if max_images is None or num_kept <= max_images:
        return rows
    is_kept = pc.equal(rows["decision"], KEPT)
    number = pc.cumulative_sum(pc.cast(is_kept, pa.int64()))
    return _reject(rows, pc.and_(is_kept, pc.greater(number, max_images)), BEYOND_CAP, "")


def _previous(inputs: StageInputs) -> pa.Table:
    """The rows of the version in force, if it comes from the same `scrape` section."""
    spec = inputs.subject.spec
    record = inputs.versions.current(inputs.subject.name, RAW_SCRAPE.name)
    if record is None or record.sections.get("scrape") != spec.section("scrape").canonical():
        return RAW.empty_table()
    return inputs.versions.manifest(record)


def _after(rows: pa.Table, previous: pa.Table) -> pa.Table:
    """`rows` with the times of unchanged content, then what `previous` has and `rows` has not."""
    before = previous.take(pc.index_in(rows["id"], value_set=previous["id"].combine_chunks()))
    same = pc.fill_null(pc.equal(before["sha256"], rows["sha256"]), False)
    times = pc.if_else(same, before["fetched_at"], rows["fetched_at"])
    rows = rows.set_column(RAW.get_field_index("fetched_at"), RAW.field("fetched_at"), times)
    listed = pc.is_in(previous["id"], value_set=rows["id"].combine_chunks())
    gone = previous.filter(pc.invert(listed))
    newly = pc.not_equal(pc.fill_null(gone["reason"], ""), GONE)
    reason = pc.fill_null(gone["reason"], KEPT)
    detail = pc.binary_join_element_wise("no longer listed; it was: ", reason, "")
    return pa.concat_tables([rows, _reject(gone, newly, GONE, detail)])


def _reject(
    rows: pa.Table, which: pa.ChunkedArray, reason: str, detail: pa.ChunkedArray | str
) -> pa.Table:
    for name, value in (("decision", REJECTED), ("reason", reason), ("detail", detail)):
        column = pc.if_else(which, value, rows[name])
        rows = rows.set_column(RAW.get_field_index(name), RAW.field(name), column)
    return rows


def _data_version(manifest: pa.Table) -> str:
    content = kept(manifest).select(CONTENT).sort_by("id")
    return digest({name: content[name].to_pylist() for name in CONTENT})


def _summary(manifest: pa.Table, num_in: int, timings_s: dict[str, float]) -> Summary:
    rows = kept(manifest)
    pixels = pc.multiply(rows["width"].cast(pa.int64()), rows["height"].cast(pa.int64()))
    return Summary(
        num_in=num_in,
        num_out=rows.num_rows,
        rejections=rejections(manifest),
        timings_s={name: round(seconds, 3) for name, seconds in timings_s.items()},
        measures={
            "formats": dict(Counter(rows["format"].to_pylist()).most_common()),
            "labels": len(rows["label"].unique().drop_null()),
            "total_mb": round(pc.sum(rows["num_bytes"]).as_py() / MB, 3),
            "median_megapixels": round(pc.approximate_median(pixels).as_py() / MB, 3),
        },
    )


def _nothing_kept(subject: str, rows: pa.Table) -> str:
    counts = ", ".join(f"{count} {reason}" for reason, count in rejections(rows).items())
    example = rows.slice(0, 1).to_pylist()[0]
    return (
        f"raw_scrape of {subject!r}: none of {rows.num_rows} items can be kept ({counts}; the "
        f"first: {example['id']!r}, {example['detail'] or example['reason']}); "
        f"correct scrape.path or the limits of the scrape section"
    )
