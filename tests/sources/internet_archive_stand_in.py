"""A small Internet Archive on this machine: its search, its metadata, and its data node."""

import hashlib
import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

from stand_in import Asked, Reply, StandIn

LOGO = b"\x89PNG the logo that stands in place of a picture"


class InternetArchiveStandIn(StandIn):
    """Its items are added by `publish`, their files by `file`."""

    page_size = 1000

    def __init__(self) -> None:
        super().__init__()
        self.items: dict[str, dict[str, Any]] = {}
        self.contents: dict[str, bytes] = {}
        self.num_announced_more = 0
        self.in_order = True
        self.replies: dict[str, Any] = {}

    def publish(
        self, identifier: str, *files: str, at: str = "2020-01-01T00:00:00Z", **metadata: Any
    ) -> dict[str, Any]:
        """Add an item with uploaded files; metadata with dashes in their names come in a dict."""
        self.items[identifier] = {
            "created": 1,
            "d1": "ia600000.us.archive.org",
            "dir": f"/1/items/{identifier}",
            "files": [],
            "metadata": {
                "identifier": identifier,
                "mediatype": "texts",
                "collection": ["MBLWHOI", "biodiversity"],
                "title": f"The book {identifier}",
                "creator": "A. Uthor",
                "date": "1901",
                "subject": "Zoology; Marine biology",
                "licenseurl": "https://creativecommons.org/publicdomain/zero/1.0/",
                "publicdate": at.replace("T", " ").removesuffix("Z"),
                **metadata,
            },
            "server": "ia600000.us.archive.org",
            "uniq": 1,
        }
        self.items[identifier]["publicdate"] = at
        for name in files:
            self.file(identifier, name)
        for name in ("meta.xml", "files.xml"):
            self.file(identifier, f"{identifier}_{name}", format="Metadata")
        return self.items[identifier]

    def file(
        self,
        identifier: str,
        name: str,
        content: bytes | None = None,
        *,
        source: str = "original",
        **entry: Any,
    ) -> None:
        content = f"{identifier} {name}".encode() if content is None else content
        self.contents[f"{identifier}/{name}"] = content
        self.items[identifier]["files"].append(
            {
                "name": name,
                "source": source,
                "format": "Unknown",
                "mtime": "1577836800",
                "size": str(len(content)),
                "md5": hashlib.md5(content).hexdigest(),
                "crc32": "00000000",
                "sha1": hashlib.sha1(content).hexdigest(),
                **entry,
            }
        )

    def answer(self, asked: Asked) -> Reply:
        parts = unquote(asked.path).split("/", 3)
        if asked.path == "/services/search/v1/scrape":
            return self._search(asked.query)
        if parts[1] == "metadata":
            found = self.replies.get(parts[2], self.items.get(parts[2], {}))
            shown = {key: value for key, value in found.items() if key != "publicdate"}
            return as_json(shown)
        if parts[1] == "download":
            # As the real site does, to the machine that holds the item.
            assert asked.query == {"cnt": "0"}
            where = f"{self.url}{asked.path.replace('/download/', '/data-node/')}"
            return Reply(302, headers={"Location": where})
        if parts[1] == "data-node":
            content = self.contents.get(f"{parts[2]}/{parts[3]}")
            return Reply(404) if content is None else Reply(200, content, {"ETag": '"1"'})
        return Reply(404, b"<html>", {"Content-Type": "text/html"})

    def spoil(self, fault: str, reply: Reply) -> Reply:
        if fault == "error_in_200":
            return as_json({"error": "the backend is away", "errorType": "BackendError"})
        if fault == "no_items":
            return as_json({})
        assert fault == "logo"
        return Reply(200, LOGO)

    def _search(self, query: dict[str, str]) -> Reply:
        assert int(query["count"]) >= 100
        assert query["sorts"] == "publicdate asc"
        if "cursor" in query and not re.fullmatch("W3[0-9]+", query["cursor"]):
            return as_json({"error": "invalid cursor", "errorType": "RangeException"}, status=400)
        start = int(query.get("cursor", "W30").removeprefix("W3"))
        found = [item for item in self.items.values() if matches(item, query["q"])]
        if self.in_order:
            found.sort(key=lambda item: item["publicdate"])
        fields = query["fields"].split(",")
        page = [_fields(item, fields) for item in found[start : start + self.page_size]]
        reply = {
            "items": page,
            "count": len(page),
            "total": len(found) + self.num_announced_more,
        }
        if start + self.page_size < len(found):
            reply["cursor"] = f"W3{start + self.page_size}"
        return as_json(reply)


def _fields(item: dict[str, Any], fields: list[str]) -> dict[str, Any]:
    known = {**item["metadata"], "publicdate": item.get("publicdate")}
    return {field: known[field] for field in fields if known.get(field) is not None}


def as_json(value: Any, status: int = 200) -> Reply:
    return Reply(status, json.dumps(value).encode(), {"Content-Type": "application/json"})


def matches(item: dict[str, Any], q: str) -> bool:
    """Whether an item is what the terms of a query ask for."""
    metadata = item["metadata"]
    terms: dict[str, Callable[[re.Match[str]], bool]] = {
        r"collection:\((.+)\)": lambda m: m[1] in metadata["collection"],
        r"-mediatype:collection": lambda _: metadata["mediatype"] != "collection",
        r"publicdate:\[(.+Z) TO null\]": lambda m: item["publicdate"] >= m[1],
        r"date:\[(.+) TO (.+)\]": lambda m: m[1] <= f"{metadata['date']}-07-01" <= m[2],
        r"language:\((.+)\)": lambda m: f'"{metadata.get("language")}"' in m[1].split(" OR "),
        r"\(subject:(.+)\)": lambda m: m[1] in metadata["subject"],
    }

    def holds(term: str) -> bool:
        for pattern, test in terms.items():
            match = re.fullmatch(pattern, term)
            if match is not None:
                return test(match)
        raise AssertionError(f"unknown term {term!r}")

    return all(map(holds, q.split(" AND ")))
