"""Painting over what a mask leaves out."""

from math import ceil

import cv2
import numpy as np
import numpy.typing as npt

from wunderkammer.mask.settings import MaskSettings

Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

# The weight of the farthest background, so that none is divided by nothing.
FAINT = 1e-6


def finished_mask(mask_HW: Floats, settings: MaskSettings) -> Bytes:
    """The mask as it is kept: cut and feathered as the settings say, 255 for the subject."""
    if settings.threshold is not None:
        mask_HW = (mask_HW >= settings.threshold).astype(np.float32)
    if settings.feather_px > 0:
        mask_HW = _blurred(mask_HW, settings.feather_px)
    return np.asarray(np.rint(mask_HW * 255), np.uint8)


def filled(crop_HWC: Bytes, mask_HW: Bytes, settings: MaskSettings) -> Bytes:
    """The crop with its background painted over; `mask_HW` is a finished one."""
    if settings.fill == "none":
        return crop_HWC
    share_HW1 = np.asarray(mask_HW[:, :, None] / 255, np.float32)
    crop = crop_HWC.astype(np.float32)
    background = _background(crop, share_HW1, settings)
    painted = background + share_HW1 * (crop - background)
    return np.asarray(np.rint(painted), np.uint8)


def _background(crop_HWC: Floats, share_HW1: Floats, settings: MaskSettings) -> Floats:
    if settings.fill == "colour":
        return np.array(settings.colour, np.float32)
    weight_HW1 = 1 - share_HW1 + np.float32(FAINT)
    if settings.fill == "mean":
        total_C = (crop_HWC * weight_HW1).sum(axis=(0, 1), dtype=np.float64)
        return np.asarray(total_C / weight_HW1.sum(dtype=np.float64), np.float32)
    # Normalised convolution (Knutsson and Westin, CVPR 1993): the subject does not bleed into it.
    total_HWC = _blurred(crop_HWC * weight_HW1, settings.blur_px)
    total_HW = _blurred(weight_HW1[:, :, 0], settings.blur_px)
    return np.asarray(total_HWC / total_HW[:, :, None], np.float32)


def _blurred(values: Floats, sigma: float) -> Floats:
    side = 2 * ceil(3 * sigma) + 1
    blurred = cv2.GaussianBlur(values, (side, side), sigma, borderType=cv2.BORDER_REFLECT)
    return np.asarray(blurred, np.float32)
