"""A Reddit on this machine: tokens for an app, and the newest posts of a subreddit.

Written from its documentation: a token comes for the app's id and secret, holds a while, and goes
into each question; a listing is cut by names of posts (`t3_…`) and shows the newest 1000 only.
"""

import base64
import json
from typing import Any
from urllib.parse import parse_qsl

from scraping import picture
from stand_in import Asked, Reply, StandIn

CLIENT_ID, SECRET = "p-jcoLKBynTLew", "gko_LXELoV07ZBNUXrvWZfzE3aI"
NOW = 1_700_000_000


def post(number: int, **changes: Any) -> dict[str, Any]:
    """A post with one picture; the higher its number, the newer it is."""
    name = f"a{number:05}"
    return {
        "id": name,
        "name": f"t3_{name}",
        "author": f"keeper{number % 7}",
        "created_utc": float(NOW + 60 * number),
        "permalink": f"/r/spiders/comments/{name}/a_spider/",
        "title": f"A spider & its web {number}",
        "score": 10,
        "link_flair_text": None,
        "over_18": False,
        "is_video": False,
        "stickied": False,
        "removed_by_category": None,
        "post_hint": "image",
        "url": f"IMAGES/{name}.jpg",
        "preview": preview(f"{name}.jpg"),
    } | changes


def preview(name: str, **changes: Any) -> dict[str, Any]:
    source = {"url": f"PREVIEWS/{name}?auto=webp&s=abc", "width": 4000, "height": 3000}
    return {"images": [{"source": source, "resolutions": []}], "enabled": True} | changes


def gallery(number: int, *ids: str, **changes: Any) -> dict[str, Any]:
    """A post with several pictures, in this order."""
    media = {id_: valid(id_) for id_ in ids}
    changes = {"media_metadata": dict(sorted(media.items())), **changes}
    name = f"a{number:05}"
    return post(
        number,
        **{
            "is_gallery": True,
            "post_hint": None,
            "preview": None,
            "url": f"https://www.reddit.com/gallery/{name}",
            "gallery_data": {"items": [{"media_id": id_, "id": i} for i, id_ in enumerate(ids)]},
            **changes,
        },
    )


def valid(id_: str) -> dict[str, Any]:
    url = f"PREVIEWS/{id_}.png?width=4032&format=png&auto=webp&s=def"
    return {"status": "valid", "e": "Image", "m": "image/png", "id": id_, "s": {"u": url, "x": 4}}


class RedditStandIn(StandIn):
    """Posts of r/spiders; a token holds for `token_holds` questions."""

    def __init__(self, posts: list[dict[str, Any]]) -> None:
        super().__init__()
        self.posts = posts
        self.token_holds = 1000
        self.tokens: dict[str, int] = {}

    def answer(self, asked: Asked) -> Reply:
        if asked.path == "/api/v1/access_token":
            return self._token(asked)
        if asked.path.startswith("/i/a"):
            return Reply(200, picture(int(asked.path[4:9])))
        if asked.path != "/r/spiders/new":
            return sent({"message": "Not Found", "error": 404}, 404)
        token = asked.headers.get("Authorization", "").removeprefix("bearer ")
        if self.tokens.get(token, 0) <= 0:
            return sent({"message": "Unauthorized", "error": 401}, 401)
        self.tokens[token] -= 1
        return self._listing(asked.query)

    def spoil(self, fault: str, reply: Reply) -> Reply:
        if fault == "no_json":
            return Reply(200, b"{", {"Content-Type": "application/json"})
        if fault == "other_shape":
            return sent({"kind": "Listing", "data": []})
        if fault == "private":
            return sent({"reason": "private", "message": "Forbidden", "error": 403}, 403)
        if fault == "error_in_200":
            return sent({"error": "unsupported_grant_type"})
        if fault == "cursor_repeats":
            body = json.loads(reply.body)
            body["data"]["after"] = body["data"]["after"] and "t3_a00900"
            return sent(body)
        raise ValueError(fault)

    def _token(self, asked: Asked) -> Reply:
        basic = base64.b64encode(f"{CLIENT_ID}:{SECRET}".encode()).decode()
        if asked.method != "POST" or asked.headers.get("Authorization") != f"Basic {basic}":
            return sent({"message": "Unauthorized", "error": 401}, 401)
        assert dict(parse_qsl(asked.body.decode())) == {"grant_type": "client_credentials"}
        token = f"eyJhbGciOi.{len(self.tokens)}"
        self.tokens[token] = self.token_holds
        return sent({"access_token": token, "token_type": "bearer", "expires_in": 86400})

    def _listing(self, query: dict[str, str]) -> Reply:
        assert query["raw_json"] == "1"
        newest = sorted(self.posts, key=lambda one: -one["created_utc"])[:1000]
        names = [one["name"] for one in newest]
        begin = 0
        if "after" in query:
            # A post that is gone leaves a cursor that leads nowhere.
            begin = names.index(query["after"]) + 1 if query["after"] in names else len(names)
        limit = int(query["limit"])
        shown = newest[begin : begin + limit]
        has_more = begin + limit < len(newest)
        data = {
            "after": shown[-1]["name"] if has_more else None,
            "children": [{"kind": "t3", "data": one} for one in shown],
        }
        text = json.dumps({"kind": "Listing", "data": data})
        text = text.replace("IMAGES", f"{self.url}/i").replace("PREVIEWS", f"{self.url}/preview")
        return Reply(200, text.encode(), {"x-ratelimit-remaining": "99.0"})


def sent(body: dict[str, Any], status: int = 200) -> Reply:
    return Reply(status, json.dumps(body).encode(), {"Content-Type": "application/json"})
