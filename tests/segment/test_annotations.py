"""Labels, bars and words are told from specimens."""

import cv2
import numpy as np
import pytest
from foram_frames import FONT

from wunderkammer.segment.annotations import is_annotation
from wunderkammer.segment.components import largest_components
from wunderkammer.segment.mask import closed


def judged(draw, level=60, noise=5.0):
    """What is said of the largest thing drawn on a noisy picture of 300 by 400 px."""
    noise_HW = np.random.default_rng(0).normal(level, noise, (300, 400))
    grey_HW = np.clip(noise_HW, 0, 255).astype(np.uint8)
    draw(grey_HW)
    raw_HW = np.abs(cv2.GaussianBlur(grey_HW, (0, 0), 0.8).astype(int) - level) > 45
    mask_HW = closed(raw_HW, close_px=3, fill_holes=True)
    (component,) = largest_components(mask_HW, num=1)
    return is_annotation(component, grey_HW=grey_HW, raw_HW=raw_HW, level=float(level))


def label_of(ink=0, paper=255):
    def draw(grey_HW):
        cv2.rectangle(grey_HW, (10, 10), (150, 50), paper, -1)
        cv2.putText(grey_HW, "No. 1273", (14, 40), FONT, 0.9, ink, 2)

    return draw


def rough(grey_HW, mask_HW, value):
    """Fill with a surface in light, which is of no one grey."""
    rng = np.random.default_rng(1)
    grains = cv2.GaussianBlur(rng.normal(0, 1, grey_HW.shape), (0, 0), 4)
    surface = value * (1 + 0.2 * grains / grains.std())
    grey_HW[mask_HW > 0] = np.clip(surface, 0, 255)[mask_HW > 0]


def specimen(draw, value=170):
    def put(grey_HW):
        mask_HW = np.zeros(grey_HW.shape, np.uint8)
        draw(mask_HW)
        rough(grey_HW, mask_HW, value)

    return put


ANNOTATIONS = {
    "bar": lambda g: cv2.rectangle(g, (20, 20), (120, 26), 255, -1),
    "upright bar": lambda g: cv2.rectangle(g, (20, 20), (26, 120), 0, -1),
    "label": label_of(),
    "black label": label_of(ink=255, paper=0),
    "words": lambda g: cv2.putText(g, "slide 12 of 40", (10, 40), FONT, 0.7, 255, 2),
    "tight words": lambda g: cv2.putText(g, "MMMMMMMMM", (10, 40), FONT, 0.6, 255, 3),
    "a large letter": lambda g: cv2.putText(g, "H", (10, 60), FONT, 2, 255, 2),
}
SPECIMENS = {
    "disc": specimen(lambda m: cv2.circle(m, (200, 150), 70, 1, -1)),
    "long": specimen(lambda m: cv2.ellipse(m, (200, 150), (110, 20), 20, 0, 360, 1, -1)),
    "straight and long": specimen(
        lambda m: cv2.ellipse(m, (200, 150), (110, 14), 0, 0, 360, 1, -1)
    ),
    "ring": specimen(lambda m: cv2.circle(m, (200, 150), 70, 1, 12)),
    "at the edge": specimen(lambda m: cv2.circle(m, (0, 150), 70, 1, -1)),
    "square": specimen(lambda m: cv2.rectangle(m, (100, 60), (240, 220), 1, -1)),
    "overexposed": lambda g: cv2.circle(g, (200, 150), 60, 255, -1),
}


@pytest.mark.parametrize("what", ANNOTATIONS)
@pytest.mark.parametrize("noise", [0.5, 6.0])
def test_is_an_annotation(what, noise):
    assert judged(ANNOTATIONS[what], level=100, noise=noise)


@pytest.mark.parametrize("what", SPECIMENS)
@pytest.mark.parametrize("noise", [0.5, 6.0])
def test_is_a_specimen(what, noise):
    assert not judged(SPECIMENS[what], noise=noise)
