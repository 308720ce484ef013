import asyncio
from collections.abc import Iterator
from contextlib import suppress

import pytest
from internet_archive_stand_in import LOGO, InternetArchiveStandIn, as_json
from listings import TESTER, local, pages_of, problems_of, records_of
from pydantic import ValidationError
from stand_in import running

from tests.live.test_live_internet_archive import check_live
from wunderkammer.conduct.errors import BudgetSpentError, FetchError
from wunderkammer.conduct.network import Network
from wunderkammer.conduct.requests import Download
from wunderkammer.sources import internet_archive
from wunderkammer.sources.internet_archive import InternetArchive, InternetArchiveParams
from wunderkammer.sources.listing import Page, Record

ONE_PDF = {"formats": ("pdf",)}


@pytest.fixture
def site() -> Iterator[InternetArchiveStandIn]:
    with running(InternetArchiveStandIn()) as site:
        yield site


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch):
    monkeypatch.setattr("wunderkammer.conduct.replies.FIRST_BACKOFF_S", 0.001)


def listed(site: InternetArchiveStandIn, *, conduct=None, **settings) -> list[Page]:
    walk = {key: settings.pop(key) for key in ("start", "known", "num_pages") if key in settings}
    chosen = {"collection": "MBLWHOI", "requests_per_minute": 1e6, **settings}
    params = InternetArchiveParams(kind="internet_archive", base_url=site.url, **chosen)
    return pages_of(
        lambda network: InternetArchive(params, network),
        local(site.port, files_per_s=None, **(conduct or {})),
        **walk,
    )


def refusals(pages: list[Page]) -> dict[str, str | None]:
    return {id_: r.refused and r.refused[0] for id_, r in records_of(pages).items()}


def queries(site: InternetArchiveStandIn) -> list[dict[str, str]]:
    return [asked.query for asked in site.asked if "scrape" in asked.path]


def asked_items(site: InternetArchiveStandIn) -> list[str]:
    return [path.split("/")[2] for path in site.paths() if path.startswith("/metadata/")]


def fails_for(*identifiers: str, fault: str = "500"):
    paths = {f"/metadata/{identifier}" for identifier in identifiers}
    return lambda asked: fault if asked.path in paths else None


def day(number: int) -> str:
    return f"2020-01-{number:02}T08:00:00Z"


def test_a_file_comes_with_all_that_the_site_tells_of_it(site):
    site.publish("sea00urch", "sea00urch.pdf")
    (record,) = records_of(listed(site)).values()
    entry = site.items["sea00urch"]["files"][0]
    assert record == Record(
        id="sea00urch",
        url=f"{site.url}/download/sea00urch/sea00urch.pdf?cnt=0",
        form="pdf",
        num_bytes=int(entry["size"]),
        md5=entry["md5"],
        sha1=entry["sha1"],
        landing_page=f"{site.url}/details/sea00urch",
        author="A. Uthor",
        licence="CC0 1.0",
        licence_url="https://creativecommons.org/publicdomain/zero/1.0/",
        title="The book sea00urch",
        tags=("Zoology", "Marine biology"),
        group="sea00urch",
        taken_at="1901",
    )


def test_fields_of_several_values_are_joined_and_odd_ones_left_out(site):
    site.publish(
        "a",
        "a.pdf",
        creator=["Ada", "Bob"],
        subject=["one; two", "three", 7],
        title=["First", "Second"],
        date=["1901-02-03T00:00:00Z"],
    )
    site.publish("b", "b.pdf", creator={"x": 1}, subject=None, title=7, date="c. 1901")
    site.items["b"]["files"][0].update(size="-1", md5="none", sha1=None)
    found = records_of(listed(site))
    assert found["a"].author == "Ada; Bob"
    assert found["a"].tags == ("one", "two", "three")
    assert (found["a"].title, found["a"].taken_at) == ("First", "1901-02-03")
    assert (found["b"].author, found["b"].tags, found["b"].title) == (None, (), "7")
    assert (found["b"].taken_at, found["b"].num_bytes) == (None, None)
    assert (found["b"].md5, found["b"].sha1) == (None, None)


