"""Cosines between embeddings, exact, in blocks of bounded memory.

Shapes: N crops, M examples, K numbers an embedding; B rows of a block, G groups of its columns,
S columns of a group.
"""

from math import ceil, isqrt

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

BLOCK_BYTES = 64_000_000


def unit(vectors_NK: npt.NDArray[np.floating]) -> Floats:
    """The vectors at length 1; none may be 0."""
    wide_NK = vectors_NK.astype(np.float32)
    return np.asarray(wide_NK / np.linalg.norm(wide_NK, axis=1, keepdims=True), np.float32)


def nearest(units_NK: Floats, examples_MK: Floats) -> tuple[Floats, Ints]:
    """The cosine to the nearest example, and which that is; all of length 1."""
    cosine_N = np.empty(len(units_NK), np.float32)
    which_N = np.empty(len(units_NK), np.int64)
    num_rows = max(1, BLOCK_BYTES // (4 * len(examples_MK)))
    for start in range(0, len(units_NK), num_rows):
        block = slice(start, start + num_rows)
        cosines_BM = units_NK[block] @ examples_MK.T
        which_N[block] = cosines_BM.argmax(axis=1)
        cosine_N[block] = cosines_BM.max(axis=1)
    return np.clip(cosine_N, -1, 1), which_N


def outlier_scores(units_NK: Floats, *, k: int) -> Floats:
    """How far each vector lies from the `k` nearest others; all of length 1.

    score(i) = 1/k * sum over the k others j of the largest cosines of (1 - x_i . x_j), of 0 to 2;
    the mean distance to the k nearest neighbours (Angiulli and Pizzuti, "Fast outlier detection in
    high dimensional spaces", PKDD 2002). With fewer than k others all of them count; of a vector
    without any the score is NaN. It takes N² K operations and no more than some 64 MB.
    """
    num = len(units_NK)
    k = min(k, num - 1)
    if k < 1:
        return np.full(num, np.nan, np.float32)
    # About as many groups as columns in each, but k groups at least: the k largest of a row lie in
    # those k groups that have the largest maxima, and only these are searched.
    num_groups = max(isqrt(num), k)
    size = ceil(num / num_groups)
    score_N = np.empty(num, np.float32)
    num_rows = max(1, BLOCK_BYTES // (4 * num_groups * size))
    buffer_BC = np.full((min(num_rows, num), num_groups * size), -np.inf, np.float32)
    for start in range(0, num, num_rows):
        rows = np.arange(start, min(start + num_rows, num))
        cosines_BC = buffer_BC[: len(rows)]
        np.matmul(units_NK[rows], units_NK.T, out=cosines_BC[:, :num])
        cosines_BC[np.arange(len(rows)), rows] = -np.inf
        largest_Bk = _largest(cosines_BC.reshape(len(rows), num_groups, size), k=k)
        score_N[rows] = 1 - np.clip(largest_Bk, -1, 1).mean(axis=1, dtype=np.float64)
    return score_N


def _largest(cosines_BGS: Floats, *, k: int) -> Floats:
    """The k largest of each row, in no order."""
    num_rows, num_groups, _ = cosines_BGS.shape
    maxima_BG = cosines_BGS.max(axis=2)
    groups_Bk = np.argpartition(maxima_BG, num_groups - k, axis=1)[:, num_groups - k :]
    found_BC = np.take_along_axis(cosines_BGS, groups_Bk[:, :, None], axis=1).reshape(num_rows, -1)
    return np.partition(found_BC, found_BC.shape[1] - k, axis=1)[:, found_BC.shape[1] - k :]
