"""Whole scrapes of a source on the network, against a stand-in of iNaturalist."""

import hashlib
import re
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from inaturalist_stand_in import INaturalistStandIn
from scraping import Scraper, picture
from stand_in import Asked, Reply, running

from wunderkammer.sources.item import SourceError
from wunderkammer.sources.placeholders import MD5, SHA1, SHA256
from wunderkammer.storage.blobs import Blobs


@pytest.fixture
def site(monkeypatch):
    monkeypatch.setattr("wunderkammer.sources.inaturalist.PER_PAGE", 3)
    with running(INaturalistStandIn()) as site:
        for number in range(1, 8):
            site.observe(number, "cc-by")
        yield site


def scrape(scraper: Scraper, site: INaturalistStandIn, conduct=None, **settings: object):
    return scraper(
        kind="inaturalist",
        taxon_id=47118,
        base_url=f"{site.url}/v1",
        requests_per_minute=6000.0,
        **settings,
        conduct={
            "contact": "curator@museum.example",
            "allow_loopback_ports": [site.port],
            "files_per_s": None,
            "num_tries": 2,
            **(conduct or {}),
        },
    )


def photos(site: INaturalistStandIn) -> Counter[str]:
    return Counter(asked.path for asked in site.asked if asked.path.startswith("/photos/"))


def listings(site: INaturalistStandIn) -> int:
    return sum(asked.path == "/v1/observations" for asked in site.asked)


def test_pictures_come_with_their_provenance(scraper, site):
    built = scrape(scraper, site)
    rows = scraper.rows(built)
    assert len(scraper.kept(built)) == 7
    row = next(row for row in rows.values() if row["sha256"] == digest_of(scraper, picture(30)))
    assert row["source"] == "inaturalist"
    assert row["licence"] == "CC BY 4.0"
    assert row["author"] == "Ada Lovelace"
    assert row["landing_page"] == "https://www.inaturalist.org/observations/3"
    assert row["url"] == f"{site.url}/photos/30/original.jpg"
    assert row["tags"] == ["web", "garden"]
    assert row["taken_at"].startswith("2025-08-27")
    assert '"content_type": "image/jpeg"' in row["headers"]
    assert photos(site) == {f"/photos/{n}0/original.jpg": 1 for n in range(1, 8)}


def digest_of(scraper: Scraper, content: bytes) -> str:
    return Blobs(scraper.store).put(content)


def test_a_rescrape_with_nothing_new_costs_one_request(scraper, site):
    before = scrape(scraper, site)
    site.asked.clear()
    after = scrape(scraper, site)
    assert len(site.asked) == 1
    assert after.record.data_version == before.record.data_version
    assert scraper.rows(after) == scraper.rows(before)


def test_only_what_is_new_is_fetched(scraper, site):
    before = scrape(scraper, site)
    site.asked.clear()
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    site.observe(8, "cc0", updated_at=later)
    after = scrape(scraper, site)
    assert photos(site) == {"/photos/80/original.jpg": 1}
    assert len(scraper.kept(after) - scraper.kept(before)) == 1
    assert after.record.summary.num_in == 8


def test_a_picture_that_failed_is_a_row_and_is_asked_for_again(scraper, site):
    site.fault = lambda asked: "500" if asked.path.startswith("/photos/30/") else None
    built = scrape(scraper, site)
    assert list(scraper.reasons(built).values()) == ["http_500"]
    assert len(scraper.kept(built)) == 6
    site.fault = lambda _: None
    assert len(scraper.kept(scrape(scraper, site))) == 7


def test_what_failed_twice_is_left_alone_for_some_days(scraper, site):
    site.fault = lambda asked: "401" if asked.path.startswith("/photos/30/") else None
    for _ in range(4):
        scrape(scraper, site)
    assert photos(site)["/photos/30/original.jpg"] == 2
    scrape(scraper, site, conduct={"retry_days": 0})
    assert photos(site)["/photos/30/original.jpg"] == 3


def test_a_file_that_is_no_picture_is_fetched_again_another_time(scraper, site):
    healthy = site.answer
    site.answer = lambda asked: (
        Reply(200, b"no picture at all", healthy(asked).headers)
        if asked.path.startswith("/photos/30/")
        else healthy(asked)
    )
    built = scrape(scraper, site)
    assert list(scraper.reasons(built).values()) == ["not_an_image"]
    site.answer = healthy
    assert len(scraper.kept(scrape(scraper, site))) == 7


def test_a_file_that_stays_no_picture_is_neither_sent_again_nor_asked_for_each_night(scraper, site):
    healthy = site.answer
    site.answer = lambda asked: (
        Reply(200, b"no picture at all", {**healthy(asked).headers, "ETag": '"7"'})
        if asked.path.startswith("/photos/30/")
        else healthy(asked)
    )
    for _ in range(4):
        built = scrape(scraper, site)
        assert list(scraper.reasons(built).values()) == ["not_an_image"]
    asked = [one for one in site.asked if one.path.startswith("/photos/30/")]
    assert [one.headers.get("If-None-Match") for one in asked] == [None, '"7"']


