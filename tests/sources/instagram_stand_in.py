"""Instagram's Graph API on this machine: hashtags, and what was posted under them.

Written from its documentation: a page has a cursor and, unless it is the last one, the address of
the next page with the token in it; errors are objects with a code, inside a 200 if it is asked so.
"""

import json
from typing import Any

from scraping import picture
from stand_in import Asked, Reply, StandIn

TOKEN = "EAADd9ZCGr0pBO2x7ZAtokenTOKENtoken"
USER = "17841405309211844"


def media(number: int, **changes: Any) -> dict[str, Any]:
    """An album if it has `children`, else one picture."""
    shared = {
        "id": str(number),
        "media_type": "IMAGE",
        "media_url": f"MEDIA/{number}.jpg?oh=1&oe=2",
        "permalink": f"https://www.instagram.com/p/C{number}/",
        "caption": f"Good boy {number} #Corgi #corgi.gram",
        "timestamp": "2026-11-20T10:11:12+0000",
    }
    if "children" in changes:
        shared["media_type"] = "CAROUSEL_ALBUM"
        del shared["media_url"]
    return shared | changes


def child(number: int, media_type: str = "IMAGE") -> dict[str, Any]:
    return {k: v for k, v in media(number, media_type=media_type).items() if k in CHILD_FIELDS}


CHILD_FIELDS = ("id", "media_type", "media_url")


class InstagramStandIn(StandIn):
    """`tags` holds the posts of each hashtag; cursors are the same on every page of one."""

    def __init__(self, tags: dict[str, list[dict[str, Any]]]) -> None:
        super().__init__()
        self.tags = tags
        self.turn: dict[str, int] = {}
        self.same_cursors = False

    def answer(self, asked: Asked) -> Reply:
        query, names = asked.query, list(self.tags)
        if asked.path.startswith("/media/"):
            return Reply(200, picture(int(asked.path[7:-4])))
        if asked.headers.get("Authorization") != f"Bearer {TOKEN}" or "access_token" in query:
            return self.failed(190, asked.query)
        if query.get("user_id") != USER:
            return self.failed(10, query)
        path = asked.path.removeprefix("/v24.0/")
        if path == "ig_hashtag_search":
            if query["q"] not in names:
                return self.failed(24, query)
            return sent({"data": [{"id": str(178_000 + names.index(query["q"]))}]})
        id_, _, edge = path.partition("/")
        assert edge in ("recent_media", "top_media")
        return self._media(id_, self.tags[names[int(id_) - 178_000]], query)

    def _media(self, id_: str, posts: list[dict[str, Any]], query: dict[str, str]) -> Reply:
        limit = min(int(query["limit"]), 50)
        begin = 0
        if "after" in query:
            # With cursors that are all the same the server knows where it was.
            begin = (
                self.turn[id_] if self.same_cursors else int(query["after"].removeprefix("QVFI"))
            )
        self.turn[id_] = end = begin + limit
        body: dict[str, Any] = {"data": [self._told(one, query) for one in posts[begin:end]]}
        if posts:
            cursor = "QVFI" if self.same_cursors else f"QVFI{end}"
            body["paging"] = {"cursors": {"after": cursor}}
            if end < len(posts):
                body["paging"]["next"] = f"{self.url}/{id_}?access_token={TOKEN}&after={cursor}"
        return sent(body)

    def _told(self, one: dict[str, Any], query: dict[str, str]) -> dict[str, Any]:
        plain, _, nested = query["fields"].partition(",children{")
        fields = plain.split(",")
        told = {name: value for name, value in one.items() if name in fields}
        if "children" in one:
            assert set(nested.removesuffix("}").split(",")) <= set(CHILD_FIELDS)
            told["children"] = {"data": one["children"]}
        told = json.loads(json.dumps(told).replace("MEDIA", f"{self.url}/media"))
        assert isinstance(told, dict)
        return told

    def failed(self, code: int, query: dict[str, str], **more: object) -> Reply:
        error = {
            "message": f"Error validating access token: {TOKEN}",
            "type": "OAuthException",
            "code": code,
            "fbtrace_id": "EJplcsCHuLu",
            **more,
        }
        return sent({"error": error}, 200 if query.get("suppress_http_code") == "1" else 400)

    def spoil(self, fault: str, reply: Reply) -> Reply:
        if fault == "no_json":
            return Reply(200, b"{", {"Content-Type": "application/json"})
        if fault == "other_shape":
            return sent({"paging": {}})
        if fault == "transient":
            return self.failed(9999, {"suppress_http_code": "1"}, is_transient=True)
        if fault == "400":
            return self.failed(100, {})
        if fault == "empty":
            return sent({**json.loads(reply.body), "data": []})
        if fault == "repeats":
            return sent({**json.loads(reply.body), "data": [media(1), media(2)]})
        return self.failed(int(fault), {"suppress_http_code": "1"})


def sent(body: dict[str, Any], status: int = 200) -> Reply:
    return Reply(status, json.dumps(body).encode(), {"Content-Type": "application/json"})
