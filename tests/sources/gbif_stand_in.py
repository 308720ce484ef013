"""A small GBIF on this machine: `/v1/occurrence/search` with facets, and `/v2/species/match`."""

import json
from collections import Counter
from typing import Any

from stand_in import Asked, Reply, StandIn

COL = "7ddf754f-d193-4cc9-b351-99906754a03b"
BACKBONE = "d7dddbf4-2cf0-4f39-9b2a-bb099caae36c"
BY_NC = "http://creativecommons.org/licenses/by-nc/4.0/"
MUSEUM, CITIZENS = "0b1735ff-6a66-454b-8686-cae1cbc732a2", "50c9509d-22c7-4a22-a47d-8c48425ef4a7"

# Foraminifera, a genus and a species of it in both taxonomies, and two genera of the same name.
TAXA: dict[str, list[dict[str, Any]]] = {
    COL: [
        {"key": "F6", "name": "Foraminifera", "rank": "PHYLUM", "above": []},
        {"key": "4KPB", "name": "Globigerina d'Orbigny, 1826", "rank": "GENUS", "above": ["F6"]},
        {"key": "3GQZ", "name": "Globigerina bulloides d'Orbigny", "above": ["F6", "4KPB"]},
        {"key": "2A", "name": "Oenanthe L.", "rank": "GENUS", "above": []},
        {"key": "2B", "name": "Oenanthe Vieillot, 1816", "rank": "GENUS", "above": []},
    ],
    BACKBONE: [{"key": "7614", "name": "Foraminifera", "rank": "PHYLUM", "above": []}],
}
SYNONYMS = {"Rhizopoda foraminifera": "F6"}


class GbifStandIn(StandIn):
    """Its occurrences are added by `record`; `max_offset` is how deep a search goes."""

    def __init__(self) -> None:
        super().__init__()
        self.occurrences: list[dict[str, Any]] = []
        self.max_offset = 100_000
        self.max_limit = 300
        self.ignores_offset = False
        self.num_announced_more = 0

    def record(
        self,
        key: int,
        *licences: str | None,
        dataset: str = MUSEUM,
        last_interpreted: str = "2026-08-14T02:13:35.279+00:00",
        **changes: Any,
    ) -> dict[str, Any]:
        """Add an occurrence with a picture for each licence (None: the picture names none)."""
        one = {
            "key": key,
            "datasetKey": dataset,
            "basisOfRecord": "FOSSIL_SPECIMEN",
            "taxonKey": 7614,
            "lineages": {COL: ["F6", "4KPB", "3GQZ"], BACKBONE: ["7614"]},
            "scientificName": "Globigerina bulloides d'Orbigny, 1826",
            "kingdom": "Chromista",
            "phylum": "Foraminifera",
            "class": "Globothalamea",
            "order": "Rotaliida",
            "family": "Globigerinidae",
            "genus": "Globigerina",
            "species": "Globigerina bulloides",
            "countryCode": "GB",
            "year": 1998,
            "month": 7,
            "eventDate": "1998-07-01/1998-07-31",
            "lastInterpreted": last_interpreted,
            "references": f"https://museum.example/specimens/{key}",
            "license": "http://creativecommons.org/licenses/by/4.0/legalcode",
            "rightsHolder": "The Museum",
            "recordedBy": "C. Darwin",
            "media": [self.picture(key, number, one) for number, one in enumerate(licences)],
            **changes,
        }
        self.occurrences.append(one)
        return one

    def picture(self, key: int, number: int, licence: str | None) -> dict[str, Any]:
        told = {} if licence is None else {"license": licence}
        return {
            "type": "StillImage",
            "format": "image/jpeg",
            "identifier": f"{self.url}/media/{key}/{number}.jpg",
            "references": f"https://museum.example/pictures/{key}-{number}",
            "creator": "Ada Lovelace",
            "rightsHolder": "The Museum",
            "created": "2012-03-04T00:00:00.000+00:00",
            **told,
        }

    def answer(self, asked: Asked) -> Reply:
        if asked.path == "/v1/occurrence/search":
            return self._search(asked.query)
        if asked.path == "/v2/species/match":
            return _json(match(asked.query))
        return Reply(404, b"")

    def spoil(self, fault: str, reply: Reply) -> Reply:
        if fault == "no_json":
            return Reply(200, b"<html>", {"Content-Type": "application/json"})
        assert fault == "no_results"
        return _json({"offset": 0, "limit": 20, "endOfRecords": True, "count": 3})

    def _search(self, query: dict[str, str]) -> Reply:
        assert query["mediaType"] == "StillImage"
        found = [one for one in self.occurrences if matches(one, query)]
        # As the site sorts them: the latest year first, those without one at the end.
        found.sort(key=lambda one: (-(one["year"] or 0), one["month"] or 0, one["key"]))
        limit = min(int(query.get("limit", 20)), self.max_limit)
        offset = int(query.get("offset", 0))
        if offset + limit > self.max_offset:
            text = f"Max offset of {self.max_offset} exceeded: {offset} + {limit}"
            return Reply(400, text.encode(), {"Content-Type": "text/plain"})
        start = 0 if self.ignores_offset else offset
        return _json(
            {
                "offset": offset,
                "limit": limit,
                "endOfRecords": offset + limit >= len(found),
                "count": len(found) + self.num_announced_more,
                "results": [shown(one) for one in found[start : start + limit]],
                "facets": [facet(found, query)] if "facet" in query else [],
            }
        )


