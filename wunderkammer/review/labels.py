"""What persons have accepted, as labels that a detector learns from."""

from collections import defaultdict

import pyarrow as pa

from wunderkammer.review.crop_table import crop_table, current_crops
from wunderkammer.review.decision import ACCEPT, Box, Decision, iou
from wunderkammer.review.journal import read_decisions
from wunderkammer.review.params import ReviewParams
from wunderkammer.review.standing import SAME_OBJECT_IOU, Standing
from wunderkammer.stages import FILTERED_CROPS
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


def reviewed_labels(store: Store, subject: str, *, min_same_iou: float | None = None) -> pa.Table:
    """A row of `LABELS` for each picture with an accepted box: px, x0 y0 x1 y1, clipped to it.

    A box is the object's as the person has corrected it, else as the model proposed it, else the
    window. A picture with a crop that nobody has decided yet is left out: what it shows besides
    would be taught as background. Classes are the model's, else the picture's label, else the
    subject's name.
    """
    if min_same_iou is None:
        min_same_iou = ReviewParams().min_same_iou
    standing = Standing(read_decisions(store, subject), min_same_iou=min_same_iou)
    undecided = _undecided_pictures(Versions(store), subject, standing)
    accepted: dict[str, list[Decision]] = defaultdict(list)
    for decision in reversed(standing.in_force()):
        about = decision.proposal
        if decision.decision != ACCEPT or about.sha256 in undecided:
            continue
        if standing.of(about) is decision and not _is_known(decision, accepted[about.sha256]):
            accepted[about.sha256].append(decision)
    rows = [_row(accepted[sha256], subject) for sha256 in sorted(accepted) if accepted[sha256]]
    return pa.Table.from_pylist(rows, schema=LABELS)


def _undecided_pictures(versions: Versions, subject: str, standing: Standing) -> set[str]:
    if versions.current(subject, FILTERED_CROPS.name) is None:
        return set()
    crops = crop_table(versions, current_crops(versions, subject))
    pictures = crops.column("sha256")
    return {pictures[row] for row in range(len(crops)) if crops.standing(row, standing) is None}


def _is_known(decision: Decision, later: list[Decision]) -> bool:
    return any(
        iou(_label_box(decision), _label_box(other)) >= SAME_OBJECT_IOU
        and decision.proposal.class_name == other.proposal.class_name
        for other in later
    )


def _label_box(decision: Decision) -> Box:
    proposal = decision.proposal
    return decision.object_box or proposal.object_box or decision.window or proposal.window


def _row(decisions: list[Decision], subject: str) -> dict[str, object]:
    picture = decisions[0].proposal
    boxes = [_label_box(decision) for decision in decisions]
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
