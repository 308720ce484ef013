"""Credits: who made each picture, where it is from, and the licence that it is under.

What Creative Commons asks for in one line a picture is its title, author, source and licence
(wiki.creativecommons.org/wiki/Recommended_practices_for_attribution). All of it was written by
strangers, so nothing of it may act as Markdown, as HTML, or as a formula of a spreadsheet.
"""

import csv
import json
import os
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO
from urllib.parse import quote

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from wunderkammer.manifests import KEPT, RAW, conformed, kept
from wunderkammer.sources.counts import told
from wunderkammer.stages import DEDUPED_SHARDS, INTERPOLATION_VIDEO, RAW_SCRAPE
from wunderkammer.storage.versions import MANIFEST, Record, Versions

MARKDOWN = "attributions.md"
TABLE = "attributions.csv"

CREDITS = pa.schema(
    [
        RAW.field(name)
        for name in (
            "id",
            "sha256",
            "source",
            "url",
            "landing_page",
            "author",
            "licence",
            "licence_url",
            "title",
            "tags",
            "label",
            "group",
            "taken_at",
            "fetched_at",
            "headers",
        )
    ]
)
ORDER = ("licence", "source", "author", "id", "url", "sha256")
BATCH_ROWS = 8192
# What a licence wants to know of a change.
NOTES = {
    RAW_SCRAPE.name: "The pictures are as their sources gave them.",
    DEDUPED_SHARDS.name: "The pictures were changed: cropped and scaled.",
    INTERPOLATION_VIDEO.name: (
        "The film shows what a model draws that was trained on these pictures, cropped and scaled."
    ),
}
MAX_SHOWN_CHARS = 200

# Left to right marks and their like can make a text read as another one.
DIRECTIONS = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
ESCAPES = str.maketrans(
    {**{c: f"\\{c}" for c in "\\`*_{}[]#~|!$@^:"}, "&": "&amp;", "<": "&lt;", ">": "&gt;"}
)
# GitHub makes a link of it without being asked.
WWW = re.compile(r"(?<=www)\.", re.IGNORECASE)
WEB = re.compile(r"https?://[^/?#\s]", re.IGNORECASE)
# What a spreadsheet takes for the beginning of a formula, after the blanks that it may skip.
FORMULA = re.compile(r"\s*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n\x00']")

Row = dict[str, Any]


@dataclass(frozen=True)
class Tally:
    """What a person asks first of a list of credits; a picture with two of them counts once."""

    num_pictures: int
    num_without_licence: int
    num_without_author: int

    def __str__(self) -> str:
        return (
            f"{self.num_pictures} pictures, {self.num_without_licence} without a known licence, "
            f"{self.num_without_author} without a known author"
        )


def scrape_credits(versions: Versions, record: Record) -> pa.Table:
    """Rows of `CREDITS` for the kept pictures of a version of `raw_scrape`."""
    return _raw_rows(versions, record, which=lambda rows: pc.equal(rows["decision"], KEPT))


def shard_credits(
    versions: Versions, subject: str, shards: pa.Table, *, before: pa.Table | None = None
) -> pa.Table:
    """Rows of `CREDITS` for the pictures in shards (a manifest of `SHARDS`).

    Every row of `raw_scrape` in force with the content of such a picture is a credit, gone from
    its source or not: one content may have been found in several places. What `raw_scrape` has
    forgotten is taken from `before`, credits of another time; a picture that is not there either
    has a row with nothing but its id, hash and label.
    """
    in_shards = kept(shards)
    same_crop = pc.is_in(shards["crop_sha256"], value_set=_values(in_shards["crop_sha256"]))
    used = _values(shards["sha256"].filter(same_crop))
    credit_rows = CREDITS.empty_table()
    record = versions.current(subject, RAW_SCRAPE.name)
    if record is not None:
        credit_rows = _raw_rows(
            versions, record, which=lambda rows: pc.is_in(rows["sha256"], value_set=used)
        )
    for more in (before, conformed(in_shards, CREDITS)):
        if more is not None:
            is_known = pc.is_in(more["sha256"], value_set=_values(credit_rows["sha256"]))
            is_lacking = pc.and_(pc.is_in(more["sha256"], value_set=used), pc.invert(is_known))
            credit_rows = pa.concat_tables([credit_rows, more.filter(is_lacking)])
    return credit_rows


