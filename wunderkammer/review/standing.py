"""Which decision is in force for a crop, however many were made and in whatever order they came.

A pure function of the set of decisions: the latest by `Decision.rank` among those about the crop
that no `undo` names. So two processes that hold the same decisions agree, and none is ever lost.
"""

from collections import defaultdict
from collections.abc import Iterable

from wunderkammer.review.decision import ACCEPT, UNDO, Box, Decision, Proposal, iou

# Two boxes that share this much are one object, as two models or two rounds have drawn it.
SAME_OBJECT_IOU = 0.5


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

    def of(self, crop: Proposal) -> Decision | None:
        """The decision in force for a crop as it is proposed now, or None.

        It holds for the object, wherever both know what the crop was cut around: for the nearly
        same box in the same picture whatever the window, and in the same crop of another file.
        """
        about = [d for d in self._of_crop.get(crop.crop_sha256, ()) if self._is_of_same(d, crop)]
        about += [d for d in self._of_picture.get(crop.sha256, ()) if self._is_about(d, crop)]
        standing = (decision for decision in about if decision.id not in self._undone)
        return max(standing, key=lambda decision: decision.rank, default=None)

    def in_force(self) -> list[Decision]:
        """Of each window and object that was proposed, the decision in force, by rank."""
        latest: dict[tuple[str, Box, Box | None, str | None], Decision] = {}
        for decisions in self._of_picture.values():
            for decision in decisions:
                if decision.id in self._undone:
                    continue
                about = decision.proposal
                key = about.sha256, about.window, about.object_box, about.class_name
                if key not in latest or latest[key].rank < decision.rank:
                    latest[key] = decision
        return sorted(latest.values(), key=lambda decision: decision.rank)

    def _is_about(self, decision: Decision, crop: Proposal) -> bool:
        """Whether a decision about the picture of a crop is about what the crop shows."""
        made = decision.proposal
        same_window = iou(made.window, crop.window) >= self.min_same_iou
        if made.object_box is None or crop.object_box is None:
            # The model has learnt from the correction and proposes just that.
            corrected = decision.window if decision.decision == ACCEPT else None
            return same_window or (
                corrected is not None and iou(corrected, crop.window) >= self.min_same_iou
            )
        if _are_two_of_one_model(made, crop):
            return False
        share = max(iou(box, crop.object_box) for box in _objects(decision))
        return share >= (self._least_share(made, crop) if same_window else self.min_same_iou)

    def _is_of_same(self, decision: Decision, crop: Proposal) -> bool:
        """Whether a decision about the very pixels of a crop is about the same object in them."""
        made = decision.proposal
        if made.object_box is None or crop.object_box is None:
            return True
        if _are_two_of_one_model(made, crop):
            return False
        # Of another picture, its box is known by its place in the window.
        proposed = _within(crop.object_box, crop.window)
        share = max(iou(_within(box, made.window), proposed) for box in _objects(decision))
        return share >= self._least_share(made, crop)

    def _least_share(self, made: Proposal, crop: Proposal) -> float:
        """How much the boxes of one object share in one window; two models draw them otherwise."""
        return self.min_same_iou if made.proposed_by == crop.proposed_by else SAME_OBJECT_IOU


def _are_two_of_one_model(made: Proposal, crop: Proposal) -> bool:
    """Whether one model tells them apart by class; another's may have other names for the same.

    A rule's (`threshold:…`, `page:…`) have only the label of their picture, which may change.
    """
    is_one = made.proposed_by == crop.proposed_by and ":" not in (made.proposed_by or "")
    return is_one and made.class_name != crop.class_name


def _objects(decision: Decision) -> list[Box]:
    """The object as it was proposed and, if the person has moved it, as corrected."""
    boxes = (decision.proposal.object_box, decision.object_box)
    return [box for box in boxes if box is not None]


def _within(box: Box, window: Box) -> Box:
    """`box` in sides of `window` from its corner; unchecked, for it may be any number of them."""
    width, height = window.x1 - window.x0, window.y1 - window.y0
    return Box.model_construct(
        x0=(box.x0 - window.x0) / width,
        y0=(box.y0 - window.y0) / height,
        x1=(box.x1 - window.x0) / width,
        y1=(box.y1 - window.y0) / height,
    )
