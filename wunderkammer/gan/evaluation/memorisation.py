"""Whether a generator draws its training pictures again.

Each generated picture is put beside the nearest training picture. A copy is far nearer to one
training picture than to the next ones; what is new is about as far from several. So the score of a
picture is

    distance to the nearest / mean distance to the 10 next nearest

after the test of arXiv 2301.13188, section 5, which blames no picture for being smooth: a blurred
one is near to many. The same score of real pictures that were not trained on says how small it
gets without any copying.

Shapes: N pictures that are looked up, M training pictures, D numbers that stand for one.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from wunderkammer.gan.evaluation.pictures import Floats, Indices, Pictures
from wunderkammer.gan.evaluation.two_samples import squared_distances

Embed = Callable[[Pictures], Floats]

NUM_NEXT = 10
MIN_TRAINING = NUM_NEXT + 2
PICTURES_AT_ONCE = 1024
SIDE_PX = 32

# The share of pictures that lies below the threshold without any copying.
QUANTILE = 0.01
# So many times as large a share is taken for memorisation.
MAX_TIMES_EXPECTED = 5.0


@dataclass(frozen=True)
class Nearest:
    """The nearest training picture of each picture, how far it is, and the score."""

    index_N: Indices
    distance_N: Floats
    score_N: Floats

    def part(self, rows: slice) -> "Nearest":
        """Those of some of the pictures."""
        return Nearest(self.index_N[rows], self.distance_N[rows], self.score_N[rows])


@dataclass(frozen=True)
class Verdict:
    """Which share of the pictures has the score of a copy, and which would without copying."""

    share: float
    expected: float
    threshold: float

    @property
    def is_memorised(self) -> bool:
        """Whether far more pictures look like copies than chance explains."""
        return self.share > MAX_TIMES_EXPECTED * self.expected


def look_up(
    query_ND: Floats, training_MCHW: Pictures, embed: Embed, *, mirror: bool, own_N: Indices
) -> Nearest:
    """The nearest training picture of each embedded picture, by root mean squared difference.

    The training pictures are embedded a block at a time. With `mirror` each counts both ways
    round. `own_N` tells which training picture a looked-up one is itself, -1 for none: one is not
    its own neighbour.

    Raises:
        ValueError: there are too few training pictures for the score.
    """
    if len(training_MCHW) < MIN_TRAINING:
        raise ValueError(
            f"{len(training_MCHW)} training pictures; to tell copies from neighbours takes at "
            f"least {MIN_TRAINING}"
        )
    best_NK = np.full((len(query_ND), NUM_NEXT + 1), np.inf, np.float32)
    index_N = np.zeros(len(query_ND), np.int64)
    for start in range(0, len(training_MCHW), PICTURES_AT_ONCE):
        block_BCHW = training_MCHW[start : start + PICTURES_AT_ONCE]
        squared_NB = squared_distances(query_ND, embed(block_BCHW))
        if mirror:
            mirrored_NB = squared_distances(query_ND, embed(block_BCHW[..., ::-1]))
            np.minimum(squared_NB, mirrored_NB, out=squared_NB)
        (rows,) = np.nonzero((own_N >= start) & (own_N < start + len(block_BCHW)))
        squared_NB[rows, own_N[rows] - start] = np.inf
        is_nearer_N = squared_NB.min(axis=1) < best_NK[:, 0]
        index_N[is_nearer_N] = start + squared_NB.argmin(axis=1)[is_nearer_N]
        joined = np.concatenate([best_NK, squared_NB], axis=1)
        best_NK = np.sort(np.partition(joined, NUM_NEXT, axis=1)[:, : NUM_NEXT + 1], axis=1)
    distance_NK = np.sqrt(best_NK / query_ND.shape[1])
    next_N = distance_NK[:, 1:].mean(axis=1)
    score_N = np.divide(distance_NK[:, 0], next_N, out=np.ones_like(next_N), where=next_N > 0)
    return Nearest(index_N, distance_NK[:, 0], score_N)


def judge(fake: Nearest, reference: Nearest) -> Verdict:
    """Compare the fakes' scores with those of real pictures that are no copies.

    Below the k-th smallest of n reference scores lie, without copying, k / (n + 1) of all scores
    in the mean; k is the hundredth part of n, at least 1. With k = 1 the share is five times that
    by chance in e^-5 = 0.7 % of cases, with more references hardly ever.
    """
    num = len(reference.score_N)
    rank = max(1, int(QUANTILE * (num + 1)))
    threshold = float(np.partition(reference.score_N, rank - 1)[rank - 1])
    share = float((fake.score_N < threshold).mean())
    return Verdict(share=share, expected=rank / (num + 1), threshold=threshold)


def thumbnails(images_NCHW: Pictures) -> Floats:
    """Pictures as a person at a distance sees them: brightness at 32 px, colour at 16 px.

    Y, Cb, Cr of ITU-R BT.601, area means, [N, D], -1 to 1; opacity counts as brightness does.
    """
    num, channels = images_NCHW.shape[:2]
    small_NCHW = _area_means(images_NCHW.astype(np.float32) / 127.5 - 1, SIDE_PX)
    if channels < 3:
        return small_NCHW.reshape(num, -1)
    red_N1HW, green_N1HW, blue_N1HW = (small_NCHW[:, c : c + 1] for c in range(3))
    luma_N1HW = 0.299 * red_N1HW + 0.587 * green_N1HW + 0.114 * blue_N1HW
    chroma = [0.564 * (blue_N1HW - luma_N1HW), 0.713 * (red_N1HW - luma_N1HW)]
    chroma_N2HW = _area_means(np.concatenate(chroma, axis=1), SIDE_PX // 2)
    parts = (luma_N1HW, chroma_N2HW, small_NCHW[:, 3:])
    return np.concatenate([part.reshape(num, -1) for part in parts], axis=1)


def _area_means(x_NCHW: Floats, side: int) -> Floats:
    """Means over whole blocks, so that the side is at most `side`."""
    num, channels, height, width = x_NCHW.shape
    factor = max(1, height // side)
    blocks = x_NCHW.reshape(num, channels, height // factor, factor, width // factor, factor)
    means: Floats = blocks.mean(axis=(3, 5))
    return means
