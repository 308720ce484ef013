"""A Flickr on this machine: groups, their pools, and a search, as its REST API answers.

Written from its documentation: replies are 200 whatever happened, `stat` tells; numbers come as
text or as numbers; what the key may not see is left out of a page but counted in the total; a
search shows no more than 4000 photos, 250 a page within a box, and wants a date with one.
"""

import json
from dataclasses import dataclass, field
from typing import Any

from scraping import picture
from stand_in import Asked, Reply, StandIn

KEY = "0123456789abcdef0123456789abcdef"
SPIDERS = "34427469792@N01"
OK = {"stat": "ok"}


@dataclass
class Photo:
    """A photo; `added` is when it joined the pools, `sizes` its sides by the letters of sizes."""

    id: int
    added: int = 1_600_000_000
    uploaded: int = 1_590_000_000
    license: int = 4
    owner: str = "12037949754@N01"
    ownername: str = "Bees / ?"
    title: str = "Argiope"
    tags: str = "spider macro"
    machine_tags: str = ""
    media: str = "photo"
    taken: str = "2020-05-16 05:48:19"
    granularity: int = 0
    unknown_date: bool = False
    place: tuple[float, float] = (0, 0)
    sizes: dict[str, int] = field(default_factory=lambda: {"o": 4000, "k": 2048, "l": 1024})
    listed_sizes: bool = True
    hidden: bool = False


