"""Whole scrapes of Flickr, Reddit and Instagram against stand-ins, and of a download's folder."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flickr_stand_in import KEY, SPIDERS, FlickrStandIn, Photo
from instagram_stand_in import TOKEN, USER, InstagramStandIn, child, media
from instaloader_files import STEM, album, node, save, save_post
from reddit_stand_in import CLIENT_ID, SECRET, RedditStandIn, gallery, post
from scraping import picture
from stand_in import StandIn, running

from wunderkammer.sources.item import SourceError

SECRETS = {
    "FLICKR_API_KEY": KEY,
    "REDDIT_CLIENT_ID": CLIENT_ID,
    "REDDIT_CLIENT_SECRET": SECRET,
    "INSTAGRAM_ACCESS_TOKEN": TOKEN,
}


@pytest.fixture(autouse=True)
def keys(monkeypatch) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("wunderkammer.conduct.replies.FIRST_BACKOFF_S", 0.005)


def sites() -> dict[str, tuple[StandIn, dict[str, Any]]]:
    """Each with five pictures, one of which is refused, and with its settings."""
    photos = [Photo(number, license=4 if number else 0) for number in range(5)]
    posts = [post(0, is_video=True), post(1), post(2), gallery(3, "a00031", "a00032")]
    tags = {"corgi": [media(1), media(2), media(3, children=[child(4), child(5, "VIDEO")])]}
    shared = {"accept_unlicensed": True, "requests_per_minute": 60_000.0}
    reddit = {"subreddit": "spiders", "base_url": "URL", "oauth_url": "URL", "image_url": "URL/i"}
    instagram = {"hashtags": ["corgi"], "user_id": USER, "base_url": "URL/v24.0"}
    flickr = {"group": SPIDERS, "base_url": "URL/services", "requests_per_hour": 4e6}
    return {
        "flickr": (FlickrStandIn(photos), flickr),
        "reddit": (RedditStandIn(posts), {**reddit, **shared}),
        "instagram": (InstagramStandIn(tags), {**instagram, **shared}),
    }


@pytest.fixture(params=["flickr", "reddit", "instagram"])
def site(request) -> Iterator[tuple[StandIn, dict[str, Any]]]:
    stand_in, settings = sites()[request.param]
    with running(stand_in):
        written = {
            name: value.replace("URL", stand_in.url) if isinstance(value, str) else value
            for name, value in settings.items()
        }
        conduct = {
            "contact": "curator@museum.example",
            "allow_loopback_ports": [stand_in.port],
            "files_per_s": None,
            "num_tries": 2,
        }
        yield stand_in, {"kind": request.param, "conduct": conduct, **written}


# How many questions tell that nothing is new: of a page, and of a token or a hashtag's id.
ASKED_AGAIN = {"flickr": 1, "reddit": 2, "instagram": 2}


def test_a_scrape_keeps_what_may_be_used_and_a_rescrape_asks_little(scraper, site):
    stand_in, section = site
    first = scraper(**section)
    rows = scraper.rows(first)
    assert len(rows) == 5 - (section["kind"] == "instagram")
    assert len(scraper.kept(first)) == len(rows) - 1
    for id_ in scraper.kept(first):
        assert rows[id_]["source"] == section["kind"]
        assert rows[id_]["landing_page"]
        assert rows[id_]["group"]
        passes = section["kind"] == "instagram"
        assert rows[id_]["url"].startswith(
            "https://www.instagram.com/p/" if passes else stand_in.url
        )

    stand_in.asked.clear()
    again = scraper(**section)
    assert len(stand_in.asked) == ASKED_AGAIN[section["kind"]]
    assert again.record.data_version == first.record.data_version
    assert scraper.rows(again) == rows


def test_addresses_that_are_signed_anew_fetch_nothing_and_change_nothing(scraper):
    stand_in, settings = sites()["instagram"]
    with running(stand_in):
        settings = {**settings, "base_url": f"{stand_in.url}/v24.0", "kind": "instagram"}
        local = {"contact": "curator@museum.example", "allow_loopback_ports": [stand_in.port]}
        first = scraper(**settings, conduct=local)
        for post in stand_in.tags["corgi"][:2]:
            post["media_url"] = f"MEDIA/{post['id']}.jpg?oh=77&oe=78"
        stand_in.asked.clear()
        again = scraper(**settings, conduct=local)
    assert not [path for path in stand_in.paths() if path.startswith("/media/")]
    assert len(scraper.kept(again)) == 3
    assert again.record.data_version == first.record.data_version


def test_no_key_is_in_anything_that_a_scrape_leaves(scraper, site, caplog):
    caplog.set_level(logging.DEBUG)
    stand_in, section = site
    told = []
    for fault in ("401", "500", "no_json"):
        stand_in.fault = lambda _, fault=fault: fault
        with pytest.raises(SourceError) as error:
            scraper(**section)
        told.append(f"{error.value!r} {error.value.__cause__!r}")
    stand_in.fault = lambda _: None
    assert scraper.kept(scraper(**section))
    stand_in.fault = lambda _: "401"
    scraper(**section)
    left = [file.read_bytes() for file in scraper.root.rglob("*") if file.is_file()]
    left += [text.encode() for text in (caplog.text, *told)]
    assert len(left) > 5
    assert not any(value.encode() in one for value in SECRETS.values() for one in left)


def test_a_missing_key_is_told_before_anything_is_asked(scraper, site, monkeypatch):
    stand_in, section = site
    for name in SECRETS:
        monkeypatch.delenv(name)
    names = {name for name in SECRETS if name.startswith(section["kind"].upper())}
    with pytest.raises(SourceError) as error:
        scraper(**section)
    assert any(name in str(error.value) for name in names)
    assert stand_in.asked == []


def test_a_download_of_instaloaders_is_taken_in(scraper, tmp_path):
    folder = tmp_path / "download/corgi.bob"
    save_post(folder, STEM, album("CaBc", False, True), num_pictures=2)
    save_post(folder, "2026-10-09_00-00-00_UTC", node("CaBd"))
    save(folder, "2026-01-01_00-00-00_UTC_profile_pic.jpg", picture(9))
    for number, file in enumerate(sorted(folder.glob("2026-10-*.jpg"))):
        file.write_bytes(picture(number))
    section: dict[str, Any] = {"kind": "instaloader_folder", "path": "download"}
    built = scraper(**section, label_from_profile=True)
    assert scraper.reasons(built) == {
        f"corgi.bob/{STEM}_2.jpg": "video_thumbnails",
        "corgi.bob/2026-01-01_00-00-00_UTC_profile_pic.jpg": "profile_pictures",
    }
    row = scraper.rows(built)[f"corgi.bob/{STEM}_1.jpg"]
    assert row["author"] == row["label"] == "corgi.bob"
    assert row["landing_page"] == "https://www.instagram.com/p/CaBc/"
    assert row["tags"] == ["corgi", "dog"]
    assert row["taken_at"] == "2026-10-08T17:10:31Z"
    assert row["group"] == "CaBc"
    (Path(folder) / f"{STEM}_1.jpg").unlink()
    assert scraper.reasons(scraper(**section, label_from_profile=True))[row["id"]] == (
        "gone_from_source"
    )