def test_an_odd_item_of_a_page_keeps_none_of_the_others_from_coming(site):
    for number in range(1, 4):
        site.publish(f"book{number}", f"book{number}.pdf", at=day(number))
    site.publish("a/b", "a.pdf", at=day(4))
    site.items["book2"]["publicdate"] = ["2020-01-02T08:00:00Z", "2021-01-01T00:00:00Z"]
    site.in_order = False
    pages = listed(site)
    assert set(records_of(pages)) == {"book1", "book2", "book3"}
    assert problems_of(pages) == []
    assert pages[-1].position == {"newest": day(3), "num_items": 3}


def test_an_item_without_a_date_is_taken_and_moves_no_watermark(site):
    site.publish("book", "book.pdf")
    del site.items["book"]["publicdate"]
    site.in_order = False
    pages = listed(site)
    assert set(records_of(pages)) == {"book"}
    assert pages[-1].position == {"num_items": 1}


@pytest.mark.parametrize(
    "odd", ["9999-99-99T99:99:99Z", "2999-01-01T00:00:00Z", "0001-01-01T00:00:00Z"]
)
def test_a_date_that_can_not_be_moves_no_watermark(site, odd):
    site.publish("good", "good.pdf", at=day(2))
    site.publish("odd", "odd.pdf", at=odd)
    site.in_order = False
    pages = listed(site)
    assert set(records_of(pages)) == {"good", "odd"}
    assert pages[-1].position == {"newest": day(2), "num_items": 2}
    site.publish("later", "later.pdf", at=day(3))
    again = listed(site, start=pages[-1].position, known=records_of(pages))
    assert set(records_of(again)) == {"later"}


def test_a_watermark_that_can_not_be_is_forgotten(site):
    site.publish("book", "book.pdf", at=day(2))
    pages = listed(site, start={"newest": "9999-99-99T99:99:99Z", "num_items": 1})
    assert set(records_of(pages)) == {"book"}
    assert pages[-1].position["newest"] == day(2)


def test_a_page_of_nothing_but_odd_items_is_no_page(site):
    site.publish("a/b", "a.pdf")
    with pytest.raises(FetchError, match="bad_reply"):
        listed(site)


def test_the_shape_that_is_asked_of_the_real_site_holds_here(site):
    for number in range(1, 4):
        site.publish(f"book{number}", f"book{number}.pdf", at=day(number))
        site.file(f"book{number}", f"book{number}_jp2.zip", source="derivative")
    check_live(listed(site), base_url=site.url)
    check_live(listed(site, formats=("pdf",)), base_url=site.url)


def test_the_first_format_that_an_item_has_is_taken(site):
    site.publish("all", "photo.jpg", "all.pdf", "all_jp2.zip")
    site.publish("paper", "paper.pdf")
    site.file("paper", "paper_jp2.zip", source="derivative")
    site.publish("text", "text.txt")
    taken = {id_: record.form for id_, record in records_of(listed(site)).items()}
    assert taken == {"all": "image", "paper": "zip", "text": "image"}
    assert refusals(listed(site)) == {"all": None, "paper": None, "text": "no_file"}
    pdfs = records_of(listed(site, formats=("pdf", "images")))
    assert {id_: r.form for id_, r in pdfs.items() if r.refused is None} == {
        "all": "pdf",
        "paper": "pdf",
    }


def test_the_first_file_is_called_like_its_item_and_the_others_behind_it(site):
    site.publish("zines", "b 2.jpg", "a/1.PNG", "c#3.jp2")
    found = records_of(listed(site))
    assert {id_: record.url.split("/download/")[1] for id_, record in found.items()} == {
        "zines": "zines/a/1.PNG?cnt=0",
        "zines/b 2.jpg": "zines/b%202.jpg?cnt=0",
        "zines/c#3.jp2": "zines/c%233.jp2?cnt=0",
    }
    assert {record.group for record in found.values()} == {"zines"}


def test_what_the_site_has_made_of_a_picture_is_not_taken(site):
    site.publish("a", "photo.tif", "notes.txt")
    site.file("a", "photo.jpg", source="derivative", format="JPEG")
    site.file("a", "__ia_thumb.jpg", format="Item Tile")
    site.file("a", "photo_thumb.jpg", source="derivative", format="JPEG Thumb")
    site.file("a", "a_itemimage.jpg", format="Item Image")
    (record,) = records_of(listed(site)).values()
    assert record.url.endswith("/a/photo.tif?cnt=0")


