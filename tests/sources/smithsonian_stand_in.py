"""The Smithsonian's Open Access API on this machine, behind the gate of api.data.gov."""

import json
import re
from typing import Any

from stand_in import Asked, Reply, StandIn

KEY = "planted-smithsonian-key"
ROOT = "/openaccess/api/v1.0"
IDS = "https://ids.si.edu/ids"


class SmithsonianStandIn(StandIn):
    """`rows` with the newest first."""

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        super().__init__()
        self.rows = rows

    def answer(self, asked: Asked) -> Reply:
        query = asked.query
        if query.get("api_key") != KEY:
            error = {"code": "API_KEY_INVALID", "message": "An invalid api_key was supplied."}
            return _json({"error": error}, status=403)
        path = asked.path.removeprefix(ROOT)
        if not re.fullmatch("/search|/category/(art_design|history_culture)/search", path):
            return _json({"status": 404, "responseCode": 0, "response": "not found"}, status=404)
        assert query["sort"] == "newest"
        start, num_rows = int(query["start"]), int(query["rows"])
        assert num_rows <= 1000
        words, units = _understood(query["q"])
        found = [
            row
            for row in self.rows
            if words in row["title"] and (not units or row["unitCode"] in units)
        ]
        rows = found[start : start + num_rows]
        response = {"rows": rows, "rowCount": len(found), "message": "content found"}
        return _json({"status": 200, "responseCode": 1, "response": response})

    def spoil(self, fault: str, reply: Reply) -> Reply:
        body = json.loads(reply.body)
        if fault == "inner_500":
            return _json({"status": 500, "responseCode": 0, "message": "search failed"})
        if fault == "inner_400":
            return _json({"status": 400, "responseCode": 0, "message": "bad query"})
        if fault == "other_shape":
            return _json({"status": 200, "response": []})
        if fault == "empty_page":
            body["response"]["rows"] = []
            return _json(body)
        if fault == "over_limit":
            return _json({"error": {"code": "OVER_RATE_LIMIT"}}, status=429)
        raise ValueError(fault)


def _understood(query: str) -> tuple[str, set[str]]:
    match = re.fullmatch(
        r'\(([^)]*)\) AND online_media_type:"Images"(?: AND \(((?:unit_code:"\w+"(?: OR )?)+)\))?',
        query,
    )
    assert match is not None, query
    return match[1], set(re.findall(r'unit_code:"(\w+)"', match[2] or ""))


def picture(name: str, **changes: Any) -> dict[str, Any]:
    """A picture of an object."""
    return {
        "thumbnail": f"{IDS}/deliveryService?id={name}",
        "idsId": name,
        "usage": {"access": "CC0"},
        "guid": f"http://n2t.net/ark:/65665/{name}",
        "type": "Images",
        "content": f"{IDS}/deliveryService?id={name}",
        "resources": [
            {"label": "High-resolution TIFF", "url": f"{IDS}/download?id={name}.tif"},
            {"label": "High-resolution JPEG (7033x1885)", "url": f"{IDS}/download?id={name}.jpg"},
            {"label": "Screen Image", "url": f"{IDS}/download?id={name}_screen"},
        ],
        **changes,
    }


def row(number: int, *pictures: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """An object as the search describes it."""
    media = list(pictures) or [picture(f"NMAH-{number}-1"), picture(f"NMAH-{number}-2")]
    return {
        "id": f"ld1-1643400021979-{number}",
        "title": f"Star quilt {number}",
        "unitCode": "NMAH",
        "type": "edanmdm",
        "url": f"edanmdm:nmah_{number}",
        "content": {
            "descriptiveNonRepeating": {
                "record_ID": f"nmah_{number}",
                "unit_code": "NMAH",
                "guid": f"http://n2t.net/ark:/65665/object-{number}",
                "record_link": f"https://americanhistory.si.edu/collections/nmah_{number}",
                "title": {"label": "Title", "content": f"Star quilt {number}"},
                "metadata_usage": {"access": "CC0"},
                "data_source": "National Museum of American History",
                "online_media": {"mediaCount": len(media), "media": media},
            },
            "indexedStructured": {
                "object_type": ["Quilts"],
                "topic": ["Textiles", "Stars"],
                "online_media_type": ["Images"],
            },
            "freetext": {
                "name": [
                    {"label": "Used by", "content": "Bob"},
                    {"label": "Maker", "content": "Ada Lovelace"},
                ]
            },
        },
        "hash": "1e0c93ee",
        "timestamp": "1618820050",
        "lastTimeUpdated": "1618820050",
        **changes,
    }


def _json(body: dict[str, Any], *, status: int = 200) -> Reply:
    return Reply(status, json.dumps(body).encode(), {"Content-Type": "application/json"})
