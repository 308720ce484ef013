"""What a person has decided about one crop: a line of the journal."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from wunderkammer.params import Params

ACCEPT = "accept"
REJECT = "reject"
UNDO = "undo"

MAX_SIDE_PX = 1 << 20
Px = Annotated[float, Field(ge=-MAX_SIDE_PX, le=MAX_SIDE_PX)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
DecisionId = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]


class Box(Params):
    """A rectangle in px of the upright picture, ends excluded; it may reach beyond the picture."""

    x0: Px
    y0: Px
    x1: Px
    y1: Px

    @model_validator(mode="after")
    def _not_empty(self) -> Self:
        if self.x1 <= self.x0 or self.y1 <= self.y0:
            raise ValueError("a box needs x0 < x1 and y0 < y1")
        return self

    @property
    def area(self) -> float:
        """In px²."""
        return (self.x1 - self.x0) * (self.y1 - self.y0)


class Proposal(Params):
    """A crop as it was proposed to a person.

    Attributes:
        sha256, width, height: the picture, and its upright size in px.
        window: what was cut out of it.
        object_box: what the model found there, where a model looked.
        class_name: what the model took it for, else the picture's own label.
        proposed_by: the SHA-256 of the model's weights, or the rule that found it.
    """

    crop_sha256: Sha256
    sha256: Sha256
    width: Annotated[int, Field(ge=1)]
    height: Annotated[int, Field(ge=1)]
    window: Box
    object_box: Box | None = None
    class_name: str | None = None
    proposed_by: str | None = None


class Decision(Params):
    """One decision; it is never changed, only taken back by an `undo` that names it.

    `order` grows along what its process had seen (Lamport, CACM 1978): clocks that disagree can't
    put a decision before one that its reviewer knew of.
    """

    id: DecisionId
    order: Annotated[int, Field(ge=1)]
    time: str
    reviewer: str
    decision: Literal["accept", "reject", "undo"]
    reason: str | None = None
    undoes: DecisionId | None = None
    proposal: Proposal
    window: Box | None = None
    object_box: Box | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.decision == UNDO) != (self.undoes is not None):
            raise ValueError("an undo names the decision that it takes back, and only an undo does")
        if self.decision != ACCEPT and (self.window or self.object_box):
            raise ValueError("only what is accepted can be corrected")
        if self.decision != REJECT and self.reason is not None:
            raise ValueError("only a rejection has a reason")
        return self

    @property
    def rank(self) -> tuple[int, str, str]:
        """The later of two decisions has the larger one, in every process."""
        return self.order, self.time, self.id

    @property
    def is_corrected(self) -> bool:
        """Whether the person has moved or resized a box."""
        return self.window is not None or self.object_box is not None

    @property
    def label_box(self) -> Box:
        """The object as the person has corrected it, else as it was proposed, else the window."""
        proposal = self.proposal
        return self.object_box or proposal.object_box or self.window or proposal.window


def iou(a: Box, b: Box) -> float:
    """Intersection over union of two boxes."""
    shared = shared_area(a, b)
    return shared / (a.area + b.area - shared) if shared else 0.0


def shared_area(a: Box, b: Box) -> float:
    """What lies in both of two boxes, in px²."""
    width = min(a.x1, b.x1) - max(a.x0, b.x0)
    height = min(a.y1, b.y1) - max(a.y0, b.y0)
    return max(width, 0.0) * max(height, 0.0)
