"""Every kind of source with a stand-in that serves its pictures, and what is to come of it."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any
from zlib import crc32

import commons_stand_in as commons
import flickr_stand_in as flickr
import instagram_stand_in as instagram
import met_stand_in as met
import openverse_stand_in as openverse
import reddit_stand_in as reddit
import smithsonian_stand_in as smithsonian
from endless_forams_stand_in import EndlessForamsStandIn
from gbif_stand_in import BY_NC, GbifStandIn
from inaturalist_stand_in import INaturalistStandIn
from instaloader_files import STEM, album, save, save_post
from internet_archive_stand_in import InternetArchiveStandIn
from pdf_files import inked, pdf
from pydantic import TypeAdapter
from scraping import picture
from stand_in import Asked, Reply, StandIn, running

from wunderkammer.sources.params import ScrapeParams

CC0 = "https://creativecommons.org/publicdomain/zero/1.0/"
BY_4 = "https://creativecommons.org/licenses/by/4.0/"
PICTURES = (".jpg", ".png", ".tif")


@dataclass(frozen=True)
class Exhibit:
    """A source on this machine.

    Attributes:
        section: its `scrape` section.
        num_kept, reasons: what is to become of what it lists.
        row: what must stand in the row of the picture called `id`; a value None: it has none.
        num_requests: how many tell that there is nothing new.
        secrets: the environment that it needs, by name.
        told: further secrets, which the site itself gives.
    """

    site: StandIn
    section: dict[str, Any]
    num_kept: int
    id: str
    row: Mapping[str, Any]
    num_requests: int
    reasons: Mapping[str, int] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    told: tuple[str, ...] = ()


class Pages(StandIn):
    """Nothing but pictures, and a robots.txt."""

    def answer(self, asked: Asked) -> Reply:
        if asked.path == "/robots.txt":
            return Reply(200, b"User-agent: *\nDisallow: /private/")
        return Reply(404)


def serve_pictures(site: StandIn, *hosts: str) -> None:
    """Answer with a picture for each path that is that of one; links to `hosts` lead here."""
    healthy = site.answer

    def answer(asked: Asked) -> Reply:
        where = f"{asked.path}?{sorted(asked.query.items())}"
        if asked.path.startswith("/pictures/") or asked.path.endswith(PICTURES):
            if asked.path.endswith("/none.jpg"):
                return Reply(404)
            content = picture(crc32(where.encode()) % 65_536)
            return Reply(200, content, {"Content-Type": "image/png", "ETag": f'"{where[-9:]}"'})
        reply = healthy(asked)
        body = reply.body
        for host in hosts:
            body = body.replace(f"https://{host}/".encode(), f"{site.url}/pictures/".encode())
        return replace(reply, body=body)

    site.answer = answer  # type: ignore[method-assign]


def is_picture(asked: Asked) -> bool:
    return asked.path.startswith("/pictures/") or asked.path.endswith(PICTURES)


def params_of(section: dict[str, Any]) -> Any:
    """The section as settings."""
    return TypeAdapter(ScrapeParams).validate_json(json.dumps(section))


def conduct(*sites: StandIn, **settings: object) -> dict[str, Any]:
    return {
        "contact": "curator@museum.example",
        "allow_loopback_ports": [site.port for site in sites],
        "files_per_s": None,
        "num_tries": 2,
        **settings,
    }


@contextmanager
def commons_exhibit(_: Path) -> Iterator[Exhibit]:
    things = [
        commons.Thing(number, f"File:Quilt {number}.jpg", {"Quilts": "2025-06-01T00:00:00Z"})
        for number in range(1, 5)
    ]
    things[3].meta = {**commons.BY_SA, "LicenseShortName": "Fair use", "LicenseUrl": ""}
    things[3].meta["License"] = "fair use"
    things[0].meta = {**commons.BY_SA, "Artist": "<a href='/u'>Ada</a>", "ObjectName": "Star"}
    for thing in things:
        path = f"/pictures/wikipedia/commons/a/ab/Quilt_{thing.pageid}.jpg"
        content = picture(crc32(f"{path}?[]".encode()) % 65_536)
        thing.size, thing.content = len(content), content
    with running(commons.CommonsStandIn(things)) as site:
        serve_pictures(site, "upload.wikimedia.org")
        yield Exhibit(
            site,
            {
                "kind": "commons",
                "categories": ["Quilts"],
                "base_url": f"{site.url}/w",
                "requests_per_s": 1000.0,
                "conduct": conduct(site),
            },
            num_kept=3,
            reasons={"licence": 1},
            id="1",
            row={
                "url": f"{site.url}/pictures/wikipedia/commons/a/ab/Quilt_1.jpg",
                "landing_page": "https://commons.wikimedia.org/wiki/File:Quilt_1.jpg",
                "author": "Ada",
                "licence": "CC BY-SA 4.0",
                "licence_url": "https://creativecommons.org/licenses/by-sa/4.0/",
                "title": "Star",
            },
            num_requests=2,
        )


@contextmanager
def endless_forams_exhibit(_: Path) -> Iterator[Exhibit]:
    with running(EndlessForamsStandIn()) as site:
        yield Exhibit(
            site,
            {
                "kind": "endless_forams",
                "num_taxa": 2,
                "licence": "CC BY 4.0",
                "base_url": site.url,
                "conduct": conduct(site),
            },
            num_kept=8,
            id="Globorotalia menardii/capsule/Globorotalia_menardii_00001.png",
            row={
                "label": "Globorotalia menardii",
                "author": "Endless Forams (Hsiang et al. 2019)",
                "licence": "CC BY 4.0",
                "landing_page": site.url,
                "group": None,
            },
            num_requests=1,
        )


@contextmanager
def flickr_exhibit(_: Path) -> Iterator[Exhibit]:
    photos = [flickr.Photo(number, license=4 if number else 0) for number in range(4)]
    with running(flickr.FlickrStandIn(photos)) as site:
        serve_pictures(site)
        yield Exhibit(
            site,
            {
                "kind": "flickr",
                "group": flickr.SPIDERS,
                "base_url": f"{site.url}/services",
                "requests_per_hour": 4e6,
                "conduct": conduct(site),
            },
            num_kept=3,
            reasons={"licence": 1},
            id="2",
            row={
                "url": f"{site.url}/65535/2_o.jpg",
                "landing_page": "https://www.flickr.com/photos/12037949754@N01/2/",
                "author": "Bees / ?",
                "licence": "CC BY 2.0",
                "title": "Argiope",
                "tags": ["spider", "macro"],
                "group": "12037949754@N01 2020-05-16",
                "taken_at": "2020-05-16T05:48:19",
            },
            num_requests=1,
            secrets={"FLICKR_API_KEY": flickr.KEY},
        )


@contextmanager
def gbif_exhibit(_: Path) -> Iterator[Exhibit]:
    with running(GbifStandIn()) as site:
        serve_pictures(site)
        for key in range(1, 4):
            site.record(key, BY_4)
        site.record(4, BY_NC)
        yield Exhibit(
            site,
            {
                "kind": "gbif",
                "taxon_key": "F6",
                "base_url": site.url,
                "requests_per_minute": 60_000.0,
                "conduct": conduct(site),
            },
            num_kept=3,
            reasons={"licence": 1},
            id=f"2/{sha256(f'{site.url}/media/2/0.jpg'.encode()).hexdigest()[:12]}",
            row={
                "url": f"{site.url}/media/2/0.jpg",
                "landing_page": "https://museum.example/pictures/2-0",
                "author": "Ada Lovelace",
                "licence": "CC BY 4.0",
                "licence_url": BY_4,
                "label": "Globigerina bulloides",
                "group": "2",
            },
            num_requests=1,
        )


@contextmanager
def inaturalist_exhibit(_: Path) -> Iterator[Exhibit]:
    with running(INaturalistStandIn()) as site:
        site.observe(1, "cc-by", "cc0")
        site.observe(2, "cc-by", "cc-by-nc")
        yield Exhibit(
            site,
            {
                "kind": "inaturalist",
                "taxon_id": 47118,
                "base_url": f"{site.url}/v1",
                "requests_per_minute": 60_000.0,
                "conduct": conduct(site),
            },
            num_kept=3,
            reasons={"licence": 1},
            id="1/11",
            row={
                "url": f"{site.url}/photos/11/original.jpg",
                "landing_page": "https://www.inaturalist.org/observations/1",
                "author": "Ada Lovelace",
                "licence": "CC0 1.0",
                "licence_url": CC0,
                "tags": ["web", "garden"],
                "label": "Araneus diadematus",
                "group": "1",
            },
            num_requests=1,
        )


@contextmanager
def instagram_exhibit(_: Path) -> Iterator[Exhibit]:
    children = [instagram.child(4), instagram.child(5, "VIDEO")]
    posts = [instagram.media(1), instagram.media(2), instagram.media(3, children=children)]
    with running(instagram.InstagramStandIn({"corgi": posts})) as site:
        serve_pictures(site)
        yield Exhibit(
            site,
            {
                "kind": "instagram",
                "hashtags": ["corgi"],
                "user_id": instagram.USER,
                "accept_unlicensed": True,
                "base_url": f"{site.url}/v24.0",
                "requests_per_minute": 60_000.0,
                "conduct": conduct(site),
            },
            num_kept=3,
            reasons={"video": 1},
            id="4",
            row={
                "url": "https://www.instagram.com/p/C3/",
                "landing_page": "https://www.instagram.com/p/C3/",
                "author": None,
                "licence": None,
                "title": "Good boy 3 #Corgi #corgi.gram",
                "tags": ["corgi", "corgi.gram"],
                "group": "3",
                "taken_at": "2026-11-20T10:11:12Z",
            },
            num_requests=2,
            secrets={"INSTAGRAM_ACCESS_TOKEN": instagram.TOKEN},
        )


@contextmanager
def instaloader_folder_exhibit(subjects: Path) -> Iterator[Exhibit]:
    folder = subjects / "download" / "corgi.bob"
    save_post(folder, STEM, album("CaBc", False, False), num_pictures=2)
    for number in (1, 2):
        save(folder, f"{STEM}_{number}.jpg", picture(number))
    save(folder, "2026-10-09_00-00-00_UTC.jpg", b"no picture")
    with running(Pages()) as site:
        yield Exhibit(
            site,
            {"kind": "instaloader_folder", "path": "download", "label_from_profile": True},
            num_kept=2,
            reasons={"not_an_image": 1},
            id=f"corgi.bob/{STEM}_2.jpg",
            row={
                "source": None,
                "url": None,
                "landing_page": "https://www.instagram.com/p/CaBc/",
                "author": "corgi.bob",
                "licence": None,
                "tags": ["corgi", "dog"],
                "label": "corgi.bob",
                "taken_at": "2026-10-08T17:10:31Z",
            },
            num_requests=0,
        )


@contextmanager
def internet_archive_exhibit(_: Path) -> Iterator[Exhibit]:
    with running(InternetArchiveStandIn()) as site:
        site.publish("book")
        site.file("book", "book.pdf", pdf(*map(inked, (0.1, 0.0, 0.3))))
        site.publish("print")
        site.file("print", "print.png", picture(7), format="PNG")
        site.publish("lent", **{"access-restricted-item": "true"})
        site.file("lent", "lent.pdf", pdf(inked(0.1)))
        yield Exhibit(
            site,
            {
                "kind": "internet_archive",
                "collection": "MBLWHOI",
                "dpi": 36,
                "base_url": site.url,
                "requests_per_minute": 1e6,
                "conduct": conduct(site),
            },
            num_kept=3,
            reasons={"blank_page": 1, "restricted": 1},
            id="book#p0003",
            row={
                "url": f"{site.url}/download/book/book.pdf?cnt=0",
                "landing_page": f"{site.url}/details/book",
                "author": "A. Uthor",
                "licence": "CC0 1.0",
                "title": "The book book",
                "group": "book",
                "taken_at": "1901",
            },
            num_requests=1,
        )


@contextmanager
def met_exhibit(_: Path) -> Iterator[Exhibit]:
    with running(met.MetStandIn([met.art(number) for number in range(1, 4)])) as site:
        site.objects[3]["isPublicDomain"] = False
        serve_pictures(site, "images.metmuseum.org")
        yield Exhibit(
            site,
            {
                "kind": "met",
                "query": "quilt",
                "base_url": f"{site.url}{met.ROOT}",
                "requests_per_s": 1000.0,
                "conduct": conduct(site),
            },
            num_kept=2,
            reasons={"licence": 1},
            id="2",
            row={
                "url": f"{site.url}/pictures/CRDImages/ad/original/DP2.jpg",
                "landing_page": "https://www.metmuseum.org/art/collection/search/2",
                "author": "Ada Lovelace",
                "licence": "CC0 1.0",
                "licence_url": CC0,
                "title": "Star quilt 2",
                "tags": ["Stars"],
                "group": "2",
            },
            num_requests=1,
        )


@contextmanager
def openverse_exhibit(_: Path) -> Iterator[Exhibit]:
    photos = [openverse.photo(number) for number in range(1, 4)]
    photos.append(openverse.photo(4, filetype="svg"))
    with running(openverse.OpenverseStandIn(photos)) as site:
        serve_pictures(site, "live.staticflickr.com")
        yield Exhibit(
            site,
            {
                "kind": "openverse",
                "query": "corgi",
                "base_url": f"{site.url}/v1",
                "requests_per_minute": 60_000.0,
                "conduct": conduct(site),
            },
            num_kept=3,
            reasons={"not_a_picture": 1},
            id="0aff3595-8168-440b-83ff-000000000002",
            row={
                "url": f"{site.url}/pictures/65535/2_b.jpg",
                "landing_page": "https://www.flickr.com/photos/ada/2",
                "author": "Ada",
                "licence": "CC BY 2.0",
                "title": "corgi 2",
                "tags": ["corgi"],
            },
            num_requests=2,
            secrets={
                "OPENVERSE_CLIENT_ID": openverse.CLIENT_ID,
                "OPENVERSE_CLIENT_SECRET": openverse.CLIENT_SECRET,
            },
            told=("planted-token-",),
        )


@contextmanager
def reddit_exhibit(_: Path) -> Iterator[Exhibit]:
    posts = [
        reddit.post(0, is_video=True),
        reddit.post(1, link_flair_text="Orb weaver"),
        reddit.gallery(2, "a00031", "a00032"),
    ]
    with running(reddit.RedditStandIn(posts)) as site:
        serve_pictures(site)
        yield Exhibit(
            site,
            {
                "kind": "reddit",
                "subreddit": "spiders",
                "accept_unlicensed": True,
                "requests_per_minute": 60_000.0,
                "base_url": site.url,
                "oauth_url": site.url,
                "image_url": f"{site.url}/i",
                "conduct": conduct(site),
            },
            num_kept=3,
            reasons={"video": 1},
            id="a00001",
            row={
                "url": f"{site.url}/i/a00001.jpg",
                "landing_page": f"{site.url}/r/spiders/comments/a00001/a_spider/",
                "author": "keeper1",
                "licence": None,
                "title": "A spider & its web 1",
                "tags": ["Orb weaver"],
                "group": "a00001",
            },
            num_requests=2,
            secrets={
                "REDDIT_CLIENT_ID": reddit.CLIENT_ID,
                "REDDIT_CLIENT_SECRET": reddit.SECRET,
            },
            told=("eyJhbGciOi.",),
        )


@contextmanager
def smithsonian_exhibit(_: Path) -> Iterator[Exhibit]:
    shut = smithsonian.picture("NMAH-2-1", usage={"access": "Not determined"})
    rows = [smithsonian.row(1), smithsonian.row(2, shut)]
    with running(smithsonian.SmithsonianStandIn(rows)) as site:
        serve_pictures(site, "ids.si.edu")
        yield Exhibit(
            site,
            {
                "kind": "smithsonian",
                "query": "quilt",
                "label": "object_type",
                "base_url": f"{site.url}{smithsonian.ROOT}",
                "requests_per_hour": 2e6,
                "conduct": conduct(site),
            },
            num_kept=2,
            reasons={"licence": 1},
            id="nmah_1/NMAH-1-2",
            row={
                "url": f"{site.url}/pictures/ids/download?id=NMAH-1-2.jpg",
                "landing_page": "https://americanhistory.si.edu/collections/nmah_1",
                "author": "Ada Lovelace",
                "licence": "CC0 1.0",
                "licence_url": CC0,
                "title": "Star quilt 1",
                "tags": ["Textiles", "Stars"],
                "label": "Quilts",
                "group": "nmah_1",
            },
            num_requests=1,
            secrets={"SMITHSONIAN_API_KEY": smithsonian.KEY},
        )


@contextmanager
def urls_exhibit(subjects: Path) -> Iterator[Exhibit]:
    with running(Pages()) as site:
        serve_pictures(site)
        lines = [
            "url,landing_page,author,licence,label,group",
            f"{site.url}/a/1.jpg,https://museum.example/1,Ada,CC-BY-4.0,spoon,7",
            f"{site.url}/a/2.jpg,,Bob,CC0-1.0,fork,",
            f"{site.url}/private/3.jpg,,,,,",
            f"{site.url}/a/none.jpg,,,,,",
            "http://169.254.169.254/latest.jpg,,,,,",
        ]
        (subjects / "list.csv").write_text("\n".join(lines))
        yield Exhibit(
            site,
            {"kind": "urls", "path": "list.csv", "conduct": conduct(site)},
            num_kept=2,
            reasons={"robots": 1, "http_404": 1, "private_address": 1},
            id=f"{site.url}/a/1.jpg",
            row={
                "url": f"{site.url}/a/1.jpg",
                "landing_page": "https://museum.example/1",
                "author": "Ada",
                "licence": "CC-BY-4.0",
                "label": "spoon",
                "group": "7",
            },
            # A failure is asked for again once at once: the robots.txt of its host, and itself.
            num_requests=2,
        )


@contextmanager
def combine_exhibit(subjects: Path) -> Iterator[Exhibit]:
    (subjects / "drawer").mkdir()
    for number in range(2):
        (subjects / "drawer" / f"{number}.png").write_bytes(picture(900 + number))
    with met_exhibit(subjects) as quilts, flickr_exhibit(subjects) as spiders:
        sections = [{**quilts.section}, {**spiders.section}]
        for section in sections:
            del section["conduct"]
        yield Exhibit(
            spiders.site,
            {
                "kind": "combine",
                "sources": [*sections, {"kind": "folder", "path": "drawer"}],
                "conduct": conduct(quilts.site, spiders.site),
            },
            num_kept=7,
            reasons={"licence": 2},
            id="flickr/2",
            row={**spiders.row, "source": "flickr"},
            num_requests=1,
            secrets=spiders.secrets,
        )


EXHIBITS: dict[str, Callable[[Path], Any]] = {
    name.removesuffix("_exhibit"): make
    for name, make in list(globals().items())
    if name.endswith("_exhibit")
}
