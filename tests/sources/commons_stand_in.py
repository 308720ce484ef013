"""A MediaWiki on this machine with some categories and files, as its action API answers.

Written from its documentation: formatversion 2, `generator=categorymembers` (by time, where types
are not filtered but namespaces are, and after the limit, as `$wgMiserMode` does it) and
`generator=search`, `prop=imageinfo` cut into parts, `continue`, and errors inside a 200.
"""

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

from stand_in import Asked, Reply, StandIn

NOW = "2025-11-20T12:00:00Z"
BY_SA = {
    "LicenseShortName": "CC BY-SA 4.0",
    "License": "cc-by-sa-4.0",
    "LicenseUrl": "https://creativecommons.org/licenses/by-sa/4.0",
}


@dataclass
class Thing:
    """A page of the wiki; a file or a category."""

    pageid: int
    title: str
    categories: dict[str, str]  # its name → since when
    uploaded: str = "2026-01-01T00:00:00Z"
    mime: str = "image/jpeg"
    size: Any = 12345
    width: int = 4000
    meta: Any = field(default_factory=lambda: dict(BY_SA))
    hidden: bool = False
    content: bytes | None = None  # what its URL gives, for its digest

    @property
    def ns(self) -> int:
        return {"File": 6, "Category": 14}.get(self.title.split(":")[0], 0)