def _json(value: Any) -> Reply:
    return Reply(200, json.dumps(value).encode(), {"Content-Type": "application/json"})


FIELDS = {"datasetKey": "datasetKey", "country": "countryCode", "year": "year", "month": "month"}


def facet(found: list[dict[str, Any]], query: dict[str, str]) -> dict[str, Any]:
    values = (one[FIELDS[query["facet"]]] for one in found)
    counts = Counter(str(value) for value in values if value is not None)
    most = counts.most_common(int(query.get("facetLimit", 10)))
    field = {"datasetKey": "DATASET_KEY"}.get(query["facet"], query["facet"].upper())
    return {"field": field, "counts": [{"name": n, "count": c} for n, c in most]}


def shown(one: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in one.items() if value is not None and name != "lineages"}


def matches(one: dict[str, Any], query: dict[str, str]) -> bool:
    """Whether an occurrence is what the query's filters ask for."""
    checklist = query.get("checklistKey", BACKBONE)

    def interpreted(value: str) -> bool:
        first, last = value.split(",")
        assert last == "*"
        return bool(one["lastInterpreted"][:10] >= first)

    filters = {
        "mediaType": lambda value: any(m.get("type") == value for m in one["media"]),
        "taxonKey": lambda value: value in one["lineages"][checklist],
        "basisOfRecord": lambda value: one["basisOfRecord"] == value,
        "lastInterpreted": interpreted,
        **{
            name: lambda value, field=field: str(one[field]) == value
            for name, field in FIELDS.items()
        },
    }
    not_filters = {"checklistKey", "limit", "offset", "facet", "facetLimit"}
    assert set(query) <= set(filters) | not_filters, query
    return all(fits(query[name]) for name, fits in filters.items() if name in query)


def match(query: dict[str, str]) -> dict[str, Any]:
    """Matches a whole name, with or without its author; else the names that begin like it."""
    taxa = {taxon["key"]: taxon for taxon in TAXA[query["checklistKey"]]}
    name = query["scientificName"]
    if name in SYNONYMS:
        accepted = usage_of(taxa[SYNONYMS[name]], taxa)["usage"]
        usage = {"key": "9X", "name": name, "rank": "PHYLUM", "status": "SYNONYM"}
        return {"usage": usage, "acceptedUsage": accepted, "diagnostics": {"matchType": "EXACT"}}
    same = [one for one in taxa.values() if name in (one["name"], " ".join(plain(one["name"])))]
    if len(same) == 1:
        return {**usage_of(same[0], taxa), "diagnostics": {"matchType": "EXACT", "confidence": 99}}
    near = same or [one for one in taxa.values() if one["name"].startswith(name[:4])]
    diagnostics = {"matchType": "NONE", "confidence": 100, "note": "Multiple equal matches"}
    if query.get("verbose") == "true":
        diagnostics["alternatives"] = [
            {**usage_of(one, taxa), "diagnostics": {"matchType": "EXACT"}} for one in near
        ]
    if len(near) == 1:
        diagnostics["matchType"] = "VARIANT"
        return {**usage_of(near[0], taxa), "diagnostics": diagnostics}
    return {"diagnostics": diagnostics, "synonym": False}


def plain(name: str) -> list[str]:
    """The words of a name without its author and year."""
    words = name.split()
    return [word for word in words if word == words[0] or (word.isalpha() and word.islower())]


def usage_of(taxon: dict[str, Any], taxa: dict[str, dict[str, Any]]) -> dict[str, Any]:
    above = [{"key": key, "name": taxa[key]["name"]} for key in taxon["above"]]
    rank = taxon.get("rank", "SPECIES")
    usage = {"key": taxon["key"], "name": taxon["name"], "rank": rank, "status": "ACCEPTED"}
    return {"usage": usage, "classification": [*above, usage]}
