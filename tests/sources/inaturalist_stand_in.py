"""A small iNaturalist on this machine: `/v1/observations`, `/v1/taxa` and its photos."""

import json
from datetime import datetime
from typing import Any

from scraping import picture
from stand_in import Asked, Reply, StandIn

# Araneae and below, the number of the taxon above each, and a genus of plants of a spider's name.
TAXA = {
    1: {
        "name": "Animalia",
        "rank": "kingdom",
        "rank_level": 70,
        "preferred_common_name": "Animals",
    },
    47118: {
        "name": "Araneae",
        "rank": "order",
        "rank_level": 40,
        "preferred_common_name": "Spiders",
    },
    52628: {"name": "Araneus", "rank": "genus", "rank_level": 20},
    52629: {"name": "Araneus diadematus", "rank": "species", "rank_level": 10},
    52630: {"name": "Araneus diadematus islandicus", "rank": "subspecies", "rank_level": 5},
    60001: {"name": "Dysdera", "rank": "genus", "rank_level": 20},
    60002: {
        "name": "Dysdera",
        "rank": "genus",
        "rank_level": 20,
        "preferred_common_name": "A plant",
    },
}
ABOVE = {47118: 1, 52628: 47118, 52629: 52628, 52630: 52629, 60001: 47118}


def lineage(taxon_id: int | None) -> list[int]:
    found = []
    while taxon_id is not None:
        found.append(taxon_id)
        taxon_id = ABOVE.get(taxon_id)
    return found


def shown_taxon(taxon_id: int) -> dict[str, Any]:
    ancestors = lineage(taxon_id)[::-1]
    return {"id": taxon_id, "is_active": True, "ancestor_ids": ancestors, **TAXA[taxon_id]}


class INaturalistStandIn(StandIn):
    """Its observations are added by `observe`; times are ISO 8601, as the test sets them."""

    def __init__(self) -> None:
        super().__init__()
        self.observations: dict[int, dict[str, Any]] = {}
        self.ignores_cursor = False
        self.num_announced_more = 0

    def observe(
        self,
        number: int,
        *licences: str | None,
        taxon_id: int | None = 52629,
        updated_at: str = "2026-01-01T00:00:00+00:00",
        quality_grade: str = "research",
        **changes: Any,
    ) -> dict[str, Any]:
        """Add an observation with a photo for each licence (None: all rights reserved)."""
        photos = [self.photo(number * 10 + i, licence) for i, licence in enumerate(licences)]
        self.observations[number] = {
            "id": number,
            "uuid": f"00000000-0000-0000-0000-{number:012}",
            "uri": f"https://www.inaturalist.org/observations/{number}",
            "quality_grade": quality_grade,
            "updated_at": updated_at,
            "time_observed_at": "2025-08-27T08:57:22+02:00",
            "observed_on": "2025-08-27",
            "species_guess": "a spider",
            "tags": ["web", "garden"],
            "license_code": "cc-by-nc",
            "user": {"id": 7, "login": "ada_l", "name": "Ada Lovelace"},
            "taxon": None if taxon_id is None else shown_taxon(taxon_id),
            "photos": photos,
            "observation_photos": [{"position": i, "photo": p} for i, p in enumerate(photos)],
            "project_ids": [],
            "place_ids": [],
            **changes,
        }
        return self.observations[number]

    def photo(self, number: int, licence: str | None) -> dict[str, Any]:
        rights = {None: "all rights reserved", "cc0": "no rights reserved (CC0)"}
        short = f"some rights reserved ({(licence or '').upper().replace('CC-', 'CC ')})"
        return {
            "id": number,
            "license_code": licence,
            "attribution": f"(c) Ada Lovelace, {rights.get(licence, short)}",
            "url": f"{self.url}/photos/{number}/square.jpg",
            "original_dimensions": {"width": 2048, "height": 1365},
            "flags": [],
        }

    def answer(self, asked: Asked) -> Reply:
        if asked.path == "/v1/observations":
            return self._json(self._observations(asked.query))
        if asked.path == "/v1/taxa":
            return self._json(self._taxa(asked.query))
        if asked.path.startswith("/photos/"):
            number, name = asked.path.split("/")[2:4]
            assert name in ("original.jpg", "large.jpg", "medium.jpg"), name
            return Reply(200, picture(int(number)), {"Content-Type": "image/jpeg"})
        return Reply(404, b'{"error": "Not Found", "status": 404}')

    def spoil(self, fault: str, reply: Reply) -> Reply:
        if fault == "error_in_200":
            return self._json({"error": "Error", "status": 500})
        if fault == "no_json":
            return Reply(200, b"<html>", {"Content-Type": "application/json"})
        assert fault == "no_results"
        return self._json({"total_results": 3, "page": 1})

    def _json(self, value: Any) -> Reply:
        return Reply(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _taxa(self, query: dict[str, str]) -> dict[str, Any]:
        words = query["q"].casefold()
        fields = ("name", "preferred_common_name")
        found = [
            shown_taxon(number)
            for number, taxon in TAXA.items()
            if any(words in taxon.get(field, "").casefold() for field in fields)
        ]
        return {"total_results": len(found), "page": 1, "per_page": 30, "results": found}

    def _observations(self, query: dict[str, str]) -> dict[str, Any]:
        assert query["order_by"] == "id"
        assert query["order"] == "asc"
        assert "page" not in query
        found = [self.observations[i] for i in sorted(self.observations)]
        found = [one for one in found if matches(one, query)]
        above = 0 if self.ignores_cursor else int(query.get("id_above", 0))
        found = [one for one in found if one["id"] > above]
        per_page = min(int(query.get("per_page", 30)), 200)
        return {
            "total_results": len(found) + self.num_announced_more,
            "page": 1,
            "per_page": per_page,
            "results": found[:per_page],
        }


def matches(one: dict[str, Any], query: dict[str, str]) -> bool:
    """Whether an observation is what the query's filters ask for."""
    taxon = one["taxon"] or {"id": None}
    filters = {
        "taxon_id": lambda value: int(value) in lineage(taxon["id"]),
        "quality_grade": lambda value: one["quality_grade"] in value.split(","),
        "photo_license": lambda value: any(
            photo["license_code"] in value.lower().split(",") for photo in one["photos"]
        ),
        "photos": lambda value: bool(one["photos"]) == (value == "true"),
        "updated_since": lambda value: (
            datetime.fromisoformat(one["updated_at"]) >= datetime.fromisoformat(value)
        ),
        "project_id": lambda value: value in map(str, one["project_ids"]),
        "place_id": lambda value: int(value) in one["place_ids"],
        "user_id": lambda value: value in (str(one["user"]["id"]), one["user"]["login"]),
    }
    not_filters = {"per_page", "order_by", "order", "id_above", "locale"}
    assert set(query) <= set(filters) | not_filters, query
    return all(fits(query[name]) for name, fits in filters.items() if name in query)
