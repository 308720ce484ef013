import csv
import io
from html.parser import HTMLParser
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from wunderkammer.attribution import (
    CREDITS,
    MARKDOWN,
    MAX_SHOWN_CHARS,
    TABLE,
    credits_of,
    guarded,
    link,
    plain_text,
    read_table,
    shard_credits,
    tally,
    training_credits,
    write_credits,
)
from wunderkammer.manifests import RAW, SHARDS
from wunderkammer.storage.store import Store
from wunderkammer.storage.versions import Draft, Record, Summary, Versions

# With raw HTML, tables and struck text switched on: what a hostile title would need.
MARKDOWN_READER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
TEXTS = st.text(max_size=60) | st.text(
    alphabet="\\`*_{}[]()<>#+-.!|~&;:/ \n\"'wahtps=1", max_size=60
)
HOSTILE = [
    "<script>alert(1)</script>",
    "](http://evil.example) [x",
    "![x](http://evil.example/x.png)",
    "a\n\n# b\n- c",
    "&lt;b&gt; &amp; &#42;",
    "`code` **bold** _it_ ~~gone~~ | cell |",
    "\\",
    "http://evil.example www.evil.example",
    "\u202egnp.exe",
]


def raw(id_: str, sha256: str, **changes: object) -> dict[str, object]:
    known = {
        "source": "commons",
        "landing_page": f"https://commons.example/{id_}",
        "author": "Ann",
        "licence": "CC BY 4.0",
        "licence_url": "https://creativecommons.org/licenses/by/4.0/",
        "title": f"Corgi {id_}",
        "fetched_at": "2026-11-20T00:00:00+00:00",
        "decision": "kept",
    }
    return {"id": id_, "sha256": sha256, **known, **changes}


class Place:
    """A store with hand-made versions of the subject corgi."""

    def __init__(self, root: Path) -> None:
        self.versions = Versions(Store(str(root / "data")))

    def put(
        self,
        stage: str,
        rows: list[dict[str, object]],
        *,
        content: str = "1",
        schema: pa.Schema = RAW,
        files: dict[str, bytes] | None = None,
        upstreams: dict[str, str] | None = None,
    ) -> Record:
        record = Record(
            subject="corgi",
            stage=stage,
            version="",
            data_version=content,
            fingerprint=content,
            code_version="1",
            sections={"scrape": {"kind": "commons"}} if stage == "raw_scrape" else {},
            upstreams=upstreams or {},
            files=(),
            summary=Summary(),
            created_at=f"2026-11-20T00:00:0{content}+00:00",
        )
        table = pa.Table.from_pylist(rows, schema=schema)
        return self.versions.commit(record, Draft(content, Summary(), table, files or {}))

    def shards(self, *sha256s: str, **kwargs) -> Record:
        rows = [
            {"id": f"shard {s}", "sha256": s, "crop_sha256": f"c{s}", "decision": "kept"}
            for s in sha256s
        ]
        return self.put("deduped_shards", rows, schema=SHARDS, **kwargs)


@pytest.fixture
def place(tmp_path) -> Place:
    return Place(tmp_path)


def files(place: Place, record: Record, folder: Path) -> tuple[str, bytes]:
    table = credits_of(place.versions, record)
    written = write_credits(table, subject="corgi", stage=record.stage, folder=folder)
    assert sorted(path.name for path in folder.glob("*attributions*")) == [TABLE, MARKDOWN]
    return written[MARKDOWN].read_text(), written[TABLE].read_bytes()


def lines(markdown: str) -> list[str]:
    return [line for line in markdown.splitlines() if line.startswith("- ")]


def test_a_line_names_title_author_source_and_licence(place, tmp_path):
    record = place.put("raw_scrape", [raw("a", "1")])
    markdown, _ = files(place, record, tmp_path)
    assert lines(markdown) == [
        "- “Corgi a” by Ann · [source](<https://commons.example/a>) · "
        "[CC BY 4.0](<https://creativecommons.org/licenses/by/4.0/>)"
    ]


