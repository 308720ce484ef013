import io

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest
from scraping import Scraper, picture, stream_here
from site_stand_in import running_site

from wunderkammer.sources.item import SourceError


@pytest.fixture
def site(monkeypatch):
    monkeypatch.setattr("wunderkammer.conduct.replies.FIRST_BACKOFF_S", 0.02)
    with running_site() as site:
        site.body = picture(1)
        yield site


def scrape(scraper: Scraper, site, table: str | dict[str, list], **settings: object):
    path = scraper.root / "list.csv"
    if isinstance(table, str):
        path.write_text(table, encoding="utf-8")
    else:
        pq.write_table(pa.table(table), path)
    section = {
        "kind": "urls",
        "path": "list.csv",
        "conduct": {
            "contact": "curator@museum.example",
            "num_tries": 2,
            "files_per_s": None,
            "allow_loopback_ports": [site.port],
        },
    }
    return scraper(**section, **settings)


def test_pictures_come_with_the_provenance_of_the_list(scraper, site):
    table = {
        "url": [site.url("/ok/1"), site.url("/ok/2")],
        "landing_page": ["https://museum.example/1", None],
        "author": ["Ada, Countess", "Bob\nthe second"],
        "license": ["CC-BY-4.0", "CC0-1.0"],
        "licence_url": ["https://creativecommons.org/licenses/by/4.0/", ""],
        "title": ["Löffel", None],
        "label": ["spoon", "fork"],
        "group": [7, 8],
        "width": [1, 2],
    }
    sink = io.BytesIO()
    pacsv.write_csv(pa.table(table), sink)
    from_csv = scraper.rows(scrape(scraper, site, sink.getvalue().decode()))
    from_parquet = scraper.rows(scrape(scraper, site, table))
    first = from_csv[site.url("/ok/1")]
    assert first["decision"] == "kept"
    assert first["url"] == site.url("/ok/1")
    assert first["author"] == "Ada, Countess"
    assert first["licence"] == "CC-BY-4.0"
    assert first["title"] == "Löffel"
    assert first["group"] == "7"
    assert from_csv[site.url("/ok/2")]["author"] == "Bob\nthe second"
    assert from_csv[site.url("/ok/2")]["landing_page"] is None
    from_parquet[site.url("/ok/2")]["licence_url"] = None
    assert from_parquet == from_csv


def test_nothing_is_fetched_twice_and_what_failed_is_asked_again(scraper, site):
    table = {"url": [site.url("/ok/1"), site.url("/at-second/404"), site.url("/status/404")]}
    before = scrape(scraper, site, table)
    assert scraper.reasons(before) == {
        site.url("/at-second/404"): "http_404",
        site.url("/status/404"): "http_404",
    }
    after = scrape(scraper, site, table)
    assert scraper.reasons(after) == {site.url("/status/404"): "http_404"}
    assert site.count("/ok/1") == 1
    assert site.count("/at-second/404") == 2
    unchanged = scraper.rows(before)[site.url("/ok/1")]
    assert scraper.rows(after)[site.url("/ok/1")] == unchanged


def test_a_row_that_names_no_fetchable_url_is_rejected_with_its_provenance(scraper, site):
    site_root = f"127.0.0.1:{site.port}"
    table = {
        "url": [
            site.url("/ok/1"),
            site.url("/ok/1"),
            None,
            " ",
            f"http://user:secret@{site_root}/ok/2",
            "ftp://museum.example/a.jpg",
            "http://169.254.169.254/latest/meta-data",
            f"http://{site_root}/ok//me@home/3",
        ],
        "author": list("abcdefgh"),
    }
    built = scrape(scraper, site, table)
    assert scraper.kept(built) == {site.url("/ok/1"), site.url("/ok//me@home/3")}
    assert scraper.reasons(built) == {
        f"{site.url('/ok/1')}\\#2": "duplicate_url",
        "\\row 3": "no_url",
        "\\row 4": "no_url",
        f"http://{site_root}/ok/2": "user_info_in_url",
        "ftp://museum.example/a.jpg": "bad_url",
        "http://169.254.169.254/latest/meta-data": "private_address",
    }
    assert sorted(row["author"] for row in scraper.rows(built).values()) == list("abcdefgh")
    assert "secret" not in str(scraper.rows(built))


def test_a_download_that_is_no_picture_is_rejected_by_the_decoder(scraper, site):
    site.body = b"GIF89a, or so it says"
    with pytest.raises(SourceError, match="none of 1 items can be kept"):
        scrape(scraper, site, {"url": [site.url("/ok/1")]})


def test_a_killed_fetch_keeps_what_it_had(scraper, site, monkeypatch):
    table = {"url": [site.url(f"/ok/{number}") for number in range(6)]}

    def killed(batches, **_: object):
        for batch in batches:
            if batch and len(site.requests) == 6:
                raise KeyboardInterrupt
            yield from ()

    monkeypatch.setattr("wunderkammer.sources.scrape.ingest", killed)
    with pytest.raises(KeyboardInterrupt):
        scrape(scraper, site, table)
    monkeypatch.undo()
    monkeypatch.setattr("wunderkammer.ledger_map.guarded_stream", stream_here)
    scrape(scraper, site, table)
    assert len(site.requests) == 6


def test_with_a_cap_only_so_many_are_fetched(scraper, site):
    table = {"url": [site.url(f"/ok/{number}") for number in range(9)]}
    built = scrape(scraper, site, table, max_images=3)
    assert len(scraper.kept(built)) == 3
    assert len(site.requests) == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("address\nhttp://museum.example/a.jpg\n", "no column 'url' .its columns: address"),
        ("url,author\n", "lists no URL"),
        ("", "no readable CSV"),
        ("url,author\na,b,c,d\n", "no readable CSV"),
    ],
)
def test_a_list_that_can_not_be_read_is_an_error_that_says_why(scraper, site, text, message):
    with pytest.raises(SourceError, match=f"list.csv.*{message}"):
        scrape(scraper, site, text)
    (scraper.root / "list.csv").unlink()
    with pytest.raises(SourceError, match=r"list.csv.* is not a file"):
        scraper(kind="urls", path="list.csv", conduct={"contact": "curator@museum.example"})
