"""By how much the lines of a page lean.

Postl (US patent 4,723,297, 1988) and Bloomberg, Kopec and Dasari ("Measuring document image skew
and orientation", SPIE 2422, 1995): among all shears of the ink, the one that stands the lines
upright has the row sums that differ most from row to row.

The ink is summed in vertical strips once, and the sums are moved in the frequency domain, exact to
a fraction of a pixel. With strip s at the distance d_s from the middle,

    score(a) = sum_k |sum_s F_s(k) exp(2 pi i k d_s a / N)|^2

where F_s are the frequencies of the differences of neighbouring row sums, is by Parseval's theorem
the squared sum of these differences for the slope a.
"""

from dataclasses import dataclass
from math import atan, degrees, radians, tan

import cv2
import numpy as np
import numpy.typing as npt

from wunderkammer.pages.turning import turned_mask

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

STRIP_PX = 16
COARSE_STEP_DEG = 0.2
FINE_STEP_DEG = 0.05
FINE_REACH_DEG = 0.6
# Finer structure than this is halftone and noise, coarser is layout.
MIN_PERIOD_PX = 4.0
MAX_PERIOD_PX = 64.0
MIN_SIDE_PX = 64
# The error is that between stretches of the page of this height, each with a few lines.
BAND_PX = 64
MIN_BANDS = 3
MIN_BAND_INK = 0.05
UNKNOWN_DEG = 90.0


@dataclass(frozen=True)
class Skew:
    """How to stand lines upright: `angle_deg` counter-clockwise.

    `error_deg` is its standard error, 90 where there are not enough lines to tell.
    `contrast` is the best score over the median of all: 1 for noise, 2 or 3 for drawings, 4 to 100
    for lines of text. `sideways` is the contrast of lines that run down over that of lines that run
    across.
    """

    angle_deg: float
    error_deg: float
    contrast: float
    sideways: float


def find_skew(ink_HW: Bools, *, max_deg: float) -> Skew:
    """The skew of ink within ±`max_deg` (a little more where the best is at the limit)."""
    if min(ink_HW.shape) < MIN_SIDE_PX or not ink_HW.any():
        return Skew(0.0, UNKNOWN_DEG, 1.0, 1.0)
    rotated_WH = np.rot90(ink_HW)
    across_deg, across = _best_of_all(ink_HW, max_deg=max_deg)
    down_deg, down = _best_of_all(rotated_WH, max_deg=max_deg)
    sideways = down / across
    lines_HW, coarse_deg = (ink_HW, across_deg) if sideways <= 1 else (rotated_WH, down_deg)
    # A strip smears lines that lean; about upright ones it does not.
    fine_deg, error_deg = _refined(turned_mask(lines_HW, coarse_deg))
    return Skew(coarse_deg + fine_deg, error_deg, max(across, down), sideways)


def _best_of_all(ink_HW: Bools, *, max_deg: float) -> tuple[float, float]:
    """The best angle, and its score over the median of all scores."""
    num = max(1, round(max_deg / COARSE_STEP_DEG))
    scores = _scores(ink_HW, step_deg=COARSE_STEP_DEG, num=num)
    contrast = float(scores.max() / max(float(np.median(scores)), 1e-12))
    return _peak_deg(scores, step_deg=COARSE_STEP_DEG), contrast


def _refined(ink_HW: Bools) -> tuple[float, float]:
    """The rest of the angle, and its error by the jackknife (Efron, 1982) over bands."""
    num = round(FINE_REACH_DEG / FINE_STEP_DEG)
    bands = [
        band_HW
        for band_HW in np.array_split(ink_HW, max(1, ink_HW.shape[0] // BAND_PX))
        if band_HW.mean() > MIN_BAND_INK * ink_HW.mean()
    ]
    scores_BA = np.stack([_scores(band_HW, step_deg=FINE_STEP_DEG, num=num) for band_HW in bands])
    total_A = scores_BA.sum(axis=0)
    best_deg = _peak_deg(total_A, step_deg=FINE_STEP_DEG)
    if len(bands) < MIN_BANDS:
        return best_deg, UNKNOWN_DEG
    without = [_peak_deg(total_A - own_A, step_deg=FINE_STEP_DEG) for own_A in scores_BA]
    return best_deg, min(UNKNOWN_DEG, float(np.std(without) * np.sqrt(len(bands) - 1)))


def _scores(ink_HW: Bools, *, step_deg: float, num: int) -> Floats:
    """The score of each slope from -num to num steps."""
    height, width = ink_HW.shape
    step = tan(radians(step_deg))
    num_strips = width // STRIP_PX
    used_HW = ink_HW[:, : num_strips * STRIP_PX].astype(np.float32)
    sums_SH = cv2.resize(used_HW, (num_strips, height), interpolation=cv2.INTER_AREA).T
    size = cv2.getOptimalDFTSize(height + int(width * num * step) + 1)
    frequencies = np.arange(int(np.ceil(size / MAX_PERIOD_PX)), int(size / MIN_PERIOD_PX) + 1)
    # Differences first: the frame, where ink ends because the scan does, is no line.
    spectra_SK = np.fft.rfft(np.diff(sums_SH), size)[:, frequencies]
    middle_S = STRIP_PX * (np.arange(num_strips) - (num_strips - 1) / 2)
    turn_SK = np.exp(2j * np.pi * step / size * np.outer(middle_S, frequencies))
    shifted_SK = spectra_SK * turn_SK ** (-num)
    scores_A = np.empty(2 * num + 1)
    for i in range(2 * num + 1):
        scores_A[i] = (np.abs(shifted_SK.sum(axis=0)) ** 2).sum()
        shifted_SK *= turn_SK
    return scores_A


def _peak_deg(scores_A: Floats, *, step_deg: float) -> float:
    """The angle of the best score, by the parabola through it and its neighbours."""
    num = scores_A.size // 2
    best = int(np.argmax(scores_A))
    offset = 0.0
    if 0 < best < scores_A.size - 1:
        left, middle, right = scores_A[best - 1 : best + 2]
        bend = left - 2 * middle + right
        offset = float(0.5 * (left - right) / bend) if bend < 0 else 0.0
    return degrees(atan((best - num + offset) * tan(radians(step_deg))))