@pytest.mark.parametrize(
    ("names", "taken"),
    [
        (("b_bw.pdf", "b_text.pdf", "b.pdf"), ["b.pdf"]),
        (("b_text.pdf", "b_bw.pdf"), ["b_bw.pdf"]),
        (("one.pdf", "two.PDF"), ["one.pdf", "two.PDF"]),
        (("b_raw_jp2.zip", "b_jp2.zip", "b_tif.zip"), ["b_jp2.zip"]),
        (("b_orig_jp2.zip",), ["b_orig_jp2.zip"]),
        (("b.cbz", "program.zip"), ["b.cbz"]),
        (("program.zip", "djvu.xml"), []),
    ],
)
def test_of_the_variants_of_a_document_one_is_taken(site, names, taken):
    site.publish("b")
    for name in names:
        site.file("b", name, source="derivative")
    found = [r for r in records_of(listed(site)).values() if r.refused is None]
    assert [record.url.split("/b/")[1].removesuffix("?cnt=0") for record in found] == taken


def test_an_uploaded_variant_comes_before_the_site_s_own(site):
    site.publish("b", "b.cbz", "c_text.pdf")
    site.file("b", "b_jp2.zip", source="derivative")
    site.file("b", "c.pdf", source="derivative")
    assert records_of(listed(site))["b"].url.endswith("b.cbz?cnt=0")
    assert records_of(listed(site, **ONE_PDF))["b"].url.endswith("c_text.pdf?cnt=0")


def test_patterns_choose_among_the_files(site):
    site.publish("a", "a_bw.PDF", "a.pdf", "index.pdf")
    assert refusals(listed(site, exclude=("*_BW.pdf", "index*"), **ONE_PDF)) == {"a": None}
    assert refusals(listed(site, include=("*.zip",), **ONE_PDF)) == {"a": "no_file"}


def test_of_many_images_of_an_item_the_first_are_taken(site):
    site.publish("a", "1.jpg", "2.jpg", "3.jpg")
    assert refusals(listed(site, max_pages=2)) == {
        "a": None,
        "a/2.jpg": None,
        "a/3.jpg": "beyond_max_pages",
    }
    assert refusals(listed(site, skip_first_pages=1, skip_last_pages=1)) == {
        "a": "skipped_page",
        "a/2.jpg": None,
        "a/3.jpg": "skipped_page",
    }


@pytest.mark.parametrize(
    ("metadata", "licence"),
    [
        ({"licenseurl": "http://creativecommons.org/licenses/by-sa/4.0/"}, "CC BY-SA 4.0"),
        ({"licenseurl": "https://creativecommons.org/licenses/by-nc/4.0/"}, None),
        ({"licenseurl": ["https://creativecommons.org/licenses/by/3.0/"]}, "CC BY 3.0"),
        ({"possible-copyright-status": "NOT_IN_COPYRIGHT"}, "Public domain"),
        (
            {
                "possible-copyright-status": "Public domain. The library considers that this "
                "work is no longer under copyright protection."
            },
            "Public domain",
        ),
        ({"rights": "Public domain"}, "Public domain"),
        ({"rights": "Public domain in the United States. Not elsewhere."}, None),
        ({"possible-copyright-status": "In copyright. Digitized with permission."}, None),
        ({"rights": "No known copyright restrictions"}, None),
        ({}, None),
    ],
)
def test_an_item_is_taken_by_its_own_licence_or_statement_of_rights(site, metadata, licence):
    site.publish("a", "a.pdf", **{"licenseurl": None, **metadata})
    (record,) = records_of(listed(site)).values()
    if licence is None:
        reason, detail = record.refused
        assert reason == "licence"
        assert detail.endswith("; allowed: cc0, public-domain, cc-by, cc-by-sa")
    else:
        assert (record.refused, record.licence) == (None, licence)


def test_unknown_rights_are_taken_if_the_section_says_so(site):
    site.publish("a", "a.pdf", licenseurl=None)
    assert refusals(listed(site)) == {"a": "licence"}
    assert refusals(listed(site, licences=("unknown",))) == {"a": None}


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        ({"access-restricted-item": "true"}, "restricted"),
        ({"collection": ["MBLWHOI", "inlibrary"]}, "restricted"),
        ({"noindex": "true"}, "noindex"),
        ({"access-restricted-item": "false"}, None),
    ],
)
def test_what_is_lent_or_hidden_is_refused(site, metadata, reason):
    site.publish("a", "a.pdf", **metadata)
    assert refusals(listed(site)) == {"a": reason}


