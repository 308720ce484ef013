"""What persons have accepted, as labels that a detector learns from."""

import logging
from collections import defaultdict

import pyarrow as pa

from wunderkammer.review.decision import ACCEPT, Box, Decision, iou
from wunderkammer.review.journal import read_decisions
from wunderkammer.review.params import ReviewParams
from wunderkammer.review.standing import SAME_OBJECT_IOU, Standing
from wunderkammer.review.unlabelled import NOT_THE_SUBJECT, incomplete_pictures
from wunderkammer.storage.store import Store
from wunderkammer.storage.versions import Versions

LABELS = pa.schema(
    [
        ("sha256", pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("boxes", pa.list_(pa.list_(pa.float64(), 4))),
        ("classes", pa.list_(pa.string())),
        ("reviewers", pa.list_(pa.string())),
    ]
)

log = logging.getLogger(__name__)


def reviewed_labels(store: Store, subject: str, *, min_same_iou: float | None = None) -> pa.Table:
    """A row of `LABELS` for each picture with an accepted box: px, x0 y0 x1 y1, clipped to it.

    A box is the object's as the person has corrected it, else as the model proposed it, else the
    window. A picture that may show another object (`incomplete_pictures`) is left out: it would be
    taught as background. Classes are the model's, else the picture's label, else the subject's
    name.
    """
    if min_same_iou is None:
        min_same_iou = ReviewParams().min_same_iou
    standing = Standing(read_decisions(store, subject), min_same_iou=min_same_iou)
    accepted: dict[str, list[Decision]] = defaultdict(list)
    for decision in reversed(standing.in_force()):
        about = decision.proposal
        if decision.decision != ACCEPT or standing.of(about) is not decision:
            continue
        if not _is_known(decision, accepted[about.sha256]):
            accepted[about.sha256].append(decision)
    left_out = incomplete_pictures(Versions(store), subject, standing, among=accepted.keys())
    if left_out:
        log.warning(
            "%d of the %d pictures of %r with accepted boxes are no labels: each may show an "
            "object that nobody has accepted, or rejected as %s; wunderkammer review %s shows "
            "those that the section `filter` lets through",
            *(len(left_out), len(accepted), subject, NOT_THE_SUBJECT, subject),
        )
    rows = [_row(accepted[sha256], subject) for sha256 in sorted(accepted.keys() - left_out)]
    return pa.Table.from_pylist(rows, schema=LABELS)


def _is_known(decision: Decision, later: list[Decision]) -> bool:
    return any(
        iou(decision.label_box, other.label_box) >= SAME_OBJECT_IOU
        and decision.proposal.class_name == other.proposal.class_name
        for other in later
    )


def _row(decisions: list[Decision], subject: str) -> dict[str, object]:
    picture = decisions[0].proposal
    boxes = [decision.label_box for decision in decisions]
    return {
        "sha256": picture.sha256,
        "width": picture.width,
        "height": picture.height,
        "boxes": [_clipped(box, picture.width, picture.height) for box in boxes],
        "classes": [decision.proposal.class_name or subject for decision in decisions],
        "reviewers": [decision.reviewer for decision in decisions],
    }


def _clipped(box: Box, width: int, height: int) -> list[float]:
    return [
        min(max(box.x0, 0.0), width),
        min(max(box.y0, 0.0), height),
        min(max(box.x1, 0.0), width),
        min(max(box.y1, 0.0), height),
    ]
