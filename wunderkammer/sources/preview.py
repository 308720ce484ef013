"""What a source would bring: a few of its pictures, fetched as a scrape does, and kept nowhere."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from wunderkammer.build import build_stage
from wunderkammer.conduct.params import ConductParams
from wunderkammer.images.contact_sheet import MAX_TILES, Tile, contact_sheet
from wunderkammer.manifests import REJECTED, kept
from wunderkammer.params import Params
from wunderkammer.sources.counts import NO_LICENCE, licence_counts, source_counts
from wunderkammer.sources.limits import MB, SourceLimits
from wunderkammer.sources.open_source import Surroundings, open_source
from wunderkammer.sources.places import BEYOND_CAP
from wunderkammer.sources.scrape import scrape_images
from wunderkammer.stages import RAW_SCRAPE
from wunderkammer.storage.blobs import Blobs
from wunderkammer.storage.store import Store
from wunderkammer.storage.versions import Record, Versions
from wunderkammer.subject import Subject

# A source that a person looks at for a minute: many refusals, or pages of them, must fit in.
REQUESTS_BESIDE = 60
REQUESTS_A_PICTURE = 4
MAX_MINUTES = 3.0
MAX_GB = 2.0
MAX_EXAMPLE_CHARS = 100

Cells = tuple[str, ...]


@dataclass(frozen=True)
class Preview:
    """A contact sheet (JPEG), a line on the whole, and tables: title, columns, rows of text."""

    sheet: bytes
    headline: str
    tables: tuple[tuple[str, Cells, tuple[Cells, ...]], ...]


def check_ready(subject: Subject) -> None:
    """See that the source of a subject could be asked: nobody is asked anything yet.

    Raises:
        SourceError: a key or a contact is missing; it says where to get it.
    """
    with tempfile.TemporaryDirectory() as folder:
        around = Surroundings(
            subject, Store(folder), ledger="ledger", courses={}, scratch=Path(folder) / "scratch"
        )
        with open_source(subject.spec.scrape, around):
            pass


def preview_source(subject: Subject, *, num_images: int, scratch: Path) -> Preview:
    """The first `num_images` pictures that the source of a subject gives, by a scrape of their own.

    It is the stage itself in a store below `scratch` that goes at the end. On the network it is
    bounded in requests, bytes and minutes.

    Raises:
        SourceError: the source can't be read, or gives nothing that can be kept.
    """
    section = bounded(subject.spec.scrape, num_images=num_images)
    spec = subject.spec.model_copy(update={"scrape": section})
    start = perf_counter()
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        store = Store(folder)
        small = replace(subject, spec=spec)
        # A scratch folder that is set is that of the scrapes, with the journal of a killed one.
        builder = partial(scrape_images, scratch=Path(folder) / "scratch")
        record = build_stage(RAW_SCRAPE, small, store=store, builder=builder).record
        manifest = Versions(store).manifest(record)
        # What merely was not asked for has not been refused.
        is_beyond = pc.fill_null(pc.equal(manifest["reason"], BEYOND_CAP), False)
        manifest = manifest.filter(pc.invert(is_beyond))
        seconds = perf_counter() - start
        rows = kept(manifest)
        kind = str(spec.scrape.kind)
        return Preview(
            sheet=_sheet(
                rows, title=f"{subject.name}: {rows.num_rows} pictures", blobs=Blobs(store)
            ),
            headline=_headline(rows, kind=kind, seconds=seconds),
            tables=(*_tables(manifest, kind=kind), *_problems(record)),
        )


def bounded(section: SourceLimits, *, num_images: int) -> SourceLimits:
    """The section for so many pictures at most, with a budget to match wherever it has one."""
    smaller = _within(section, num_requests=REQUESTS_BESIDE + REQUESTS_A_PICTURE * num_images)
    assert isinstance(smaller, SourceLimits)
    cap = min(section.max_images or num_images, num_images)
    return smaller.model_copy(update={"max_images": cap})


def _within(params: Params, *, num_requests: int) -> Params:
    if isinstance(params, ConductParams):
        limits = {"max_requests": num_requests, "max_minutes": MAX_MINUTES, "max_gb": MAX_GB}
        own = {name: getattr(params, name) for name in limits}
        least = {k: v if own[k] is None else min(own[k], v) for k, v in limits.items()}
        return params.model_copy(update=least)
    changes: dict[str, Any] = {}
    for name in type(params).model_fields:
        value = getattr(params, name)
        if isinstance(value, Params):
            changes[name] = _within(value, num_requests=num_requests)
        elif isinstance(value, tuple) and value and all(isinstance(v, Params) for v in value):
            changes[name] = tuple(_within(one, num_requests=num_requests) for one in value)
    return params.model_copy(update=changes)


def _headline(rows: pa.Table, *, kind: str, seconds: float) -> str:
    megabytes = (pc.sum(rows["num_bytes"]).as_py() or 0) / MB
    pictures = "picture" if rows.num_rows == 1 else "pictures"
    return f"{rows.num_rows} {pictures} by {kind} in {seconds:.1f} s, {megabytes:.1f} MB"


def _tables(manifest: pa.Table, *, kind: str) -> Iterator[tuple[str, Cells, tuple[Cells, ...]]]:
    rows = kept(manifest)
    sources = source_counts(manifest, new=rows, kind=kind)
    yield (
        "Sources",
        ("source", "pictures", "refused"),
        tuple((name, str(n["kept"]), str(n["rejected"])) for name, n in sources.items()),
    )
    licences = licence_counts(rows)
    yield "Licences", ("licence", "pictures"), tuple((k, str(n)) for k, n in licences.items())
    yield "Sizes", ("", "least", "median", "most"), tuple(_sizes(rows))
    refusals = tuple(_refusals(manifest))
    if refusals:
        yield "Refused", ("reason", "items", "for instance"), refusals


def _problems(record: Record) -> Iterator[tuple[str, Cells, tuple[Cells, ...]]]:
    problems = record.summary.measures.get("problems")
    if isinstance(problems, list) and problems:
        yield "What went wrong", ("problem",), tuple((str(problem),) for problem in problems)


def _sizes(rows: pa.Table) -> Iterator[Cells]:
    measured = {
        "shorter side, px": pc.min_element_wise(rows["width"], rows["height"]),
        "longer side, px": pc.max_element_wise(rows["width"], rows["height"]),
        "kB": pc.divide(rows["num_bytes"], 1000),
    }
    for name, column in measured.items():
        least, median, most = np.quantile(column.to_numpy(), [0, 0.5, 1])
        yield name, f"{least:.0f}", f"{median:.0f}", f"{most:.0f}"


def _refusals(manifest: pa.Table) -> Iterator[Cells]:
    """Each reason with how many items it refused, and what was said of the first of them."""
    rejected = manifest.filter(pc.equal(manifest["decision"], REJECTED))
    for count in pc.value_counts(rejected["reason"].combine_chunks()).to_pylist():
        first = rejected.filter(pc.equal(rejected["reason"], count["values"])).slice(0, 1)
        (row,) = first.to_pylist()
        example = f"{row['id']}: {row['detail']}" if row["detail"] else row["id"]
        yield count["values"], str(count["counts"]), example[:MAX_EXAMPLE_CHARS]


def _sheet(rows: pa.Table, *, title: str, blobs: Blobs) -> bytes:
    """The first pictures, each with its licence and author: what a person judges a source by."""
    tiles = []
    for row in rows.slice(0, MAX_TILES).to_pylist():
        by = row["author"] or row["title"] or row["id"]
        tiles.append(Tile(blobs.get(row["sha256"]), f"{row['licence'] or NO_LICENCE}\n{by}"))
    return contact_sheet(tiles, title=title)