def credits_of(
    versions: Versions, record: Record, *, images: Iterable[str] | None = None
) -> pa.Table:
    """The credits of a version of `raw_scrape` or `deduped_shards`, as they are known now.

    `images` are the SHA-256 of those pictures of shards that count; all of them, if not given.
    """
    if record.stage == RAW_SCRAPE.name:
        return scrape_credits(versions, record)
    file = pq.ParquetFile(pa.BufferReader(versions.read(record, MANIFEST)))
    shards = file.read(columns=["id", "sha256", "crop_sha256", "image_sha256", "label", "decision"])
    if images is not None:
        wanted = pa.array(images, pa.string())
        is_dropped = pc.is_null(shards["image_sha256"])
        shards = shards.filter(pc.or_(is_dropped, pc.is_in(shards["image_sha256"], wanted)))
    before = read_table(versions.read(record, TABLE)) if TABLE in record.files else None
    return shard_credits(versions, record.subject, shards, before=before)


def training_credits(versions: Versions, checkpoint: Record) -> pa.Table | None:
    """The credits of the shards that a checkpoint was trained on; None if they are gone."""
    content = checkpoint.upstreams.get(DEDUPED_SHARDS.name, "")
    shards = versions.with_content(checkpoint.subject, DEDUPED_SHARDS.name, content)
    return None if shards is None else credits_of(versions, shards)


def tally(credit_rows: pa.Table) -> Tally:
    """How many pictures and gaps there are."""
    num_pictures = len(_values(credit_rows["sha256"]))
    num_without = {}
    for name in ("licence", "author"):
        told = credit_rows["sha256"].filter(pc.is_valid(credit_rows[name]))
        num_without[name] = num_pictures - len(_values(told))
    return Tally(num_pictures, num_without["licence"], num_without["author"])


def write_credits(
    credit_rows: pa.Table, *, subject: str, stage: str, folder: Path
) -> dict[str, Path]:
    """Write `attributions.md` and `attributions.csv` into `folder`, which is there; their paths.

    The former says what was done to the pictures up to `stage`, one of `NOTES`.
    """
    head = f"# Credits: {plain_text(subject)}\n\n{NOTES[stage]}\n{tally(credit_rows)}.\n"
    written = {}
    for name, write in ((MARKDOWN, _write_markdown), (TABLE, _write_table)):
        part = folder / f".{name}.{os.getpid()}"
        with part.open("w", encoding="utf-8", newline="") as sink:
            if name == MARKDOWN:
                sink.write(head)
            write(credit_rows, sink)
        written[name] = part.replace(folder / name)
    return written


def plain_text(text: str) -> str:
    """`text` on one line, without what is not printed, so that Markdown and HTML show it as it is.

    At most `MAX_SHOWN_CHARS` characters of it.
    """
    if not text.isprintable():
        text = DIRECTIONS.sub("", text)
        text = "".join(" " if unicodedata.category(c) in ("Cc", "Cs") else c for c in text)
    text = " ".join(text.split())
    if len(text) > MAX_SHOWN_CHARS:
        text = text[: MAX_SHOWN_CHARS - 1] + "…"
    return WWW.sub(r"\\.", text.translate(ESCAPES))


def link(text: str, url: str | None) -> str:
    """`text` as a Markdown link to `url`; just the text if that is no address on the web."""
    shown = plain_text(text)
    if url is None or not WEB.match(url):
        return shown
    # In a link's target an entity counts, but no other markup than its end.
    address = quote(url, safe="%/:?#[]@!&'()*+,;=~").replace("&", "&amp;")
    return f"[{shown}](<{address}>)"


def guarded(text: str) -> str:
    """`text` as a cell that no spreadsheet runs: with a `'` before what could be a formula."""
    return f"'{text}" if FORMULA.match(text) else text


