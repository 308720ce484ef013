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

from wunderkammer.pages.turning import turned

Bools = npt.NDArray[np.bool_]
Bytes = npt.NDArray[np.uint8]
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
    upright_HW = turned(lines_HW.astype(np.uint8) * 255, coarse_deg, fill=(0,))
    fine_deg, error_deg = _refined(upright_HW)
    return Skew(coarse_deg + fine_deg, error_deg, max(across, down), sideways)


def _best_of_all(ink_HW: Bools, *, max_deg: float) -> tuple[float, float]:
    """The best angle, and its score over the median of all scores."""
    num = max(1, round(max_deg / COARSE_STEP_DEG))
    (scores_A,) = _scores(ink_HW, num_bands=1, step_deg=COARSE_STEP_DEG, num=num)
    median = float(np.median(scores_A))
    contrast = float(scores_A.max()) / median if median > 0 else 1.0
    return _peak_deg(scores_A, step_deg=COARSE_STEP_DEG), contrast


def _refined(ink_HW: Bytes) -> tuple[float, float]:
    """The rest of the angle, and its error by the jackknife (Efron, 1982) over bands."""
    num = round(FINE_REACH_DEG / FINE_STEP_DEG)
    num_bands = max(1, ink_HW.shape[0] // BAND_PX)
    scores_BA = _scores(ink_HW, num_bands=num_bands, step_deg=FINE_STEP_DEG, num=num)
    ink_B = np.array([band_HW.mean() for band_HW in np.array_split(ink_HW, num_bands)])
    scores_BA = scores_BA[ink_B > MIN_BAND_INK * ink_B.mean()]
    total_A = scores_BA.sum(axis=0)
    best_deg = _peak_deg(total_A, step_deg=FINE_STEP_DEG)
    if len(scores_BA) < MIN_BANDS:
        return best_deg, UNKNOWN_DEG
    without = [_peak_deg(total_A - own_A, step_deg=FINE_STEP_DEG) for own_A in scores_BA]
    error_deg = float(np.std(without) * np.sqrt(len(scores_BA) - 1))
    return best_deg, min(UNKNOWN_DEG, error_deg)


def _scores(ink_HW: Bools | Bytes, *, num_bands: int, step_deg: float, num: int) -> Floats:
    """For each band of rows, the score of each slope from -num to num steps."""
    height, width = ink_HW.shape
    step = tan(radians(step_deg))
    num_strips = width // STRIP_PX
    used_HW = ink_HW[:, : num_strips * STRIP_PX].astype(np.float32)
    sums_HS = cv2.resize(used_HW, (num_strips, height), interpolation=cv2.INTER_AREA)
    # Differences first: the frame, where ink ends because the scan does, is no line.
    bands = np.array_split(np.diff(sums_HS, axis=0), num_bands)
    size = cv2.getOptimalDFTSize(len(bands[0]) + int(width * num * step) + 1)
    frequencies = np.arange(int(np.ceil(size / MAX_PERIOD_PX)), int(size / MIN_PERIOD_PX) + 1)
    spectra = [np.fft.rfft(band_HS, size, axis=0)[frequencies] for band_HS in bands]
    middle_S = STRIP_PX * (np.arange(num_strips) - (num_strips - 1) / 2)
    turn_KS = np.exp(2j * np.pi * step / size * np.outer(frequencies, middle_S))
    shifted_BKS = np.stack(spectra) * turn_KS ** (-num)
    scores_AB = np.empty((2 * num + 1, num_bands))
    for scores_B in scores_AB:
        scores_B[:] = (np.abs(shifted_BKS.sum(axis=2)) ** 2).sum(axis=1)
        shifted_BKS *= turn_KS
    return scores_AB.T


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
