"""Which decision is in force for a crop, however many were made and in whatever order they came.

A pure function of the set of decisions: the latest by `Decision.rank` among those about the crop
that no `undo` names. So two processes that hold the same decisions agree, and none is ever lost.
"""

from collections import defaultdict
from collections.abc import Iterable

from wunderkammer.review.decision import ACCEPT, UNDO, Box, Decision, iou


class Standing:
    """The decisions of one subject, found by crop and by picture."""

    def __init__(self, decisions: Iterable[Decision] = (), *, min_same_iou: float) -> None:
        self.min_same_iou = min_same_iou
        self.num_decisions = 0
        self._ids: set[str] = set()
        self._undone: set[str] = set()
        self._of_crop: dict[str, list[Decision]] = defaultdict(list)
        self._of_picture: dict[str, list[Decision]] = defaultdict(list)
        for decision in decisions:
            self.add(decision)

    def add(self, decision: Decision) -> bool:
        """Take a decision in; False if it was known."""
        if decision.id in self._ids:
            return False
        self._ids.add(decision.id)
        self.num_decisions += 1
        if decision.decision == UNDO:
            assert decision.undoes is not None
            self._undone.add(decision.undoes)
        else:
            self._of_crop[decision.proposal.crop_sha256].append(decision)
            self._of_picture[decision.proposal.sha256].append(decision)
        return True

    def mentions(self, crop_sha256: str, sha256: str) -> bool:
        """Whether any decision, undone or not, names this crop or its picture."""
        return crop_sha256 in self._of_crop or sha256 in self._of_picture

    def of(self, *, crop_sha256: str, sha256: str, window: Box) -> Decision | None:
        """The decision in force for a crop of the picture `sha256`, or None."""
        about = [d for d in self._of_crop.get(crop_sha256, ()) if d.id not in self._undone]
        about += [
            d
            for d in self._of_picture.get(sha256, ())
            if d.id not in self._undone and self._is_about(d, window)
        ]
        return max(about, key=lambda decision: decision.rank, default=None)

    def in_force(self) -> list[Decision]:
        """Of each window that was proposed, the decision in force, by rank."""
        latest: dict[tuple[str, Box], Decision] = {}
        for decisions in self._of_picture.values():
            for decision in decisions:
                if decision.id in self._undone:
                    continue
                key = decision.proposal.sha256, decision.proposal.window
                if key not in latest or latest[key].rank < decision.rank:
                    latest[key] = decision
        return sorted(latest.values(), key=lambda decision: decision.rank)

    def _is_about(self, decision: Decision, window: Box) -> bool:
        if iou(decision.proposal.window, window) >= self.min_same_iou:
            return True
        # The model has learnt from the correction and proposes just that.
        corrected = decision.window if decision.decision == ACCEPT else None
        return corrected is not None and iou(corrected, window) >= self.min_same_iou