def read_table(content: bytes) -> pa.Table:
    """Rows of `CREDITS` from an `attributions.csv`."""
    table = pacsv.read_csv(
        pa.BufferReader(content),
        # A row may be as long as its texts.
        read_options=pacsv.ReadOptions(block_size=max(len(content), 1)),
        parse_options=pacsv.ParseOptions(newlines_in_values=True),
        convert_options=pacsv.ConvertOptions(
            column_types={name: pa.string() for name in CREDITS.names},
            strings_can_be_null=True,
            null_values=[""],
        ),
    )
    columns = {n: pc.replace_substring_regex(table[n], "^'", "") for n in CREDITS.names}
    tags = [json.loads(text) if text else None for text in columns["tags"].to_pylist()]
    return pa.table({**columns, "tags": pa.array(tags, CREDITS.field("tags").type)}, schema=CREDITS)


def _write_table(credit_rows: pa.Table, sink: TextIO) -> None:
    """RFC 4180: a header, CRLF, quotes where they are needed."""
    writer = csv.writer(sink, lineterminator="\r\n")
    writer.writerow(CREDITS.names)
    for row in _rows(credit_rows):
        row["tags"] = json.dumps(row["tags"], ensure_ascii=False) if row["tags"] else None
        writer.writerow([guarded(row[name] or "") for name in CREDITS.names])


def _write_markdown(credit_rows: pa.Table, sink: TextIO) -> None:
    counts = _counts(credit_rows)
    group: tuple[str | None, str | None] | None = None
    for row in _rows(credit_rows):
        before, group = group, (row["licence"], row["source"])
        if before is None or before[0] != group[0]:
            sink.write(f"\n## {plain_text(group[0] or 'No known licence')}\n")
        if before != group:
            sink.write(f"\n### {plain_text(group[1] or 'No known source')}: {counts[group]}\n\n")
        sink.write(f"- {_line(row)}\n")


def _line(row: Row) -> str:
    """Title, author, source, licence."""
    title = f"“{plain_text(row['title'])}”" if row["title"] else "Untitled"
    author = f"by {plain_text(row['author'])}" if row["author"] else "by an unknown author"
    address = row["landing_page"] or row["url"]
    source = link("source", address) if address and WEB.match(address) else plain_text(row["id"])
    licence = link(row["licence"], row["licence_url"]) if row["licence"] else "no known licence"
    return f"{title} {author} · {source} · {licence}"


def _counts(credit_rows: pa.Table) -> dict[tuple[str | None, str | None], int]:
    counted = credit_rows.group_by(["licence", "source"]).aggregate([([], "count_all")])
    return {(row["licence"], row["source"]): row["count_all"] for row in counted.to_pylist()}


def _rows(credit_rows: pa.Table) -> Iterator[Row]:
    """By licence, source, author and so on; what is not known comes last."""
    keys = credit_rows.select(ORDER)
    order = pc.sort_indices(keys, sort_keys=[(name, "ascending") for name in ORDER])
    # A sorted copy of all the texts would double what they take.
    for start in range(0, len(order), BATCH_ROWS):
        yield from credit_rows.take(order.slice(start, BATCH_ROWS)).to_pylist()


def _raw_rows(
    versions: Versions, record: Record, *, which: Callable[[pa.Table], pa.ChunkedArray]
) -> pa.Table:
    """Rows of `CREDITS` from the chosen ones of `raw_scrape`, with null for what says nothing."""
    file = pq.ParquetFile(pa.BufferReader(versions.read(record, MANIFEST)))
    known = [name for name in file.schema_arrow.names if name in (*CREDITS.names, "decision")]
    kind = record.sections.get("scrape", {}).get("kind")
    chosen = []
    for batch in file.iter_batches(BATCH_ROWS, columns=known):
        rows = pa.Table.from_batches([batch])
        rows = conformed(rows.filter(which(rows)), CREDITS)
        for name in ("author", "licence", "title", "source"):
            column = told(rows[name])
            if name == "source" and kind is not None:
                column = pc.fill_null(column, kind)
            rows = rows.set_column(CREDITS.get_field_index(name), CREDITS.field(name), column)
        chosen.append(rows)
    return pa.concat_tables([CREDITS.empty_table(), *chosen])


def _values(column: pa.ChunkedArray) -> pa.Array:
    """The distinct values."""
    return pc.unique(column.combine_chunks())