class FlickrStandIn(StandIn):
    """Photos of one group's pool; all can be searched for."""

    def __init__(self, photos: list[Photo]) -> None:
        super().__init__()
        self.photos = photos
        self.newer_licences = [
            {"id": 11, "name": "CC BY 4.0", "url": "https://creativecommons.org/licenses/by/4.0/"},
            {"id": 12, "name": "Press only", "url": ""},
        ]
        self.counted_more = 0

    def methods(self) -> list[str]:
        return [asked.query["method"].removeprefix("flickr.") for asked in self.asked]

    def answer(self, asked: Asked) -> Reply:
        query = asked.query
        if asked.path.startswith("/65535/"):
            return Reply(200, picture(int(asked.path[7:].split("_")[0])))
        if asked.path != "/services/rest/":
            return Reply(404)
        assert query["format"] == "json"
        assert query["nojsoncallback"] == "1"
        if query.get("api_key") != KEY:
            return fail(100, f"Invalid API Key (Key has invalid format: {query.get('api_key')})")
        answers = {
            "flickr.urls.lookupGroup": self._group,
            "flickr.groups.pools.getPhotos": self._pool,
            "flickr.photos.search": self._search,
            "flickr.photos.licenses.getInfo": self._licences,
            "flickr.photos.getSizes": self._sizes,
        }
        if query["method"] not in answers:
            return fail(112, f'Method "{query["method"]}" not found')
        return answers[query["method"]](query)

    def spoil(self, fault: str, reply: Reply) -> Reply:
        if fault == "no_json":
            return Reply(200, b"jsonFlickrApi({})", {"Content-Type": "application/json"})
        if fault == "other_shape":
            return sent({"photos": [], **OK})
        return fail(int(fault), "a message of Flickr's")

    def _group(self, query: dict[str, str]) -> Reply:
        if query["url"] != "https://www.flickr.com/groups/spiders/":
            return fail(1, "Group not found")
        group = {"id": SPIDERS, "groupname": {"_content": "Spiders"}}
        return sent({"group": group, **OK})

    def _licences(self, _: dict[str, str]) -> Reply:
        old = [{"id": 0, "name": "All Rights Reserved", "url": ""}]
        return sent({"licenses": {"license": old + self.newer_licences}, **OK})

    def _pool(self, query: dict[str, str]) -> Reply:
        if query["group_id"] != SPIDERS:
            return fail(1, "Group not found")
        newest_first = sorted(self.photos, key=lambda one: (-one.added, one.id))
        return self._page(newest_first, query, per_page=min(int(query["per_page"]), 500))

    def _search(self, query: dict[str, str]) -> Reply:
        assert query["sort"] == "date-posted-asc"
        assert query["media"] == "photos"
        since = int(query["min_upload_date"])
        found = [one for one in self.photos if one.uploaded >= since and one.media == "photo"]
        if "license" in query:
            found = [one for one in found if str(one.license) in query["license"].split(",")]
        if "text" in query:
            found = [one for one in found if query["text"] in f"{one.title} {one.tags}"]
        if "tags" in query:
            quantor = {"any": any, "all": all}[query["tag_mode"]]
            wanted = query["tags"].split(",")
            found = [one for one in found if quantor(tag in one.tags.split() for tag in wanted)]
        per_page = min(int(query["per_page"]), 500)
        if "bbox" in query:
            west, south, east, north = map(float, query["bbox"].split(","))
            found = [
                one
                for one in found
                if south <= one.place[0] <= north and west <= one.place[1] <= east
            ]
            per_page = min(per_page, 250)
        oldest_first = sorted(found, key=lambda one: (one.uploaded, one.id))
        # Beyond the depth the same photos come again.
        page = min(int(query["page"]), 4000 // per_page)
        return self._page(oldest_first, {**query, "page": str(page)}, per_page=per_page)

    def _page(self, photos: list[Photo], query: dict[str, str], *, per_page: int) -> Reply:
        total = len(photos) + self.counted_more
        pages = -(-total // per_page)
        page = max(min(int(query["page"]), pages), 1)
        extras = set(query["extras"].split(","))
        shown = photos[(page - 1) * per_page : page * per_page]
        told = {
            "page": page,
            "pages": pages,
            "perpage": per_page,
            "total": str(total),
            "photo": [self._told(one, extras) for one in shown if not one.hidden],
        }
        return sent({"photos": told, **OK})

    def _told(self, one: Photo, extras: set[str]) -> dict[str, Any]:
        told: dict[str, Any] = {
            "id": str(one.id),
            "owner": one.owner,
            "secret": "a9f4a06091",
            "server": "65535",
            "farm": 66,
            "title": one.title,
            "ispublic": 1,
            "dateadded": str(one.added),
        }
        offered: dict[str, dict[str, Any]] = {
            "license": {"license": str(one.license)},
            "owner_name": {"ownername": one.ownername},
            "date_upload": {"dateupload": str(one.uploaded)},
            "date_taken": {
                "datetaken": one.taken,
                "datetakengranularity": one.granularity,
                "datetakenunknown": "1" if one.unknown_date else 0,
            },
            "tags": {"tags": one.tags},
            "machine_tags": {"machine_tags": one.machine_tags},
            "media": {"media": one.media, "media_status": "ready"},
            "geo": {"latitude": one.place[0], "longitude": one.place[1], "accuracy": 0},
        }
        for name in extras & offered.keys():
            told |= offered[name]
        for size, side in one.sizes.items():
            if one.listed_sizes and f"url_{size}" in extras:
                told |= {f"url_{size}": self.image(one, size), f"width_{size}": side}
        return told

    def image(self, one: Photo, size: str) -> str:
        return f"{self.url}/65535/{one.id}_{size}.jpg"

    def _sizes(self, query: dict[str, str]) -> Reply:
        [one] = [one for one in self.photos if str(one.id) == query["photo_id"]]
        if one.hidden:
            return fail(1, "Photo not found")
        rows: list[dict[str, Any]] = [
            {"label": "Square", "width": 75, "height": 75, "source": self.image(one, "sq")},
            {"label": "Large Square", "width": "150", "height": "150", "source": "x"},
        ]
        for size, side in one.sizes.items():
            source = self.image(one, size)
            row = {"label": size, "width": str(side), "height": side // 2, "source": source}
            rows.append(row | {"url": f"{self.url}/sizes/{size}/", "media": "photo"})
        return sent({"sizes": {"canblog": 0, "size": rows}, **OK})


def fail(code: int, message: str) -> Reply:
    return sent({"stat": "fail", "code": code, "message": message})


def sent(body: dict[str, Any]) -> Reply:
    return Reply(200, json.dumps(body).encode(), {"Content-Type": "application/json"})