def test_credits_are_grouped_by_licence_and_source_with_what_is_unknown_last(place, tmp_path):
    record = place.put(
        "raw_scrape",
        [
            raw("d", "4", licence=None, author=" "),
            raw("c", "3", licence="unknown", source="flickr"),
            raw("b", "2"),
            raw("a", "1"),
            raw("e", "5", licence="CC0 1.0", source=None),
            raw("no", "6", decision="rejected"),
        ],
    )
    markdown, _ = files(place, record, tmp_path)
    heads = [line for line in markdown.splitlines() if line.startswith("#")]
    assert heads == [
        "# Credits: corgi",
        "## CC BY 4.0",
        "### commons: 2",
        "## CC0 1.0",
        "### commons: 1",
        "## No known licence",
        "### commons: 1",
        "### flickr: 1",
    ]
    assert "5 pictures, 2 without a known licence, 1 without a known author." in markdown
    assert [line[3:10] for line in lines(markdown)] == [f"Corgi {letter}" for letter in "abedc"]
    assert "by an unknown author" in markdown


def test_equal_manifests_in_any_order_give_equal_files(place, tmp_path):
    rows = [raw(f"{k}", f"{k}", author=f"A{k % 3}", licence=f"L{k % 2}") for k in range(3000)]
    first = files(place, place.put("raw_scrape", rows), tmp_path)
    again = files(place, place.put("raw_scrape", rows[::-1], content="2"), tmp_path)
    assert first == again
    assert len(lines(first[0])) == 3000


def test_only_what_is_in_shards_is_credited_and_every_finder_of_it(place, tmp_path):
    place.put(
        "raw_scrape",
        [
            raw("a", "1"),
            raw("again", "1", author="Bea", source="openverse"),
            raw("gone", "2", decision="rejected", reason="gone_from_source"),
            raw("unused", "3"),
        ],
    )
    table = credits_of(place.versions, place.shards("1", "2"))
    assert set(table["id"].to_pylist()) == {"a", "again", "gone"}
    assert tally(table).num_pictures == 2


def test_the_same_crop_of_another_file_is_credited_too(place):
    place.put("raw_scrape", [raw("a", "1"), raw("copy", "2"), raw("alike", "3")])
    rows = [
        {"sha256": "1", "crop_sha256": "c", "decision": "kept"},
        {"sha256": "2", "crop_sha256": "c", "decision": "rejected"},
        {"sha256": "3", "crop_sha256": "d", "decision": "rejected"},
    ]
    table = shard_credits(place.versions, "corgi", pa.Table.from_pylist(rows, schema=SHARDS))
    assert table["id"].to_pylist() == ["a", "copy"]


def test_what_the_scrape_has_forgotten_is_remembered_by_the_version(place, tmp_path):
    place.put("raw_scrape", [raw("a", "1", title="=1+1"), raw("b", "2", tags=["dog", 'a "b"'])])
    before = credits_of(place.versions, place.shards("1", "2"))
    written = write_credits(before, subject="corgi", stage="deduped_shards", folder=tmp_path)
    record = place.shards("1", "2", "9", content="2", files={TABLE: written[TABLE].read_bytes()})
    place.put("raw_scrape", [raw("a", "1", author="Ann Corrected")], content="2")
    found = {row["sha256"]: row for row in credits_of(place.versions, record).to_pylist()}
    assert found["1"]["author"] == "Ann Corrected"
    assert found["2"] == before.to_pylist()[1]
    assert (found["9"]["id"], found["9"]["source"], found["9"]["author"]) == ("shard 9", None, None)


def test_shards_without_a_scrape_have_a_line_a_picture(place):
    table = credits_of(place.versions, place.shards("1", "2"))
    assert table["id"].to_pylist() == ["shard 1", "shard 2"]
    assert str(tally(table)).startswith("2 pictures, 2 without a known licence")


def test_a_manifest_of_before_these_columns_is_credited_by_what_it_has(place):
    old = pa.schema([field for field in RAW if field.name not in ("tags", "source", "headers")])
    rows = [{k: v for k, v in raw("a", "1").items() if k in old.names}]
    table = credits_of(place.versions, place.put("raw_scrape", rows, schema=old))
    assert table.schema == CREDITS
    assert table["source"].to_pylist() == ["commons"]


