"""Pictures that show more than persons have labelled: a detector would learn it as background."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from wunderkammer.manifests import CROPS, conformed
from wunderkammer.review.crop_table import OBJECT, crop_table
from wunderkammer.review.decision import ACCEPT, Box, Decision, iou, shared_area
from wunderkammer.review.standing import SAME_OBJECT_IOU, Standing
from wunderkammer.stages import DETECTIONS, FILTERED_CROPS
from wunderkammer.storage.versions import Record, Versions

# The reason that denies the object; a blurred or a cut off one is an object all the same.
NOT_THE_SUBJECT = "not_the_subject"


@dataclass(frozen=True)
class _Seen:
    """Of each picture what persons have settled and what may be an object; undecided pictures."""

    settled: dict[str, list[Box]] = field(default_factory=lambda: defaultdict(list))
    objects: dict[str, list[Box]] = field(default_factory=lambda: defaultdict(list))
    undecided: set[str] = field(default_factory=set)

    def is_incomplete(self, sha256: str, *, max_nested: float) -> bool:
        """Whether the picture may show an object that nobody has settled."""
        return sha256 in self.undecided or any(
            not _is_covered(box, self.settled[sha256], max_nested=max_nested)
            for box in self.objects[sha256]
        )


def incomplete_pictures(
    versions: Versions, subject: str, standing: Standing, *, among: Collection[str]
) -> set[str]:
    """The pictures of `among` (SHA-256) that may show an object besides those accepted.

    That is one with a crop that nobody has decided, and one where a box is neither covered by an
    accepted one nor rejected as `NOT_THE_SUBJECT`: of a crop that was rejected for another reason,
    by a person or by a rule, or of the detector, however unsure it was.
    """
    seen = _Seen()
    for decision in standing.in_force():
        if decision.proposal.sha256 in among and standing.of(decision.proposal) is decision:
            _take_in(seen, decision)
    record = versions.current(subject, FILTERED_CROPS.name)
    max_nested = 1.0
    if record is not None:
        _take_in_crops(seen, versions, record, standing, among=among)
        for sha256, box in _found(versions, record, among=among):
            seen.objects[sha256].append(box)
        max_nested = record.sections.get("filter", {}).get("max_nested", max_nested)
    return {sha256 for sha256 in among if seen.is_incomplete(sha256, max_nested=max_nested)}


def _take_in(seen: _Seen, decision: Decision) -> None:
    about = decision.proposal
    if decision.decision == ACCEPT:
        seen.settled[about.sha256].append(decision.label_box)
    if about.object_box is not None:
        boxes = seen.settled if _settles(decision) else seen.objects
        boxes[about.sha256].append(about.object_box)


def _take_in_crops(
    seen: _Seen, versions: Versions, record: Record, standing: Standing, *, among: Collection[str]
) -> None:
    """What was decided about the crops in force, also by the same crop of another picture."""
    crops = crop_table(versions, record)
    for row, sha256 in enumerate(crops.column("sha256")):
        if sha256 not in among:
            continue
        decision, box = crops.standing(row, standing), crops.proposal(row).object_box
        if decision is None:
            seen.undecided.add(sha256)
        elif box is not None and _settles(decision):
            seen.settled[sha256].append(box)


def _settles(decision: Decision) -> bool:
    return decision.decision == ACCEPT or decision.reason == NOT_THE_SUBJECT


def _found(
    versions: Versions, record: Record, *, among: Collection[str]
) -> Iterator[tuple[str, Box]]:
    """All that was found in the pictures: the candidates of the crops, and the detector's boxes."""
    wanted = pa.array(sorted(among), pa.string())
    crops = conformed(versions.manifest(record), CROPS)
    for row in crops.filter(pc.is_in(crops["sha256"], value_set=wanted)).to_pylist():
        yield from _boxes(row["sha256"], [[row[name] for name in OBJECT]])
    content = record.upstreams.get(DETECTIONS.name)
    detected = content and versions.with_content(record.subject, DETECTIONS.name, content)
    if not detected:
        return
    classes = detected.sections.get("detect", {}).get("classes", ())
    rows = versions.manifest(detected)
    for row in rows.filter(pc.is_in(rows["sha256"], value_set=wanted)).to_pylist():
        columns = [row[name] or () for name in ("x0", "y0", "x1", "y1", "class_name")]
        found = zip(*columns, strict=True)
        edges = [box for *box, name in found if not classes or name in classes]
        yield from _boxes(row["sha256"], edges)


def _boxes(sha256: str, found: Iterable[list[float]]) -> Iterator[tuple[str, Box]]:
    for edges in found:
        if None in edges:
            continue
        x0, y0, x1, y1 = edges
        # Clipped to its picture, a box may be nothing.
        if x0 < x1 and y0 < y1:
            yield sha256, Box(x0=x0, y0=y0, x1=x1, y1=y1)


def _is_covered(box: Box, settled: Iterable[Box], *, max_nested: float) -> bool:
    """Whether a box is one of the settled ones, or a part of one that counts for nothing."""
    return any(
        iou(box, other) >= SAME_OBJECT_IOU
        or (other.area > box.area and shared_area(box, other) > max_nested * box.area)
        for other in settled
    )