def test_a_private_file_and_an_item_that_is_gone_are_refused(site):
    site.publish("a", "a.pdf")
    site.items["a"]["files"][0]["private"] = "true"
    site.publish("gone", "gone.pdf")
    site.publish("dark", "dark.pdf")
    site.replies = {"gone": {}, "dark": {"is_dark": True, "metadata": {"title": "x"}}}
    assert refusals(listed(site)) == {"a": "restricted", "gone": "no_item", "dark": "no_item"}


def test_entries_of_files_that_make_no_sense_are_passed_over(site):
    site.publish("a", "a.pdf")
    site.items["a"]["files"] += [{"size": "1"}, "x", None, {"name": 7}]
    assert refusals(listed(site)) == {"a": None}


def test_the_section_chooses_what_is_asked_for(site):
    site.publish("a", "a.pdf", language="eng")
    site.publish("b", "b.pdf", language="English", date="1950")
    site.publish("c", "c.pdf", language="ger")
    site.publish("d", "d.pdf", language="eng", date="1951")
    site.publish("e", "e.pdf", language="eng", collection=["other"])
    site.publish("f", "f.pdf", language="eng", mediatype="collection")
    settings = {"query": "subject:Zoology", "years": (1900, 1950), "languages": ("eng", "English")}
    assert set(records_of(listed(site, **settings))) == {"a", "b"}
    assert queries(site) == [
        {
            "q": "collection:(MBLWHOI) AND (subject:Zoology) AND "
            'date:[1900-01-01 TO 1950-12-31] AND language:("eng" OR "English") AND '
            "-mediatype:collection",
            "fields": "identifier,publicdate",
            "sorts": "publicdate asc",
            "count": "1000",
        }
    ]


def test_pages_are_followed_by_their_cursors(site, monkeypatch):
    monkeypatch.setattr(internet_archive, "CHUNK", 2)
    site.page_size = 3
    for number in range(8, 0, -1):
        site.publish(f"b{number}", f"b{number}.pdf", at=day(number))
    pages = listed(site)
    assert list(records_of(pages)) == [f"b{number}" for number in range(1, 9)]
    assert [len(page.records) for page in pages] == [2, 1, 2, 1, 2, 0]
    assert [page.is_last for page in pages] == [False] * 5 + [True]
    assert {page.total for page in pages[:-1]} == {8}
    assert problems_of(pages) == []
    assert [query.get("cursor") for query in queries(site)] == [None, "W33", "W36"]


