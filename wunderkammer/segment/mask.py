"""Closing gaps of a mask, filling what it encloses, and leaving parts out of it."""

import cv2
import numpy as np

from wunderkammer.segment.box import Bools, Box, frame_of
from wunderkammer.segment.components import Component


def closed(mask_HW: Bools, *, close_px: int, fill_holes: bool) -> Bools:
    """The mask with gaps of up to twice `close_px` closed, and with what it encloses."""
    if close_px > 0:
        # Nothing is beyond the edges, or all that is near them would grow together with them.
        padded_HW = np.pad(mask_HW, close_px).view(np.uint8)
        kernel = np.ones((2 * close_px + 1,) * 2, np.uint8)
        closed_HW = cv2.morphologyEx(padded_HW, cv2.MORPH_CLOSE, kernel)
        inner = slice(close_px, -close_px)
        mask_HW = np.ascontiguousarray(closed_HW[inner, inner]).view(np.bool_)
    if not fill_holes:
        return mask_HW
    outlines, _ = cv2.findContours(
        mask_HW.view(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE
    )
    filled_HW = np.zeros(mask_HW.shape, np.uint8)
    cv2.drawContours(filled_HW, outlines, -1, 1, cv2.FILLED)
    return filled_HW.view(np.bool_)


def leave_out(use_HW: Bools, component: Component, *, by_px: int) -> None:
    """Make false, in place, a component and what lies within `by_px` of it."""
    frame = frame_of(use_HW)
    near_HW = spread(component, by_px=by_px, within=frame)
    component.box.grown(by_px, within=frame).of(use_HW)[near_HW] = False


def spread(component: Component, *, by_px: int, within: Box) -> Bools:
    """A component with what lies within `by_px` of it, over its box grown by so much `within`."""
    box = component.box.grown(by_px, within=within)
    own_HW = np.zeros((box.height, box.width), np.uint8)
    component.box.moved(x=-box.x0, y=-box.y0).of(own_HW)[:] = component.mask_HW
    kernel = np.ones((2 * by_px + 1,) * 2, np.uint8)
    return np.asarray(cv2.dilate(own_HW, kernel), np.uint8).view(np.bool_)
