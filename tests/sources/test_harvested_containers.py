"""PDFs and zip files on their way from a site to the rows of a scrape."""

from pathlib import Path

import pytest
from endless_forams_stand_in import EndlessForamsStandIn
from internet_archive_stand_in import InternetArchiveStandIn
from listings import TESTER, local
from pdf_files import encrypted, inked, pdf
from scraping import page_image, stream_here
from stand_in import StandIn, running
from test_containers import map_here, zipped

from wunderkammer.harvest.course import Course
from wunderkammer.harvest.harvest import Harvest
from wunderkammer.harvest.line import NetworkLine
from wunderkammer.harvest.outcomes import Outcomes
from wunderkammer.sources import endless_forams
from wunderkammer.sources.endless_forams import EndlessForams, EndlessForamsParams
from wunderkammer.sources.ingest import Ingest, facts_ledger, ingest
from wunderkammer.sources.internet_archive import InternetArchive, InternetArchiveParams
from wunderkammer.sources.limits import RemoteParams
from wunderkammer.sources.places import Places
from wunderkammer.storage.store import Store
from wunderkammer.workers import Workers

SOURCES = {"internet_archive": InternetArchive, "endless_forams": EndlessForams}
Rows = dict[str, dict[str, object]]


class Harvester:
    """Scrapes one source again and again, as the stage does."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.store = Store(str(root / "data"))
        self.course: Course | None = None
        self.problems: tuple[str, ...] = ()

    def __call__(self, params: RemoteParams) -> Rows:
        kind = params.kind
        line = NetworkLine(params.conduct, contact=TESTER, scratch=self.root / "scratch")
        try:
            outcomes = Outcomes(
                self.store, "ledger/outcomes", journal=self.root / "scratch" / "journal"
            )
            harvest = Harvest(
                kind,
                SOURCES[kind](params, line.network),
                params,
                store=self.store,
                ledger="ledger",
                outcomes=outcomes,
                line=line,
                committed=self.course,
            )
            places = Places(params.max_images)
            do = Ingest(self.store, max_bytes=params.max_bytes, max_pixels=params.max_pixels)
            facts = facts_ledger(self.store, "facts")
            rows: Rows = {}
            batches = harvest.batches(places, taken=frozenset())
            for table in ingest(batches, facts=facts, do=do, workers=Workers(num_workers=1)):
                harvest.decided(table)
                places.settle(table)
                rows |= {row["id"]: row for row in table.to_pylist()}
            report = harvest.report()
            outcomes.close()
        finally:
            line.close()
        self.problems = report.problems
        self.course = Course.model_validate(report.courses[kind])
        return rows


@pytest.fixture
def harvester(tmp_path, monkeypatch) -> Harvester:
    monkeypatch.setattr("wunderkammer.ledger_map.guarded_stream", stream_here)
    monkeypatch.setattr("wunderkammer.ledger_map.guarded_map", map_here)
    monkeypatch.setattr(endless_forams, "REQUESTS_PER_S", 1e6)
    return Harvester(tmp_path)


@pytest.fixture
def library():
    with running(InternetArchiveStandIn()) as site:
        yield site


@pytest.fixture
def forams():
    with running(EndlessForamsStandIn()) as site:
        yield site


def books(site: StandIn, **settings: object) -> InternetArchiveParams:
    known = {"kind": "internet_archive", "collection": "MBLWHOI", "dpi": 72, "base_url": site.url}
    known |= {"requests_per_minute": 1e6, "conduct": local(site.port, files_per_s=None)}
    return InternetArchiveParams.model_validate({**known, **settings})


def shells(site: StandIn, **settings: object) -> EndlessForamsParams:
    conduct = local(site.port, files_per_s=None)
    known = {"kind": "endless_forams", "base_url": site.url, "conduct": conduct}
    return EndlessForamsParams.model_validate({**known, **settings})


def reasons(rows: Rows) -> dict[str, object]:
    return {id_: row["reason"] for id_, row in rows.items()}


def downloads(site: StandIn) -> list[str]:
    return [path for path in site.paths() if "/download/" in path]


THREE = pdf(*(inked(share) for share in (0.1, 0.2, 0.3)))


def test_the_pages_of_a_book_become_pictures_once(harvester, library):
    library.publish("b")
    library.file("b", "b.pdf", THREE)
    rows = harvester(books(library))
    assert reasons(rows) == {"b#p0001": None, "b#p0002": None, "b#p0003": None}
    page = rows["b#p0002"]
    assert (page["format"], page["width"], page["height"]) == ("PNG", 72, 72)
    assert (page["group"], page["licence"], page["taken_at"]) == ("b", "CC0 1.0", "1901")
    assert page["url"] == f"{library.url}/download/b/b.pdf?cnt=0"
    assert page["landing_page"] == f"{library.url}/details/b"
    assert page["fetched_at"]
    library.asked.clear()
    assert harvester(books(library)) == rows
    assert library.paths() == ["/services/search/v1/scrape"]


def test_other_settings_of_the_pages_draw_them_anew_and_fetch_nothing(harvester, library):
    library.publish("b")
    library.file("b", "b.pdf", THREE)
    harvester(books(library))
    library.asked.clear()
    rows = harvester(books(library, dpi=36, skip_first_pages=1))
    assert reasons(rows) == {"b#p0001": "skipped_page", "b#p0002": None, "b#p0003": None}
    assert rows["b#p0003"]["width"] == 36
    assert downloads(library) == []


def test_the_rules_for_pages_hold_for_page_images_and_uploaded_pictures(harvester, library):
    library.publish("scans", "1.png", "2.png", "3.png")
    for number in range(1, 4):
        library.contents[f"scans/{number}.png"] = page_image(number)
        entry = library.items["scans"]["files"][number - 1]
        entry.update(size=None, md5=None, sha1=None)
    library.publish("book")
    pages = {f"p{i}.png": page_image(i, share=0.1 * (i != 2)) for i in range(4)}
    library.file("book", "book_jp2.zip", zipped(pages))
    rows = harvester(books(library, skip_first_pages=1, max_pages=1, grey=True))
    assert reasons(rows) == {
        "scans": "skipped_page",
        "scans/2.png": None,
        "scans/3.png": "beyond_max_pages",
        "book/p0.png": "skipped_page",
        "book/p1.png": None,
        "book/p2.png": "beyond_max_pages",
        "book/p3.png": "beyond_max_pages",
    }
    assert reasons(harvester(books(library, skip_first_pages=1)))["book/p2.png"] == "blank_page"


def test_page_images_and_bad_documents_are_told_apart(harvester, library):
    for name in ("good", "locked", "broken"):
        library.publish(name)
    jp2 = zipped({f"good_jp2/good_{i:04}.jp2": page_image(i, "JPEG2000") for i in range(2)})
    library.file("good", "good_jp2.zip", jp2, source="derivative")
    library.file("locked", "locked.pdf", encrypted(inked(0.5)))
    library.file("broken", "broken.cbz", zipped({"1.jpg": page_image(1)})[:-9])
    rows = harvester(books(library))
    assert reasons(rows) == {
        "good/good_jp2/good_0000.jp2": None,
        "good/good_jp2/good_0001.jp2": None,
        "locked": "encrypted",
        "broken": "damaged_zip",
    }
    assert {rows[id_]["format"] for id_ in rows if id_.startswith("good")} == {"JPEG2000"}
    assert not list((harvester.root / "scratch").rglob("*.whole"))


def test_a_cap_on_pictures_holds_within_a_document(harvester, library):
    library.publish("b")
    library.file("b", "b.pdf", THREE)
    rows = harvester(books(library, max_images=2))
    assert reasons(rows) == {"b#p0001": None, "b#p0002": None, "b#p0003": "beyond_max_images"}


def test_a_place_that_a_blank_page_leaves_goes_to_the_next_page(harvester, library):
    library.publish("b")
    library.file("b", "b.pdf", pdf(*map(inked, (0.0, 0.1, 0.0, 0.2, 0.3))))
    rows = harvester(books(library, max_images=2))
    assert reasons(rows) == {
        "b#p0001": "blank_page",
        "b#p0002": None,
        "b#p0003": "blank_page",
        "b#p0004": None,
        "b#p0005": "beyond_max_images",
    }


def test_a_container_that_is_too_large_is_not_fetched(harvester, library):
    library.publish("b")
    library.file("b", "b.pdf", THREE)
    assert reasons(harvester(books(library, max_container_mb=0.0005))) == {"b": "too_large"}
    # A picture's own limit is none for a document.
    assert len(harvester(books(library, max_file_mb=0.0006))) == 3


def test_the_species_of_a_capsule_are_the_labels_of_its_pictures(harvester, forams):
    rows = harvester(shells(forams, num_taxa=2))
    assert len(rows) == 8
    assert set(reasons(rows).values()) == {None}
    row = rows["Globorotalia menardii/capsule/Globorotalia_menardii_00001.png"]
    assert row["label"] == "Globorotalia menardii"
    assert row["group"] is None
    forams.asked.clear()
    assert harvester(shells(forams, num_taxa=2)) == rows
    assert forams.paths() == ["/summary"]


def test_only_a_species_that_has_grown_is_fetched_again(harvester, forams):
    before = harvester(shells(forams))
    forams.amounts["Beella digitata"] = 3
    forams.asked.clear()
    after = harvester(shells(forams))
    assert downloads(forams) == ["/randomizer/download/Beella%20digitata/3"]
    assert set(after) - set(before) == {"Beella digitata/capsule/Beella_digitata_00002.png"}
    assert {id_: after[id_]["sha256"] for id_ in before} == {
        id_: row["sha256"] for id_, row in before.items()
    }


def test_an_answer_that_is_no_capsule_is_asked_for_again_the_next_time(harvester, forams):
    forams.fault = lambda asked: "no_zip" if "Beella" in asked.path else None
    rows = harvester(shells(forams))
    assert reasons(rows)["Beella digitata"] == "not_a_zip"
    assert len(rows) == 9
    forams.fault = lambda _: None
    rows = harvester(shells(forams))
    assert len(rows) == 10
    assert set(reasons(rows).values()) == {None}