def test_a_placeholder_is_refused_and_asked_for_again(scraper, site):
    healthy = site.answer
    site.answer = lambda asked: (
        Reply(200, picture(1, side=9), healthy(asked).headers)
        if asked.path.startswith("/photos/30/")
        else healthy(asked)
    )
    built = scrape(scraper, site, placeholder_sizes=[[9, 9]])
    assert list(scraper.reasons(built).values()) == ["placeholder"]
    site.answer = healthy
    assert len(scraper.kept(scrape(scraper, site, placeholder_sizes=[[9, 9]]))) == 7


@pytest.mark.parametrize("algorithm", ["sha256", "sha1", "md5"])
def test_the_placeholders_of_some_sites_are_known(scraper, site, monkeypatch, algorithm):
    sent = picture(1, side=9)
    known = {hashlib.new(algorithm, sent).hexdigest(): "Flickr"}
    monkeypatch.setattr(f"wunderkammer.sources.placeholders.{algorithm.upper()}", known)
    healthy = site.answer
    site.answer = lambda asked: (
        Reply(200, sent, healthy(asked).headers)
        if asked.path.startswith("/photos/30/")
        else healthy(asked)
    )
    rows = scraper.rows(scrape(scraper, site)).values()
    (row,) = [row for row in rows if row["decision"] == "rejected"]
    assert (row["reason"], row["width"]) == ("placeholder", None)
    assert "Flickr" in row["detail"]
    site.answer = healthy
    assert len(scraper.kept(scrape(scraper, site))) == 7


@pytest.mark.parametrize(
    ("table", "num_digits"), [(SHA256, 64), (SHA1, 40), (MD5, 32)], ids=["sha256", "sha1", "md5"]
)
def test_known_placeholders_go_by_whole_hashes(table, num_digits):
    assert table
    assert all(re.fullmatch(f"[0-9a-f]{{{num_digits}}}", digest) for digest in table)


def test_a_listing_that_breaks_off_keeps_what_came_and_goes_on(scraper, site):
    seen = []

    def fault(asked: Asked) -> str | None:
        seen.append(asked.path)
        return "500" if seen.count("/v1/observations") in (2, 3) else None

    site.fault = lambda asked: fault(asked) if asked.path == "/v1/observations" else None
    built = scrape(scraper, site)
    assert len(scraper.kept(built)) == 3
    assert "broke off" in built.record.summary.measures["problems"][0]
    site.fault = lambda _: None
    site.asked.clear()
    again = scrape(scraper, site)
    assert len(scraper.kept(again)) == 7
    assert sum(photos(site).values()) == 4
    assert "problems" not in again.record.summary.measures


def test_what_the_source_has_deleted_becomes_a_tombstone_when_all_is_listed_again(scraper, site):
    before = scrape(scraper, site)
    del site.observations[3]
    assert scraper.kept(scrape(scraper, site)) == scraper.kept(before)
    after = scrape(scraper, site, relist_days=0)
    (gone,) = scraper.kept(before) - scraper.kept(after)
    row = scraper.rows(after)[gone]
    assert (row["reason"], row["sha256"] is not None) == ("gone_from_source", True)
    assert scraper.kept(scrape(scraper, site)) == scraper.kept(after)


def test_nothing_is_taken_for_deleted_while_the_listing_has_gaps(scraper, site):
    before = scrape(scraper, site)
    del site.observations[3]
    site.num_announced_more = 1
    after = scrape(scraper, site, relist_days=0)
    assert scraper.kept(after) == scraper.kept(before)
    site.num_announced_more = 0
    assert len(scraper.kept(scrape(scraper, site, relist_days=0))) == 6


def test_a_changed_licence_is_taken_over(scraper, site):
    before = scrape(scraper, site)
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    site.observe(3, "cc0", updated_at=later)
    after = scrape(scraper, site)
    assert sum(row["licence"].startswith("CC0") for row in scraper.rows(after).values()) == 1
    assert sum(photos(site).values()) == 7
    assert after.record.data_version != before.record.data_version


def test_a_licence_that_is_not_allowed_is_counted_and_not_fetched(scraper, site):
    site.observe(9, "cc-by", "cc-by-nc")
    built = scrape(scraper, site)
    assert list(scraper.reasons(built).values()) == ["licence"]
    assert "/photos/91/original.jpg" not in photos(site)


def test_a_cap_lists_and_fetches_no_more_than_it_needs(scraper, site):
    built = scrape(scraper, site, max_images=2)
    assert len(scraper.kept(built)) == 2
    assert sum(photos(site).values()) == 2
    assert listings(site) == 1
    assert scraper.kept(scrape(scraper, site, max_images=2)) == scraper.kept(built)
    more = scrape(scraper, site, max_images=5)
    assert scraper.kept(more) > scraper.kept(built)
    assert len(scraper.kept(more)) == 5
    assert len(scraper.kept(scrape(scraper, site))) == 7
    assert sum(photos(site).values()) == 7


