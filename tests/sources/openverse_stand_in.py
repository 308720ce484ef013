"""Openverse on this machine, as its API code answers: anonymous users and clients with a token."""

import json
from typing import Any
from urllib.parse import parse_qs

from stand_in import Asked, Reply, StandIn

CLIENT_ID = "a-client"
CLIENT_SECRET = "planted-openverse-secret"
MAX_PAGES = 20
LICENCES = {"by", "by-sa", "by-nc", "by-nd", "by-nc-sa", "by-nc-nd", "cc0", "pdm"}


class OpenverseStandIn(StandIn):
    """`photos` are found in their order; a token is good for `token_lasts` requests."""

    def __init__(self, photos: list[dict[str, Any]]) -> None:
        super().__init__()
        self.photos = photos
        self.token_lasts = 10**6
        self.num_tokens = 0
        self.num_left = 0

    def answer(self, asked: Asked) -> Reply:
        if asked.path == "/v1/auth_tokens/token/":
            return self._token(asked)
        if asked.path == "/v1/images/":
            return self._images(asked)
        return _json({"detail": "Not found."}, status=404)

    def spoil(self, fault: str, reply: Reply) -> Reply:
        body = json.loads(reply.body)
        if fault == "empty_page":
            return _json({**body, "results": []})
        if fault == "other_shape":
            return _json({"results": body["results"]})
        raise ValueError(fault)

    def _token(self, asked: Asked) -> Reply:
        form = {name: values[0] for name, values in parse_qs(asked.body.decode()).items()}
        assert asked.method == "POST"
        assert form["grant_type"] == "client_credentials"
        if (form["client_id"], form["client_secret"]) != (CLIENT_ID, CLIENT_SECRET):
            return _json({"error": "invalid_client"}, status=401)
        self.num_tokens += 1
        self.num_left = self.token_lasts
        body = {"access_token": self._secret(), "expires_in": 43200, "token_type": "Bearer"}
        return _json({**body, "scope": "read write"})

    def _secret(self) -> str:
        return f"planted-token-{self.num_tokens}"

    def _images(self, asked: Asked) -> Reply:
        bearer = asked.headers.get("Authorization")
        if bearer is not None:
            if bearer != f"Bearer {self._secret()}" or self.num_left <= 0:
                return _json({"detail": "Token is expired."}, status=401)
            self.num_left -= 1
        query = asked.query
        size, number = int(query.get("page_size", 20)), int(query.get("page", 1))
        if size > (20 if bearer is None else 500):
            return _json({"detail": "Ensure this value is less than or equal."}, status=401)
        if number > MAX_PAGES or not set(query["license"].split(",")) <= LICENCES:
            return _json({"detail": "wrong"}, status=400)
        found = [photo for photo in self.photos if self._fits(photo, query)]
        page_count = min(-(-len(found) // size), MAX_PAGES)
        return _json(
            {
                "result_count": len(found),
                "page_count": page_count,
                "page_size": size,
                "page": number,
                "results": found[(number - 1) * size : number * size],
            }
        )

    def _fits(self, photo: dict[str, Any], query: dict[str, str]) -> bool:
        names = {"license": "license", "source": "source", "extension": "filetype"}
        return query["q"] in (photo["title"] or "") and all(
            photo[theirs] in query[ours].split(",")
            for ours, theirs in names.items()
            if ours in query
        )


def photo(number: int, **changes: Any) -> dict[str, Any]:
    """A photo as the service describes it."""
    return {
        "id": f"0aff3595-8168-440b-83ff-{number:012}",
        "indexed_on": "2022-05-18T03:00:00Z",
        "title": f"corgi {number}",
        "foreign_landing_url": f"https://www.flickr.com/photos/ada/{number}",
        "url": f"https://live.staticflickr.com/65535/{number}_b.jpg",
        "creator": "Ada",
        "creator_url": "https://www.flickr.com/photos/ada",
        "license": "by",
        "license_version": "2.0",
        "license_url": "https://creativecommons.org/licenses/by/2.0/",
        "provider": "flickr",
        "source": "flickr",
        "category": None,
        "filesize": None,
        "filetype": "jpg",
        "tags": [{"name": "corgi", "accuracy": None}, {"name": "grass", "accuracy": 0.93}],
        "attribution": f'"corgi {number}" by Ada is licensed under CC BY 2.0.',
        "fields_matched": ["title"],
        "mature": False,
        "height": 683,
        "width": 1024,
        "thumbnail": f"https://api.openverse.org/v1/images/{number}/thumb/",
        **changes,
    }


def _json(body: dict[str, Any], *, status: int = 200) -> Reply:
    return Reply(status, json.dumps(body).encode(), {"Content-Type": "application/json"})
