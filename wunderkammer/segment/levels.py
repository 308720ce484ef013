"""Thresholds of 8-bit grey from its histogram alone: scikit-image's, without its pass over pixels.

Yen, Chang, Chang 1995, A new criterion for automatic multilevel thresholding, IEEE Transactions on
Image Processing 4(3), equation 6; Otsu 1979, A threshold selection method from gray-level
histograms, IEEE Transactions on Systems, Man and Cybernetics 9(1), equation 18.
"""

import cv2
import numpy as np
import numpy.typing as npt
from skimage import filters

from wunderkammer.segment.box import Bools, Bytes
from wunderkammer.segment.params import Method

Counts = npt.NDArray[np.float32]

NUM_LEVELS = 256
# So many standard deviations of the background's noise are no specimen: 6 pixels in 100,000.
NOISE_FLOOR = 4.0
# The median of the absolute value of normal noise is its standard deviation divided by this.
MEDIAN_TO_DEVIATION = 1.4826


def histogram(grey_HW: Bytes, *, use_HW: Bools | None = None) -> Counts:
    """How often each of 256 levels occurs, where `use_HW` is true if it is given."""
    mask_HW = None if use_HW is None else use_HW.view(np.uint8)
    counts = cv2.calcHist([grey_HW], [0], mask_HW, [NUM_LEVELS], [0, NUM_LEVELS])
    return np.asarray(counts, np.float32).ravel()


def above(grey_HW: Bytes, level: int) -> Bools:
    """Where the grey is above a level."""
    _, mask_HW = cv2.threshold(grey_HW, level, 1, cv2.THRESH_BINARY)
    return np.asarray(mask_HW, np.uint8).view(np.bool_)


def threshold(counts: Counts, *, method: Method, contrast_share: float) -> int:
    """The level above which pixels are foreground; of a picture of one grey, that grey.

    Yen's and Otsu's are exactly scikit-image's for the same uint8 picture. `contrast` takes the
    counts for those of differences from the background.
    """
    present = np.flatnonzero(counts)
    if present.size == 1:
        return int(present[0])
    levels = np.arange(NUM_LEVELS)
    if method == "yen":
        # A last level of one pixel in millions leaves nothing above it in 32 bits: log(0).
        with np.errstate(divide="ignore"):
            return int(filters.threshold_yen(hist=(counts, levels)))  # type: ignore[no-untyped-call]
    otsu = int(filters.threshold_otsu(hist=(counts, levels)))  # type: ignore[no-untyped-call]
    return otsu if method == "otsu" else _contrast(counts, otsu, share=contrast_share)


def _contrast(counts: Counts, otsu: int, *, share: float) -> int:
    """`share` of the median difference of what Otsu takes for foreground, above the noise."""
    foreground = np.where(np.arange(NUM_LEVELS) > otsu, counts, 0)
    noise = MEDIAN_TO_DEVIATION * _median(counts - foreground) + 0.5
    floor = round(NOISE_FLOOR * noise)
    return max(min(otsu, round(share * _median(foreground))), min(otsu, floor))


def _median(counts: npt.NDArray[np.floating]) -> int:
    total = np.cumsum(counts, dtype=np.float64)
    return int(np.searchsorted(total, total[-1] / 2))