def test_a_cap_hides_neither_deletions_nor_withdrawn_licences(scraper, site):
    """Though such a listing is never whole."""
    before = scrape(scraper, site, max_images=4)
    assert listings(site) == 2
    site.asked.clear()
    assert scraper.kept(scrape(scraper, site, max_images=4, relist_days=0)) == scraper.kept(before)
    assert listings(site) == 2
    del site.observations[2]
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    site.observe(3, "cc-by-nc", updated_at=later)
    assert scraper.kept(scrape(scraper, site, max_images=4)) == scraper.kept(before)
    told = scrape(scraper, site, max_images=4, relist_days=0)
    assert list(scraper.reasons(told).values()) == ["gone_from_source"] * 2
    full = scrape(scraper, site, max_images=4)
    assert len(scraper.kept(full)) == 4
    assert len(scraper.kept(before) & scraper.kept(full)) == 2
    assert max(photos(site).values()) == 1


def test_what_a_listing_of_a_cap_does_not_find_soon_is_not_taken_for_deleted(
    scraper, site, monkeypatch
):
    monkeypatch.setattr("wunderkammer.harvest.fetching.MAX_SEARCHED", 3)
    for number in range(8, 12):
        site.observe(number, "cc-by")
    before = scrape(scraper, site, max_images=2)
    del site.observations[2]
    site.asked.clear()
    assert scraper.kept(scrape(scraper, site, max_images=2, relist_days=0)) == scraper.kept(before)
    assert listings(site) == 2
    site.asked.clear()
    assert scraper.kept(scrape(scraper, site, max_images=2)) == scraper.kept(before)
    assert listings(site) == 1


def test_a_lowered_cap_leaves_out_what_came_last(scraper, site):
    before = scrape(scraper, site)
    after = scrape(scraper, site, max_images=4)
    assert len(scraper.kept(after)) == 4
    assert scraper.kept(after) < scraper.kept(before)
    assert set(scraper.reasons(after).values()) == {"beyond_max_images"}
    assert scraper.kept(scrape(scraper, site)) == scraper.kept(before)
    assert sum(photos(site).values()) == 7


def test_a_place_that_a_bad_picture_leaves_goes_to_the_next_one(scraper, site):
    site.fault = lambda asked: "401" if asked.path.startswith("/photos/10/") else None
    built = scrape(scraper, site, max_images=2)
    assert len(scraper.kept(built)) == 2
    assert sum(photos(site).values()) == 3


def test_a_spent_budget_ends_the_run_and_the_next_one_goes_on(scraper, site):
    built = scrape(scraper, site, conduct={"max_requests": 4})
    assert "budget" in built.record.summary.measures["problems"][0]
    assert 0 < len(scraper.kept(built)) < 7
    for _ in range(4):
        built = scrape(scraper, site, conduct={"max_requests": 4})
    assert len(scraper.kept(built)) == 7
    assert photos(site) == {f"/photos/{n}0/original.jpg": 1 for n in range(1, 8)}


def test_a_source_that_gives_nothing_is_an_error_and_leaves_what_was_there(scraper, site):
    site.fault = lambda _: "500"
    with pytest.raises(SourceError, match=r"gives no item.*broke off"):
        scrape(scraper, site)
    site.fault = lambda _: None
    before = scrape(scraper, site)
    site.fault = lambda _: "500"
    assert scraper.kept(scrape(scraper, site)) == scraper.kept(before)


def test_without_a_contact_nothing_is_asked(scraper, site, monkeypatch):
    monkeypatch.delenv("WUNDERKAMMER_CONTACT", raising=False)
    with pytest.raises(SourceError, match="WUNDERKAMMER_CONTACT"):
        scrape(scraper, site, conduct={"contact": None})
    assert site.asked == []


def test_a_second_scrape_at_the_same_time_is_refused(scraper, site):
    healthy = site.answer
    refusals = []

    def meanwhile(asked: Asked) -> Reply:
        if asked.path.startswith("/photos/10/"):
            with pytest.raises(
                SourceError, match="another scrape of 'spoons' is under way"
            ) as told:
                scrape(scraper, site)
            refusals.append(told.value)
        return healthy(asked)

    site.answer = meanwhile
    assert len(scraper.kept(scrape(scraper, site))) == 7
    assert len(refusals) == 1
    assert sum(photos(site).values()) == 7
    site.answer = healthy
    assert len(scraper.kept(scrape(scraper, site))) == 7


def test_how_it_behaves_is_no_part_of_the_recipe(scraper, site):
    built = scrape(scraper, site)
    again = scrape(scraper, site, conduct={"max_connections": 3})
    assert again.record.fingerprint == built.record.fingerprint


def test_no_more_files_are_fetched_at_once_than_the_terms_allow(scraper, site, monkeypatch):
    monkeypatch.setattr("wunderkammer.sources.inaturalist.INaturalist.files_at_once", 2)
    for number in range(10, 30):
        site.observe(number, "cc-by")
    scrape(scraper, site, conduct={"max_connections_per_host": 8})
    # One more may ask for the listing.
    assert site.most_open <= 3