def test_a_listing_goes_on_from_each_position_and_asks_for_no_item_twice(site, monkeypatch):
    monkeypatch.setattr(internet_archive, "CHUNK", 2)
    for number in range(1, 8):
        site.publish(f"b{number}", f"b{number}.pdf", at=day(1 + number // 3))
    pages = listed(site)
    for done in range(1, len(pages)):
        before = records_of(pages[:done])
        site.asked.clear()
        rest = listed(site, start=pages[done - 1].position, known=before)
        assert {**before, **records_of(rest)} == records_of(pages)
        assert rest[-1].position == pages[-1].position
        assert not set(asked_items(site)) & set(before)
        assert problems_of(rest) == []


def test_a_later_listing_asks_for_what_was_published_since(site):
    for number in range(1, 6):
        site.publish(f"b{number}", f"b{number}.pdf", at=day(number))
    first = listed(site)
    known = records_of(first)
    site.asked.clear()
    again = listed(site, start=first[-1].position, known=known)
    assert records_of(again) == {}
    assert len(site.asked) == 1
    assert "publicdate:[2020-01-02T08:00:00Z TO null]" in queries(site)[0]["q"]
    assert again[-1].position == first[-1].position
    # One became visible late, within the overlap.
    site.publish("late", "late.pdf", at=day(4))
    site.publish("new", "new.pdf", at=day(20))
    assert set(records_of(listed(site, start=again[-1].position, known=known))) == {"late", "new"}
    assert sorted(asked_items(site)) == ["late", "new"]
    nothing = listed(site, start=again[-1].position, known=known, overlap_days=0.5)
    assert set(records_of(nothing)) == {"new"}


def test_only_so_many_items_are_taken_the_oldest_first(site, monkeypatch):
    monkeypatch.setattr(internet_archive, "CHUNK", 2)
    for number in range(1, 8):
        site.publish(f"b{number}", f"b{number}.pdf", at=day(number))
    pages = listed(site, max_items=3)
    assert list(records_of(pages)) == ["b1", "b2", "b3"]
    assert sorted(asked_items(site)) == ["b1", "b2", "b3"]
    assert pages[-1].is_last
    assert problems_of(pages) == []
    site.asked.clear()
    site.publish("b0", "b0.pdf", at=day(9))
    again = listed(site, max_items=3, start=pages[-1].position, known=records_of(pages))
    assert [(page.records, page.is_last) for page in again] == [((), True)]
    assert site.asked == []


@pytest.mark.parametrize("num_pages", [1, 2, 3])
def test_the_cap_counts_each_item_once_however_often_the_listing_was_killed(
    site, monkeypatch, num_pages
):
    monkeypatch.setattr(internet_archive, "CHUNK", 2)
    for number in range(1, 10):
        site.publish(f"b{number}", f"b{number}.pdf", at=day(1))
    found: dict[str, Record] = {}
    position: dict = {}
    for _ in range(20):
        pages = listed(
            site, max_items=7, start=position, known=frozenset(found), num_pages=num_pages
        )
        found |= records_of(pages)
        position = pages[-1].position
        if pages[-1].is_last:
            break
    assert sorted(found) == [f"b{number}" for number in range(1, 8)]
    # A full listing of the same epoch starts anew, and takes no more.
    again = listed(site, max_items=7, known=frozenset(found))
    assert records_of(again) == {}
    assert again[-1].position == position


def test_a_repeated_cursor_ends_the_listing_with_a_problem(site, monkeypatch):
    site.page_size = 2
    for number in range(1, 6):
        site.publish(f"b{number}", f"b{number}.pdf", at=day(number))
    answer = site._search
    monkeypatch.setattr(site, "_search", lambda query: answer({**query, "cursor": "W30"}))
    pages = listed(site)
    assert problems_of(pages) == ["the cursor repeats"]
    assert pages[-1].is_last
    assert len(queries(site)) == 2


def test_a_total_that_differs_from_what_was_listed_is_a_problem(site):
    site.publish("a", "a.pdf")
    site.num_announced_more = 3
    pages = listed(site)
    assert problems_of(pages) == ["1 of 4 items were listed"]
    assert set(records_of(pages)) == {"a"}


def test_items_in_another_order_are_a_problem(site):
    site.in_order = False
    site.publish("a", "a.pdf", at=day(2))
    site.publish("b", "b.pdf", at=day(1))
    pages = listed(site)
    assert problems_of(pages) == ["the items do not come in the order of their publication"]
    assert set(records_of(pages)) == {"a", "b"}
    assert pages[-1].position["newest"] == day(2)


def test_an_empty_page_before_the_last_ends_the_listing_with_a_problem(site, monkeypatch):
    site.publish("a", "a.pdf")
    empty = {"items": [], "count": 0, "total": 1, "cursor": "W31"}
    monkeypatch.setattr(site, "_search", lambda _: as_json(empty))
    assert problems_of(listed(site)) == ["a page before the last is empty"]


def test_nothing_found_is_no_problem(site):
    pages = listed(site)
    assert [(page.records, page.is_last, page.problem) for page in pages] == [((), True, None)]
    assert pages[-1].position == {}


@pytest.mark.parametrize("fault", ["error_in_200", "no_items", "429_seconds", "403_html", "500"])
def test_a_search_that_fails_once_is_asked_again(site, fault):
    site.publish("a", "a.pdf")
    faults = iter([fault])
    site.fault = lambda _: next(faults, None)
    assert set(records_of(listed(site))) == {"a"}


@pytest.mark.parametrize("fault", ["error_in_200", "no_items", "500", "401"])
def test_a_search_that_keeps_failing_is_an_error(site, fault):
    site.fault = lambda _: fault
    with pytest.raises(FetchError):
        listed(site)


def test_one_bad_item_is_left_out_and_told(site):
    for number in range(1, 4):
        site.publish(f"b{number}", f"b{number}.pdf", at=day(number))
    site.fault = fails_for("b2")
    pages = listed(site)
    assert set(records_of(pages)) == {"b1", "b3"}
    assert problems_of(pages) == ["could not be asked for: b2 (http_500)"]
    assert pages[-1].position["newest"] == day(3)
    # The next full listing of the epoch asks for what is missing only.
    site.asked.clear()
    site.fault = lambda _: None
    again = listed(site, known=records_of(pages))
    assert set(records_of(again)) == {"b2"}
    assert asked_items(site) == ["b2"]


def test_many_bad_items_in_a_row_end_the_listing_after_what_is_good(site):
    for number in range(1, 10):
        site.publish(f"b{number}", f"b{number}.pdf", at=day(number))
    site.fault = fails_for(*(f"b{number}" for number in range(4, 10)))
    pages: list[Page] = []
    with pytest.raises(FetchError) as error:
        gather(site, pages)
    assert error.value.reason == "http_500"
    assert set(records_of(pages)) == {"b1", "b2", "b3"}


def test_a_spent_budget_ends_the_listing_with_what_was_had(site):
    for number in range(1, 10):
        site.publish(f"b{number}", f"b{number}.pdf", at=day(number))
    found: dict[str, Record] = {}
    position: dict = {}
    for _ in range(9):
        pages: list[Page] = []
        with suppress(BudgetSpentError):
            gather(site, pages, start=position, known=found, conduct={"max_requests": 4})
        found |= records_of(pages)
        position = dict(pages[-1].position)
        if pages[-1].is_last:
            break
    assert len(found) == 9
    assert len(set(asked_items(site))) == 9


def gather(site: InternetArchiveStandIn, into: list[Page], **settings) -> None:
    """List into a list that holds what came before an error."""
    original = InternetArchive.pages

    async def noted(self, start, *, known):
        async for page in original(self, start, known=known):
            into.append(page)
            yield page

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(InternetArchive, "pages", noted)
        listed(site, **settings)


@pytest.mark.parametrize("fault", [None, "truncated", "429_seconds"])
def test_a_file_is_fetched_from_the_machine_that_holds_it_and_verified(site, tmp_path, fault):
    site.publish("a", "a b.pdf")
    (record,) = records_of(listed(site)).values()
    faults = iter([fault])
    site.fault = lambda asked: next(faults, None) if "data-node" in asked.path else None
    content = fetched(site, record, tmp_path)
    assert content == b"a a b.pdf"
    assert "/data-node/a/a%20b.pdf" in site.paths()


def test_a_logo_in_place_of_a_picture_is_not_what_was_published(site, tmp_path):
    site.publish("a", "a.jpg")
    (record,) = records_of(listed(site)).values()
    site.fault = lambda asked: "logo" if "data-node" in asked.path else None
    with pytest.raises(FetchError):
        fetched(site, record, tmp_path)
    assert LOGO not in site.contents.values()


def fetched(site: InternetArchiveStandIn, record: Record, scratch) -> bytes:
    async def run() -> bytes:
        network = Network(local(site.port, files_per_s=None), contact=TESTER, scratch=scratch)
        try:
            job = Download(
                url=record.url,
                max_bytes=1000,
                num_bytes=record.num_bytes,
                md5=record.md5,
                sha1=record.sha1,
            )
            content = (await network.download(job)).content
            return content if isinstance(content, bytes) else content.read_bytes()
        finally:
            await network.close()

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({}, "set collection or query"),
        ({"query": "x", "years": (1950, 1900)}, "the first is after the last"),
        ({"collection": "a) OR collection:(b"}, "collection"),
        ({"query": "x", "languages": ('e"ng',)}, "languages"),
    ],
)
def test_a_section_that_makes_no_sense_is_refused_with_a_remedy(settings, told):
    with pytest.raises(ValidationError, match=told):
        InternetArchiveParams(kind="internet_archive", **settings)


def test_how_pages_are_drawn_makes_no_other_query():
    def identity(**settings: object) -> dict[str, object]:
        known = {"kind": "internet_archive", "collection": "a", **settings}
        return InternetArchiveParams.model_validate(known).identity()

    drawn = {"dpi": 300, "grey": True, "min_ink": 0.0}
    assert identity(**drawn, requests_per_minute=1.0, max_container_mb=5.0) == identity()
    skipped = {"skip_first_pages": 2, "skip_last_pages": 1}
    assert identity(formats=("pdf",), **skipped) == identity(formats=("pdf",))
    # Of uploaded pictures the listing itself leaves some out.
    assert identity(**skipped) != identity()
    assert identity(max_items=3) != identity()
    assert identity(formats=("pdf",)) != identity(max_pages=3) != identity()
