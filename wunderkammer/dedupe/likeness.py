"""How alike two pictures are once one is laid over the other: alignment, then SSIM.

A view tells about where one picture lies in the other. The affine map is refined by the enhanced
correlation coefficient (Evangelidis and Psarakis, IEEE TPAMI 30(10), 2008), and what both show is
compared by the contrast and structure of SSIM (Wang, Bovik, Sheikh and Simoncelli, IEEE TIP 13(4),
2004), windows weighed by the information in them as in IW-SSIM (Wang and Li, IEEE TIP 20(5), 2011),
so that an empty background that both have says little.

Shapes: P px a side of a grey picture, Q px a side at which two are compared.
"""

from contextlib import suppress

import cv2
import numpy as np
import numpy.typing as npt

from wunderkammer.dedupe.views import GREY_PX, View

# Bump when the same two pictures would have another likeness.
LIKENESS_VERSION = 1

COMPARED_PX = 64
ALIGNMENT = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 30, 1e-3)
BLUR_PX = 3
WINDOW_SIGMA_PX = 1.5
# An outline that two objects share is most of what they show; the rest must be alike too.
LOW_SHARE = 0.1
# (K2 L)^2 of SSIM, for values up to L = 255.
STEADY = (0.03 * 255) ** 2
# Less of the smaller picture than this in both is no copy; a grey without contrast tells nothing.
MIN_OVERLAP = 0.6
MIN_CONTRAST = 2.0
MAX_GAIN = 3.0

Floats = npt.NDArray[np.float32]


def likeness(viewed_PP: Floats, other_PP: Floats, *, view: View) -> float:
    """From 0 to 1: how much `other_PP` is what `viewed_PP` shows about the window `view`.

    The structural similarity that nine tenths of what both show exceed; differences of brightness
    and contrast do not count. Above 0.8 for nearly all photographs and their crops, below 0.2 for
    different ones and 0.7 for most objects of one outline on black; 0 for what has too little in
    common or shows nothing.
    """
    size = (COMPARED_PX, COMPARED_PX)
    other_QQ = np.asarray(cv2.resize(other_PP, size, interpolation=cv2.INTER_AREA), np.float32)
    map_23 = _window_map(view)
    everywhere_PP = np.full(viewed_PP.shape, 255, np.uint8)
    # It raises where it finds no better map nearby, as when the first one is the best.
    with suppress(cv2.error):
        _, refined_23 = cv2.findTransformECC(
            other_QQ, viewed_PP, map_23.copy(), cv2.MOTION_AFFINE, ALIGNMENT, everywhere_PP, BLUR_PX
        )
        map_23 = np.asarray(refined_23, np.float32)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    laid_QQ = cv2.warpAffine(viewed_PP, map_23, size, flags=flags)
    covered_QQ = cv2.warpAffine(np.ones_like(viewed_PP), map_23, size, flags=flags)
    return _ssim(np.asarray(laid_QQ, np.float32), other_QQ, shared_QQ=np.asarray(covered_QQ) > 0.99)


def _window_map(view: View) -> Floats:
    """From a pixel's place in the window, at `COMPARED_PX`, to its place in the whole picture."""
    scale = GREY_PX / COMPARED_PX
    # Pixel centres lie at half px.
    left = (view.left + view.width / 2 / COMPARED_PX) * GREY_PX - 0.5
    top = (view.top + view.height / 2 / COMPARED_PX) * GREY_PX - 0.5
    window_33 = np.array([[view.width * scale, 0, left], [0, view.height * scale, top], [0, 0, 1]])
    centre = (GREY_PX - 1) / 2
    turn_23 = cv2.getRotationMatrix2D((centre, centre), -view.angle_deg, 1.0)
    return np.asarray(turn_23 @ window_33, np.float32)


def _ssim(one_QQ: Floats, other_QQ: Floats, *, shared_QQ: npt.NDArray[np.bool_]) -> float:
    """What most of the structure of two pictures exceeds, where both are."""
    if shared_QQ.mean() < MIN_OVERLAP:
        return 0.0
    one_S, other_S = one_QQ[shared_QQ], other_QQ[shared_QQ]
    gain = float(other_S.std() / max(one_S.std(), 1e-6))
    if min(one_S.std(), other_S.std()) < MIN_CONTRAST or not 1 / MAX_GAIN < gain < MAX_GAIN:
        return 0.0
    mask = shared_QQ.astype(np.float32)
    x = (one_QQ - one_S.mean()) * gain
    y = other_QQ - other_S.mean()
    weight = np.maximum(_blurred(mask), 1e-6)

    def local(values: Floats) -> Floats:
        return np.asarray(_blurred(values * mask) / weight, np.float32)

    mean_x, mean_y = local(x), local(y)
    var_x = np.maximum(local(x * x) - mean_x**2, 0)
    var_y = np.maximum(local(y * y) - mean_y**2, 0)
    covariance = local(x * y) - mean_x * mean_y
    # c(x, y) s(x, y) = (2 cov + C) / (var_x + var_y + C)
    structure = (2 * covariance + STEADY) / (var_x + var_y + STEADY)
    information = np.log1p(var_x / STEADY) + np.log1p(var_y / STEADY)
    return max(0.0, _low(structure[shared_QQ], information[shared_QQ]))


def _low(values_S: Floats, weights_S: Floats) -> float:
    """What all but `LOW_SHARE` of the weight exceeds."""
    order = np.argsort(values_S, kind="stable")
    weight = np.cumsum(weights_S[order], dtype=np.float64)
    return float(values_S[order[np.searchsorted(weight, LOW_SHARE * weight[-1])]])


def _blurred(values: Floats) -> Floats:
    return np.asarray(cv2.GaussianBlur(values, (0, 0), WINDOW_SIGMA_PX), np.float32)
