"""Whether a generator draws its training pictures again.

Each generated picture is put beside the nearest training picture. A copy is far nearer to one
training picture than to the next ones; what is new is about as far from several. So the score of a
picture is

    distance to the nearest / mean distance to the K next nearest

after the test of arXiv 2301.13188, section 5, which no picture passes by being smooth: a blurred
picture is near to many. The same score of real pictures that were not trained on says how small it
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
PICTURES_AT_ONCE = 1024
SIDE_PX = 32

# The share of the pictures without any copying that count as copies all the same.
QUANTILE = 0.01
# So many times as large a share is taken for memorisation.
MAX_TIMES_EXPECTED = 5.0


@dataclass(frozen=True)
class Nearest:
    """The nearest training picture of each picture, how far it is, and the score."""

    index_N: Indices
    distance_N: Floats
    score_N: Floats


@dataclass(frozen=True)
class Verdict:
    """How many pictures are copies by their score, and how many would be without copying."""

    share: float
    expected: float
    threshold: float

    @property
    def is_memorised(self) -> bool:
        """Whether far more pictures are copies than chance explains."""
        return self.share > MAX_TIMES_EXPECTED * self.expected


def look_up(
    pictures_NCHW: Pictures,
    training_MCHW: Pictures,
    embed: Embed,
    *,
    mirror: bool,
    own_N: Indices | None = None,
) -> Nearest:
    """The nearest training picture of each picture in the space of `embed`, by RMS difference.

    The training pictures are embedded a block at a time. With `mirror` each counts both ways
    round. `own_N` are the numbers of training pictures that are looked up themselves: one is not
    its own neighbour.
    """
    query_ND = embed(pictures_NCHW)
    num_kept = min(NUM_NEXT + 1, len(training_MCHW) - (own_N is not None))
    best_NK = np.full((len(query_ND), num_kept), np.inf, np.float32)
    index_N = np.zeros(len(query_ND), np.int64)
    for start in range(0, len(training_MCHW), PICTURES_AT_ONCE):
        block_BCHW = training_MCHW[start : start + PICTURES_AT_ONCE]
        squared_NB = squared_distances(query_ND, embed(block_BCHW))
        if mirror:
            flipped_BD = embed(block_BCHW[..., ::-1])
            np.minimum(squared_NB, squared_distances(query_ND, flipped_BD), out=squared_NB)
        if own_N is not None:
            (is_here,) = np.nonzero((own_N >= start) & (own_N < start + len(block_BCHW)))
            squared_NB[is_here, own_N[is_here] - start] = np.inf
        is_nearer_N = squared_NB.min(axis=1) < best_NK[:, 0]
        index_N[is_nearer_N] = start + squared_NB.argmin(axis=1)[is_nearer_N]
        joined = np.concatenate([best_NK, squared_NB], axis=1)
        best_NK = np.sort(np.partition(joined, num_kept - 1, axis=1)[:, :num_kept], axis=1)
    distance_NK = np.sqrt(best_NK / query_ND.shape[1])
    next_N = distance_NK[:, 1:].mean(axis=1)
    score_N = distance_NK[:, 0] / np.where(next_N > 0, next_N, 1)
    return Nearest(index_N, distance_NK[:, 0], score_N)


def judge(fake: Nearest, reference: Nearest) -> Verdict:
    """Compare the fakes' scores with those of real pictures that are no copies.

    Below the k-th smallest of n reference scores lie, without copying, k / (n + 1) of all scores
    in the mean. k is the 1st percentile, or 1.
    """
    num = len(reference.score_N)
    rank = max(1, int(QUANTILE * (num + 1)))
    threshold = float(np.partition(reference.score_N, rank - 1)[rank - 1])
    share = float((fake.score_N < threshold).mean())
    return Verdict(share=share, expected=rank / (num + 1), threshold=threshold)


def thumbnails(images_NCHW: Pictures) -> Floats:
    """Pictures as a person at a distance sees them: brightness at 32 px, colour at 16 px.

    Y, Cb, Cr of ITU-R BT.601, area means; grey and opacity count as brightness. [N, D], -1 to 1.
    """
    num, channels = images_NCHW.shape[:2]
    small_NCHW = _area_mean(images_NCHW.astype(np.float32) / 127.5 - 1, SIDE_PX)
    if channels < 3:
        return small_NCHW.reshape(num, -1)
    luma_N1HW, chroma_N2HW = _luma_and_chroma(small_NCHW[:, :3])
    parts = (luma_N1HW, _area_mean(chroma_N2HW, SIDE_PX // 2), small_NCHW[:, 3:])
    return np.concatenate([part.reshape(num, -1) for part in parts], axis=1)


def _luma_and_chroma(rgb_N3HW: Floats) -> tuple[Floats, Floats]:
    weights_3 = np.array([0.299, 0.587, 0.114], np.float32)
    luma_N1HW = np.einsum("nchw,c->nhw", rgb_N3HW, weights_3)[:, None]
    red_N1HW, blue_N1HW = rgb_N3HW[:, :1] - luma_N1HW, rgb_N3HW[:, 2:] - luma_N1HW
    return luma_N1HW, np.concatenate([blue_N1HW * 0.564, red_N1HW * 0.713], axis=1)


def _area_mean(x_NCHW: Floats, side: int) -> Floats:
    """Means over whole blocks, so that the side is at most `side`."""
    num, channels, height, width = x_NCHW.shape
    factor = max(1, height // side)
    blocks = x_NCHW.reshape(num, channels, height // factor, factor, width // factor, factor)
    means: Floats = blocks.mean(axis=(3, 5))
    return means
