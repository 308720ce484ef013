"""The one cheap number that tells which snapshot of a training is the best."""

import numpy as np

from wunderkammer.gan.evaluation.pictures import Pictures
from wunderkammer.gan.evaluation.sliced_wasserstein import Sizes, patches, pyramid_distances

PATCHES_PER_IMAGE = 32
NUM_DIRECTIONS = 128


class SnapshotMeasure:
    """Mean sliced Wasserstein distance over all levels, against reals that are looked at once.

    Seeded: the same fakes give the same number. Numbers of the same reals, `num` and `seed`
    compare with each other only.

    Args:
        reals_NCHW: the training pictures, uint8; `num` of them are drawn with `seed`.
        num: how many pictures are compared, of each kind.
    """

    def __init__(self, reals_NCHW: Pictures, *, num: int, seed: int) -> None:
        self._num = num
        self._sizes = Sizes(PATCHES_PER_IMAGE, NUM_DIRECTIONS, seed)
        order = np.random.default_rng(seed).permutation(len(reals_NCHW))
        self._reals = patches(reals_NCHW[np.sort(order[:num])], self._sizes)

    def of(self, fakes_NCHW: Pictures) -> float:
        """The distance of generated pictures, uint8, of which the first `num` count.

        Smaller is better; 0 only for the very same pictures. Fewer pictures, of either kind, have
        a larger distance by chance alone.
        """
        fakes = patches(fakes_NCHW[: self._num], self._sizes)
        return float(np.mean(list(pyramid_distances(self._reals, fakes, self._sizes).values())))
