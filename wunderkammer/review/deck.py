"""The crops of one version as the page gets them, and what has changed since it last asked."""

import base64
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from wunderkammer.crops.cuts import MEASURE
from wunderkammer.review.crop_table import CLASS, OBJECT, PROPOSER, SHOWN, WINDOW, CropTable
from wunderkammer.review.decision import Box, Decision
from wunderkammer.review.standing import Standing

CONFIDENCE = "confidence"
UNCERTAINTY = "uncertainty"
FACETS = ("source", "label", "licence", CLASS, PROPOSER)
DETAILS = (
    "id", "title", "author", "licence", "licence_url", "source", "landing_page", "label",
    "group", "taken_at", CLASS, PROPOSER, "sha256", "crop_sha256",
)  # fmt: skip

Json = dict[str, Any]


class Deck:
    """One version's crops with the decision in force for each, and a revision a change."""

    def __init__(self, crops: CropTable, standing: Standing, *, sample: Sequence[int]) -> None:
        self.crops = crops
        self.sample = list(sample)
        self.revision = 1
        self._changed_at: list[int] = []
        self._changed_rows: list[int] = []
        self._rows_of: dict[str, list[int]] = defaultdict(list)
        for name in ("crop_sha256", "sha256"):
            for row, sha256 in enumerate(crops.column(name)):
                self._rows_of[sha256].append(row)
        self.decisions = [crops.standing(row, standing) for row in range(len(crops))]
        self._note(row for row, decision in enumerate(self.decisions) if decision is not None)

    def take_in(self, decisions: Iterable[Decision], standing: Standing) -> None:
        """Look again at the crops that new decisions, already in `standing`, may be about."""
        rows = {
            row
            for decision in decisions
            for sha256 in (decision.proposal.crop_sha256, decision.proposal.sha256)
            for row in self._rows_of.get(sha256, ())
        }
        changed = []
        for row in sorted(rows):
            now = self.crops.standing(row, standing)
            if now is not self.decisions[row]:
                self.decisions[row] = now
                changed.append(row)
        if changed:
            self.revision += 1
            self._note(changed)

    def changes(self, since: int) -> list[list[Any]]:
        """The state of each row that has changed after revision `since`."""
        first = bisect_right(self._changed_at, since)
        return [self._state(row) for row in sorted(set(self._changed_rows[first:]))]

    def payload(self) -> Json:
        """All that the page sorts and filters by, in columns."""
        crops = self.crops
        columns = {name: _floats(crops.column(name)) for name in (*WINDOW, *OBJECT)}
        has_objects = any(edge is not None for edge in crops.column(OBJECT[0]))
        return {
            "version": crops.version,
            "size": len(crops),
            "width": _floats(crops.column("source_width")),
            "height": _floats(crops.column("source_height")),
            "window": [columns[name] for name in WINDOW],
            "object": [columns[name] for name in OBJECT] if has_objects else None,
            "angles": _floats(crops.column("angle_deg")) if crops.has("angle_deg") else None,
            "shown": self._shown(),
            "measures": self._measures(),
            "facets": {name: _facet(crops.column(name)) for name in FACETS if crops.has(name)},
            "sample": self.sample,
        }

    def details(self, row: int) -> Json:
        """What is known of one crop, in words."""
        found = {name: self.crops.column(name)[row] for name in DETAILS}
        return {name: value for name, value in found.items() if value not in (None, "")}

    def _shown(self) -> list[str] | None:
        """The shares of each window's sides that show the picture; None if no window is padded."""
        if not any(self.crops.column(SHOWN[0])):
            return None
        shares = (self.crops.shown_share(row) for row in range(len(self.crops)))
        return [_floats(values) for values in zip(*shares, strict=True)]

    def _measures(self) -> dict[str, str]:
        names = [name for name in self.crops.table.column_names if name.startswith(MEASURE)]
        found = {name.removeprefix(MEASURE): self.crops.column(name) for name in names}
        if self.crops.has("sharpness"):
            found.setdefault("sharpness", self.crops.column("sharpness"))
        packed = {name: _floats(values) for name, values in sorted(found.items())}
        if CONFIDENCE in found and UNCERTAINTY not in found:
            sure = np.array(found[CONFIDENCE], np.float64)
            # Least sure of itself at one half, where a label teaches a detector most.
            packed = {UNCERTAINTY: _packed(1 - np.abs(2 * sure - 1)), **packed}
        return packed

    def _note(self, rows: Iterable[int]) -> None:
        rows = list(rows)
        self._changed_rows += rows
        self._changed_at += [self.revision] * len(rows)

    def _state(self, row: int) -> list[Any]:
        decision = self.decisions[row]
        if decision is None:
            return [row]
        return [
            row,
            decision.decision,
            decision.reason,
            decision.reviewer,
            decision.id,
            _edges(decision.window),
            _edges(decision.object_box),
        ]


def _edges(box: Box | None) -> list[float] | None:
    return None if box is None else [box.x0, box.y0, box.x1, box.y1]


def _floats(values: Sequence[float | None]) -> str:
    return _packed(np.array(values, np.float64))


def _packed(values_N: Any) -> str:
    """float32, little-endian, base64; NaN for what is not known."""
    return base64.b64encode(np.asarray(values_N, "<f4").tobytes()).decode()


def _facet(values: Sequence[str | None]) -> Json:
    """The distinct values and, packed as floats, the place among them of each row's."""
    names = sorted({value or "" for value in values})
    places = {name: place for place, name in enumerate(names)}
    return {"names": names, "codes": _packed([places[value or ""] for value in values])}