class CommonsStandIn(StandIn):
    """`things` is the whole wiki; `max_infos` files are told of in one reply."""

    def __init__(self, things: list[Thing]) -> None:
        super().__init__()
        self.things = things
        self.max_infos = 1000
        self.touched: dict[str, str] = {}  # the categories that something has left, and when

    def answer(self, asked: Asked) -> Reply:
        query = asked.query
        if asked.path != "/w/api.php" or query.get("action") != "query":
            return Reply(404)
        assert query["format"] == "json"
        assert query["formatversion"] == "2"
        assert int(query["maxlag"]) > 0
        if "titles" in query:
            return _json(self._told_of(query))
        if query["generator"] == "categorymembers":
            return _json(self._category(query))
        return _json(self._search(query))

    def spoil(self, fault: str, reply: Reply) -> Reply:
        errors = {
            "maxlag": {"code": "maxlag", "info": "Waiting for 10.0.0.1: 0.01 s", "lag": 0.01},
            "ratelimited": {"code": "ratelimited", "info": "You've exceeded your rate limit."},
            "invalidcategory": {"code": "invalidcategory", "info": "The name is not valid."},
            "badcontinue": {"code": "badcontinue", "info": "Invalid continue param."},
        }
        if fault in errors:
            return _json({"error": errors[fault], "curtimestamp": NOW})
        if fault == "no_json":
            return Reply(200, b"{", {"Content-Type": "application/json"})
        if fault == "other_shape":
            return _json({"batchcomplete": True, "query": []})
        if fault == "cursor_repeats":
            body = json.loads(reply.body)
            body["continue"] = {"gcmcontinue": "20200101000000|1", "continue": "gcmcontinue||"}
            return _json(body)
        raise ValueError(fault)

    def _category(self, query: dict[str, str]) -> dict[str, Any]:
        assert query["gcmtitle"].startswith("Category:")
        assert query["gcmsort"] == "timestamp"
        assert query["gcmdir"] == "newer"
        assert "gcmtype" not in query, "has no effect with this order"
        name = query["gcmtitle"].removeprefix("Category:")
        joined = sorted(
            (_compact(one.categories[name]), one.pageid, one)
            for one in self.things
            if name in one.categories
        )
        first = (_compact(query.get("gcmstart", "0")), 0)
        if "gcmcontinue" in query:
            time, pageid = query["gcmcontinue"].split("|")
            first = (time, int(pageid))
        joined = [row for row in joined if row[:2] >= first]
        limit = int(query["gcmlimit"])
        spaces = {int(ns) for ns in query["gcmnamespace"].split("|")}
        taken = [one for _, _, one in joined[:limit] if one.ns in spaces]
        rest = joined[limit:]
        after = {"gcmcontinue": f"{rest[0][0]}|{rest[0][1]}"} if rest else {}
        return self._told(taken, query, after, "gcmcontinue||")

    def _told_of(self, query: dict[str, str]) -> dict[str, Any]:
        """The size of some categories; when their pages were touched, if they have one."""
        assert set(query["prop"].split("|")) == {"info", "categoryinfo"}
        titles = query["titles"].split("|")
        assert len(titles) <= 50
        assert len(set(titles)) == len(titles)
        pages: list[dict[str, Any]] = []
        for title in titles:
            members = self._members(title)
            of_it = {"ns": 14, "title": title, "categoryinfo": {"size": len(members)}}
            page = next((one.pageid for one in self.things if one.title == title), None)
            name = title.removeprefix("Category:")
            times = [one.categories[name] for one in members]
            touched = max([*times, self.touched.get(name, "2005-01-01T00:00:00Z")])
            pages.append(
                {**of_it, "missing": True}
                if page is None
                else {**of_it, "pageid": page, "touched": touched, "lastrevid": 1}
            )
        return {"batchcomplete": True, "curtimestamp": NOW, "query": {"pages": pages}}

    def _members(self, title: str) -> list[Thing]:
        name = title.removeprefix("Category:")
        return [one for one in self.things if name in one.categories]

    def _search(self, query: dict[str, str]) -> dict[str, Any]:
        assert query["generator"] == "search"
        assert query["gsrnamespace"] == "6"
        assert query["gsrsort"] == "create_timestamp_desc"
        words = query["gsrsearch"].lower().split()
        found = [
            one
            for one in sorted(self.things, key=lambda one: one.uploaded, reverse=True)
            if one.ns == 6 and all(word in one.title.lower() for word in words)
        ]
        offset, limit = int(query.get("gsroffset", 0)), int(query["gsrlimit"])
        more = {"gsroffset": offset + limit} if offset + limit < len(found) else {}
        return self._told(found[offset : offset + limit], query, more, "gsroffset||")

    def _told(
        self, members: list[Thing], query: dict[str, str], after: dict[str, Any], then: str
    ) -> dict[str, Any]:
        """The members with the infos of some; the others' come with `iicontinue`."""
        assert query["prop"] in ("imageinfo", "imageinfo|categoryinfo")
        members = sorted(members, key=lambda one: one.pageid)
        files = [one for one in members if one.ns == 6]
        begin = next((i for i, one in enumerate(files) if one.title == query.get("iicontinue")), 0)
        told = files[begin : begin + self.max_infos]
        body: dict[str, Any] = {"curtimestamp": NOW}
        if members:
            body["query"] = {"pages": [self._page(one, query, told) for one in members]}
        if begin + self.max_infos < len(files):
            here = {k: v for k, v in query.items() if k in ("gcmcontinue", "gsroffset")}
            next_title = files[begin + self.max_infos].title
            body["continue"] = {**here, "iicontinue": next_title, "continue": "||"}
        else:
            body["batchcomplete"] = True
            if after:
                body["continue"] = {**after, "continue": then}
        return body

    def _page(self, one: Thing, query: dict[str, str], told: list[Thing]) -> dict[str, Any]:
        page: dict[str, Any] = {"pageid": one.pageid, "ns": one.ns, "title": one.title}
        if one.ns == 14 and "categoryinfo" in query["prop"].split("|"):
            page["categoryinfo"] = {"size": len(self._members(one.title)), "files": 0}
        if one not in told:
            return page
        if one.hidden:
            return {**page, "imageinfo": [{"filehidden": True, "timestamp": one.uploaded}]}
        name = one.title.removeprefix("File:").replace(" ", "_")
        url = f"https://upload.wikimedia.org/wikipedia/commons/a/ab/{name}"
        info: dict[str, Any] = {
            "timestamp": one.uploaded,
            "user": "Uploader",
            "size": one.size,
            "width": one.width,
            "height": 3000,
            "url": url,
            "descriptionurl": f"https://commons.wikimedia.org/wiki/File:{name}",
            "sha1": hashlib.sha1(one.content).hexdigest() if one.content else f"{one.pageid:040x}",
            "mime": one.mime,
            "extmetadata": {
                k: {"value": v, "source": "commons-desc-page"}
                for k, v in one.meta.items()
                if k in query["iiextmetadatafilter"].split("|")
            }
            if isinstance(one.meta, dict)
            else one.meta,
        }
        if "iiurlwidth" in query:
            width = int(query["iiurlwidth"])
            thumb = f"https://thumb.wikimedia.org/wikipedia/commons/a/ab/{name}/{width}px-{name}"
            info |= {"thumburl": thumb if width < one.width else url, "thumbwidth": width}
        return {**page, "imagerepository": "local", "imageinfo": [info]}


def _compact(timestamp: str) -> str:
    return "".join(character for character in timestamp if character.isdigit())


def _json(body: dict[str, Any]) -> Reply:
    return Reply(200, json.dumps(body).encode(), {"Content-Type": "application/json"})
