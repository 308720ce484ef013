"""Rules as cuts through measures, on whole columns: a changed rule costs no decoding."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

# The columns of measures are named so in tables and manifests.
MEASURE = "measure/"


@dataclass(frozen=True, kw_only=True)
class Cut:
    """What a measure must be at least, or at most.

    Attributes:
        measure: its name.
        reason: of the rejection.
        words: what is measured, and the setting that says so.
    """

    measure: str
    reason: str
    words: str
    at_least: float | None = None
    at_most: float | None = None

    @property
    def limit(self) -> float:
        """The limit, whichever it is."""
        limit = self.at_least if self.at_least is not None else self.at_most
        assert limit is not None
        return limit

    def fails(self, values_N: Floats) -> Bools:
        """Which values are beyond the limit; NaN, not measured, is not."""
        if self.at_least is not None:
            return np.less(values_N, self.at_least)
        return np.greater(values_N, self.limit)


@dataclass(frozen=True)
class Verdicts:
    """For each row why it is rejected (null: it is not), what was measured, and the limit."""

    reason: pa.Array
    measured: pa.Array
    limit: pa.Array
    detail: pa.Array


def measure(table: pa.Table, name: str) -> Floats:
    """A measure of each row, NaN where there is none."""
    if MEASURE + name not in table.column_names:
        return np.full(table.num_rows, np.nan)
    return np.asarray(table[MEASURE + name].to_numpy(zero_copy_only=False), np.float64)


def judge(table: pa.Table, cuts: Sequence[Cut]) -> Verdicts:
    """The first cut that each row fails, in the order of `cuts`."""
    first_N = np.full(table.num_rows, -1)
    measured_N = np.full(table.num_rows, np.nan)
    for number, cut in enumerate(cuts):
        values_N = measure(table, cut.measure)
        own_N = (first_N < 0) & cut.fails(values_N)
        first_N[own_N] = number
        measured_N[own_N] = values_N[own_N]
    kept_N = first_N < 0

    def of_cut(name: str, kind: pa.DataType) -> pa.Array:
        values = pa.array([*(getattr(cut, name) for cut in cuts), None], kind)
        return values.take(pa.array(np.where(kept_N, len(cuts), first_N)))

    return Verdicts(
        reason=of_cut("reason", pa.string()),
        measured=pa.array(measured_N, pa.float64(), mask=kept_N),
        limit=of_cut("limit", pa.float64()),
        detail=of_cut("words", pa.string()),
    )