def test_a_film_is_credited_by_the_shards_that_its_checkpoint_saw(place):
    place.put("raw_scrape", [raw("a", "1"), raw("b", "2")])
    place.shards("1", content="1")
    place.shards("2", content="2")
    trained = place.put("trained_checkpoint", [], upstreams={"deduped_shards": "1"})
    table = training_credits(place.versions, trained)
    assert table["id"].to_pylist() == ["a"]
    other = place.put("trained_checkpoint", [], content="2", upstreams={"deduped_shards": "7"})
    assert training_credits(place.versions, other) is None


class Shown(HTMLParser):
    """The text of HTML, and its elements."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text, self.elements = "", []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data

    def handle_comment(self, data):
        self.elements.append(("comment", data))


def shown(markdown: str) -> Shown:
    return Shown(MARKDOWN_READER.render(markdown))


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_texts_stay_text(text):
    found = shown(f"- “{plain_text(text)}” by x")
    assert [tag for tag, _ in found.elements] == ["ul", "li"]


@given(TEXTS)
def test_any_text_shows_as_itself_and_as_nothing_else(text):
    plain = plain_text(text)
    assert "\n" not in plain
    found = shown(f"- “{plain}” by x")
    assert [tag for tag, _ in found.elements] == ["ul", "li"]
    spoken = "".join(c if c.isprintable() or c.isspace() else " " for c in text).split()
    if text.isprintable() or text.isascii():
        assert found.text.split("”")[0].strip("\n“ ").split() == spoken
    assert shown(f"## {plain}").elements in ([("h2", {})],)


def test_a_long_text_is_cut():
    assert len(plain_text("x" * 9999)) == MAX_SHOWN_CHARS


@given(TEXTS, TEXTS)
def test_a_link_is_one_link_to_that_address(text, tail):
    url = f"https://pictures.example/{tail}"
    found = shown(f"- {link(text, url)} · x")
    assert [tag for tag, _ in found.elements] == ["ul", "li", "a"]
    ((_, attributes),) = found.elements[2:]
    assert attributes.keys() == {"href"}
    assert attributes["href"].startswith("https://pictures.example/")
    assert not set(attributes["href"]) & set(' <>"\n')


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "x.jpg", "", None]
)
def test_an_address_that_is_not_on_the_web_is_no_link(url):
    assert link("x", url) == "x"


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@x", "\t=1", "  =1", "\r=1", "'=1", "\uff1d1"]
)
def test_no_cell_is_a_formula(text):
    assert guarded(text) == f"'{text}"


def test_the_table_has_every_column_and_follows_rfc_4180(place, tmp_path):
    row = raw("a", "1", title='He said "x",\nthen =1', tags=["b", "a"], headers='{"etag": "x"}')
    _, content = files(place, place.put("raw_scrape", [row]), tmp_path)
    text = content.decode()
    assert text.startswith(",".join(CREDITS.names) + "\r\n")
    assert '"He said ""x"",\nthen =1"' in text
    (found,) = csv.DictReader(io.StringIO(text, newline=""))
    assert (found["title"], found["tags"]) == (row["title"], '["b", "a"]')
    assert (found["headers"], found["label"]) == (row["headers"], "")


CELLS = st.none() | st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=1)


@given(st.lists(st.tuples(CELLS, CELLS, st.none() | st.lists(CELLS.filter(bool), min_size=1))))
def test_a_table_is_read_back_as_it_was(tmp_path_factory, cells):
    rows = [
        {"id": "a", "sha256": "1", "author": author, "title": title, "tags": tags}
        for author, title, tags in cells
    ]
    table = pa.Table.from_pylist(rows, schema=CREDITS)
    folder = tmp_path_factory.mktemp("credits")
    written = write_credits(table, subject="corgi", stage="raw_scrape", folder=folder)
    content = written[TABLE].read_bytes()
    read, given_ = (sorted(map(str, t.to_pylist())) for t in (read_table(content), table))
    assert read == given_
    for cell in next(iter(list(csv.reader(io.StringIO(content.decode(), newline="")))[1:]), []):
        assert not cell.lstrip().startswith(("=", "+", "-", "@"))
