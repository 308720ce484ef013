"""The review of one subject by one process: it takes decisions, and learns of those of others."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from wunderkammer.params import Params
from wunderkammer.review.crop_table import crop_table, current_crops
from wunderkammer.review.decision import UNDO, Box, Decision, DecisionId, Proposal
from wunderkammer.review.deck import Deck
from wunderkammer.review.gate import sample_rows
from wunderkammer.review.journal import Journal
from wunderkammer.review.params import Reason, ReviewParams
from wunderkammer.review.standing import Standing
from wunderkammer.storage.store import Store
from wunderkammer.storage.versions import Versions

# A page that was opened before the crops changed may still have decisions to send.
MAX_DECKS = 4
MAX_BATCH = 500
# How often, at most, the store is asked for the decisions of other processes.
POLL_S = 0.5

Json = dict[str, Any]


class Wish(Params):
    """A decision as the page asks for it. The page draws `id`, so that it may send it twice."""

    id: DecisionId
    row: Annotated[int, Field(ge=0)]
    decision: Literal["accept", "reject", "undo"]
    reason: Reason | None = None
    undoes: DecisionId | None = None
    window: Box | None = None
    object_box: Box | None = None


class Wishes(Params):
    """Decisions about crops of one version, in the order in which they were made."""

    version: str
    since: Annotated[int, Field(ge=0)]
    decisions: Annotated[tuple[Wish, ...], Field(min_length=1, max_length=MAX_BATCH)]


class RefusedError(ValueError):
    """A wish that can't be meant; it says why."""


class Session:
    """What the page of one subject talks to; safe to use from several threads."""

    def __init__(
        self,
        store: Store,
        subject: str,
        *,
        params: ReviewParams,
        min_side_px: int,
        reviewer: str,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.subject = subject
        self.params = params
        self.min_side_px = min_side_px
        self.reviewer = reviewer
        self._versions = Versions(store)
        self._journal = Journal(store, subject)
        self._standing = Standing(min_same_iou=params.min_same_iou)
        self._clock = clock
        self._lock = threading.RLock()
        self._decks: OrderedDict[str, Deck] = OrderedDict()
        self._known: dict[str, Decision] = {}
        self._order = 0
        self._polled_at = float("-inf")

    def deck(self, version: str | None = None) -> Deck:
        """The crops of a version that the page has seen; without one, of the version in force.

        Raises:
            NothingToReviewError: there are no crops.
            RefusedError: the version was never shown, or long ago.
        """
        with self._lock:
            if version is not None:
                if version not in self._decks:
                    raise RefusedError(f"no crops of version {version[:32]!r} are open; reload")
                return self._decks[version]
            self._poll()
            record = current_crops(self._versions, self.subject)
            if record.version not in self._decks:
                crops = crop_table(self._versions, record)
                sample = sample_rows(crops, self.params)
                self._decks[record.version] = Deck(crops, self._standing, sample=sample)
            self._decks.move_to_end(record.version)
            while len(self._decks) > MAX_DECKS:
                self._decks.popitem(last=False)
            return self._decks[record.version]

    def opening(self) -> Json:
        """All that a page needs when it opens."""
        deck = self.deck()
        return {
            "subject": self.subject,
            "reviewer": self.reviewer,
            "gate": self.params.gate,
            "min_accept_rate": self.params.min_accept_rate,
            "reasons": self.params.reasons,
            "min_side_px": self.min_side_px,
            **deck.payload(),
        }

    def changes(self, version: str, since: int) -> Json:
        """What has changed after revision `since`, by whomever, and which crops are in force."""
        with self._lock:
            deck = self.deck(version)
            self._poll()
            return {
                "revision": deck.revision,
                "current": current_crops(self._versions, self.subject).version,
                "rows": deck.changes(since),
            }

    def decide(self, wishes: Wishes) -> Json:
        """Keep decisions for good, then say what has changed; one that is known changes nothing.

        Raises:
            RefusedError: one of them can't be meant; none is kept.
            OSError: they could not be written.
        """
        with self._lock:
            deck = self.deck(wishes.version)
            new: dict[str, Decision] = {}
            for wish in wishes.decisions:
                if wish.id not in self._known and wish.id not in new:
                    new[wish.id] = self._decision(wish, deck, new)
            if new:
                self._journal.append(list(new.values()))
                self._take_in(list(new.values()))
            return self.changes(wishes.version, wishes.since)

    def history(self, version: str, row: int) -> list[Decision]:
        """All that was ever decided of a crop or its picture, oldest first."""
        with self._lock:
            proposal = self.deck(version).crops.proposal(row)
            about = [
                decision
                for decision in self._known.values()
                if decision.proposal.sha256 == proposal.sha256
                or decision.proposal.crop_sha256 == proposal.crop_sha256
            ]
        return sorted(about, key=lambda decision: decision.rank)

    def _poll(self) -> None:
        """Take in what other processes have written since, unless that was just done."""
        now = time.monotonic()
        if now - self._polled_at >= POLL_S:
            self._take_in(self._journal.refresh())
            self._polled_at = time.monotonic()

    def _take_in(self, decisions: Sequence[Decision]) -> None:
        new = [decision for decision in decisions if self._standing.add(decision)]
        for decision in new:
            self._known[decision.id] = decision
            self._order = max(self._order, decision.order)
        for deck in self._decks.values():
            deck.take_in(new, self._standing)

    def _decision(self, wish: Wish, deck: Deck, new: dict[str, Decision]) -> Decision:
        if wish.row >= len(deck.crops):
            raise RefusedError(f"row {wish.row}: there are {len(deck.crops)} crops")
        proposal = deck.crops.proposal(wish.row)
        if wish.decision == UNDO:
            undone = self._known.get(wish.undoes or "") or new.get(wish.undoes or "")
            if undone is None or undone.decision == UNDO:
                raise RefusedError(f"undoes {wish.undoes!r}: there is no such decision")
            # What it takes back may have been about a window of another version.
            proposal = undone.proposal
        for box in (wish.window, wish.object_box):
            _check_within(box, proposal)
        self._order += 1
        return Decision(
            id=wish.id,
            order=self._order,
            time=self._clock().isoformat(timespec="milliseconds"),
            reviewer=self.reviewer,
            decision=wish.decision,
            reason=wish.reason,
            undoes=wish.undoes,
            proposal=proposal,
            window=None if wish.window == proposal.window else wish.window,
            object_box=None if wish.object_box == proposal.object_box else wish.object_box,
        )


def _check_within(box: Box | None, proposal: Proposal) -> None:
    """A correction may reach beyond the picture no further than what was proposed."""
    if box is None:
        return
    window = proposal.window
    x0, y0 = min(0.0, window.x0), min(0.0, window.y0)
    x1, y1 = max(proposal.width, window.x1), max(proposal.height, window.y1)
    if box.x0 < x0 or box.y0 < y0 or box.x1 > x1 or box.y1 > y1:
        raise RefusedError(
            f"the box {box.x0:g}, {box.y0:g} to {box.x1:g}, {box.y1:g} reaches out of the "
            f"picture's {proposal.width} x {proposal.height} px"
        )
