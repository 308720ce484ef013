"""What must be approved before a model may learn: nothing, a random sample, or every crop."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from wunderkammer.review.crop_table import WINDOW, CropTable
from wunderkammer.review.decision import ACCEPT, REJECT, Decision
from wunderkammer.review.params import ReviewParams


class ReviewNeededError(ValueError):
    """A person has not yet approved what the recipe says that they must."""


@dataclass(frozen=True)
class SampleState:
    """How far the review of the sample has come."""

    size: int
    num_accepted: int
    num_rejected: int

    @property
    def num_decided(self) -> int:
        """Crops of the sample that somebody has accepted or rejected."""
        return self.num_accepted + self.num_rejected

    @property
    def accept_rate(self) -> float:
        """The share of the decided that is accepted; 0 of none."""
        return self.num_accepted / self.num_decided if self.num_decided else 0.0


def sample_rows(crops: CropTable, params: ReviewParams) -> list[int]:
    """The rows that the gate "sample" asks about, ascending; none for another gate.

    Each crop is drawn by a hash of the seed, its picture and its place among the picture's crops:
    a new picture displaces one of the sample at most, and a window that moves a little none.
    """
    if params.gate != "sample":
        return []
    windows = zip(*(crops.column(name) for name in WINDOW), strict=True)
    places: Counter[str] = Counter()
    draws: list[tuple[str, int]] = []
    pictures = crops.column("sha256")
    for (sha256, _), row in sorted(
        zip(zip(pictures, windows, strict=True), range(len(crops)), strict=True)
    ):
        key = f"{params.seed}:{sha256}:{places[sha256]}"
        places[sha256] += 1
        draws.append((hashlib.sha256(key.encode()).hexdigest(), row))
    return sorted(row for _, row in sorted(draws)[: params.sample_size])


def sample_state(rows: Sequence[int], decisions: Sequence[Decision | None]) -> SampleState:
    """How many rows of the sample are decided, and how; `decisions` is of all crops, by row."""
    counts = Counter(str(found.decision) for row in rows if (found := decisions[row]) is not None)
    return SampleState(len(rows), counts[ACCEPT], counts[REJECT])


def check_sample(
    rows: Sequence[int],
    decisions: Sequence[Decision | None],
    *,
    subject: str,
    params: ReviewParams,
) -> SampleState:
    """The state of a sample that lets the rest go on.

    Raises:
        ReviewNeededError: some of it is undecided, or too little of it was accepted.
    """
    state = sample_state(rows, decisions)
    if state.num_decided < state.size:
        raise ReviewNeededError(
            f"{state.size - state.num_decided} of the {state.size} crops sampled from {subject!r} "
            f"are not decided (review.gate: sample); run: wunderkammer review {subject}"
        )
    if state.accept_rate < params.min_accept_rate:
        found = [decisions[row] for row in rows]
        reasons = Counter(d.reason or "no reason" for d in found if d and d.decision == REJECT)
        named = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common())
        raise ReviewNeededError(
            f"{state.num_accepted} of the {state.size} crops sampled from {subject!r} are "
            f"accepted, {state.accept_rate:.1%}, below review.min_accept_rate "
            f"{params.min_accept_rate:.1%} (rejected: {named}); correct the sections `detect` and "
            f"`filter` of {subject}.yaml, or look at more: wunderkammer review {subject}"
        )
    return state
