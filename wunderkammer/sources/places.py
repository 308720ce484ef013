"""How many pictures may still be taken in."""

from math import ceil
from threading import Lock

import pyarrow as pa
import pyarrow.compute as pc

from wunderkammer.manifests import kept

# The reason of an item that `max_images` leaves out; alone of all, it has taken no place.
BEYOND_CAP = "beyond_max_images"


class Places:
    """Places for items that are looked at; a rejected item gives its place back.

    So the items that a cap lets in are the first ones that can be kept, in the order of the
    listing, and nothing is read or fetched beyond them. Thread-safe. None: no cap.
    """

    def __init__(self, cap: int | None, *, is_final: bool = True) -> None:
        self._lock = Lock()
        self._cap = cap
        self._num_taken = 0
        self._num_kept = 0
        self._num_decided = 0
        self._num_listed: int | None = None
        self._is_final = is_final

    @property
    def cap(self) -> int | None:
        """How many places there are; None: any number."""
        return self._cap

    def take(self, num_wanted: int) -> int:
        """Take up to `num_wanted` places; returns how many were free."""
        with self._lock:
            free = num_wanted if self._cap is None else max(self._cap - self._num_taken, 0)
            num_given = min(num_wanted, free)
            self._num_taken += num_given
            return num_given

    def settle(self, rows: pa.Table) -> None:
        """Take note of decided items: a kept one stays in its place, a rejected one leaves it."""
        counted = rows.filter(pc.not_equal(pc.fill_null(rows["reason"], ""), BEYOND_CAP))
        num_kept = kept(counted).num_rows
        with self._lock:
            self._num_kept += num_kept
            self._num_decided += counted.num_rows
            self._num_taken -= counted.num_rows - num_kept

    def expect(self, num_items: int | None) -> None:
        """Take note of how many items the source has, as far as it knows now."""
        with self._lock:
            self._num_listed = num_items

    @property
    def num_expected(self) -> int | None:
        """How many items will have been decided in the end, as far as can be told; None: it can't.

        A source may count what has several pictures: beyond its own number nothing can be told.
        With a cap as many as fill it, if as many are rejected as so far.
        """
        with self._lock:
            listed = self._num_listed
            if listed is not None and self._num_decided > listed:
                listed = None
            if self._cap is None:
                return listed
            needed = max(self._cap, self._num_kept)
            if self._num_kept:
                needed = ceil(needed * self._num_decided / self._num_kept)
            return needed if listed is None else min(needed, listed)

    @property
    def are_full(self) -> bool:
        """Whether every place is kept for good."""
        return self._is_final and self.are_kept

    @property
    def are_kept(self) -> bool:
        """Whether every place that there is now holds a kept item."""
        with self._lock:
            return self._cap is not None and self._num_kept >= self._cap

    @property
    def are_settled(self) -> bool:
        """Whether every item that has taken a place is decided."""
        with self._lock:
            return self._num_taken == self._num_kept

    def occupy(self, num_places: int) -> None:
        """Keep up to so many free places for items of before that are kept, but not given now."""
        num_given = self.take(num_places)
        with self._lock:
            self._num_kept += num_given

    def give_up(self) -> int:
        """Give the free places up; returns how many."""
        with self._lock:
            if self._cap is None:
                return 0
            num_free = self._cap - self._num_taken
            self._cap -= num_free
            return num_free

    def add(self, num_places: int) -> None:
        """Make room for more."""
        with self._lock:
            if self._cap is not None:
                self._cap += num_places

    def close(self) -> None:
        """No place will be added any more."""
        self._is_final = True
