"""The collection API of the Metropolitan Museum on this machine."""

import json
from typing import Any

from stand_in import Asked, Reply, StandIn

ROOT = "/public/collection/v1"
IMAGES = "https://images.metmuseum.org/CRDImages"


class MetStandIn(StandIn):
    """`objects` by number; searches also find the numbers in `gone`, which have none."""

    def __init__(self, objects: list[dict[str, Any]]) -> None:
        super().__init__()
        self.objects = {one["objectID"]: one for one in objects}
        self.gone: list[int] = []

    def answer(self, asked: Asked) -> Reply:
        if asked.path == f"{ROOT}/search":
            return self._search(asked.query)
        number = asked.path.removeprefix(f"{ROOT}/objects/")
        if number.isdigit() and int(number) in self.objects:
            return _json(self.objects[int(number)])
        return _json({"message": "ObjectID not found"}, status=404)

    def spoil(self, fault: str, reply: Reply) -> Reply:
        body = json.loads(reply.body)
        if fault == "other_total":
            return _json({**body, "total": body["total"] + 3})
        if fault == "other_shape":
            return _json({"message": "try again"})
        raise ValueError(fault)

    def _search(self, query: dict[str, str]) -> Reply:
        assert query["hasImages"] == "true"
        found = [
            number
            for number, one in self.objects.items()
            if query["q"] in one["title"]
            and ("medium" not in query or one["medium"] == query["medium"])
            and int(query.get("departmentId", one["_department"])) == one["_department"]
        ]
        # In the order of relevance, whatever that is.
        numbers = sorted([*found, *self.gone], key=lambda number: number * 7919 % 1009)
        return _json({"total": len(numbers), "objectIDs": numbers or None})


def art(number: int, **changes: Any) -> dict[str, Any]:
    """An object as the museum describes it."""
    return {
        "_department": 1,
        "objectID": number,
        "isHighlight": False,
        "accessionNumber": "36.100.45",
        "accessionYear": "1936",
        "isPublicDomain": True,
        "primaryImage": f"{IMAGES}/ad/original/DP{number}.jpg",
        "primaryImageSmall": f"{IMAGES}/ad/web-large/DP{number}.jpg",
        "additionalImages": [
            f"{IMAGES}/ad/original/DP{number}_b.jpg",
            f"{IMAGES}/ad/original/DP{number}_c.jpg",
        ],
        "constituents": [{"constituentID": 1, "role": "Maker", "name": "Ada"}],
        "department": "The American Wing",
        "objectName": "Quilt",
        "title": f"Star quilt {number}",
        "culture": "American",
        "artistDisplayName": "Ada Lovelace",
        "objectDate": "ca. 1880",
        "objectBeginDate": 1877,
        "objectEndDate": 1880,
        "medium": "Cotton",
        "creditLine": "Gift of Ada, 1936",
        "classification": "Textiles",
        "metadataDate": "2026-01-22T04:50:12.4Z",
        "repository": "Metropolitan Museum of Art, New York, NY",
        "objectURL": f"https://www.metmuseum.org/art/collection/search/{number}",
        "tags": [{"term": "Stars", "AAT_URL": "http://vocab.getty.edu/page/aat/1"}],
        **changes,
    }


def _json(body: dict[str, Any], *, status: int = 200) -> Reply:
    return Reply(status, json.dumps(body).encode(), {"Content-Type": "application/json"})
