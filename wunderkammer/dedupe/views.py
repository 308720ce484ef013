"""The pHashes of views of a picture: of its windows, slightly turned, and in a mirror.

A picture that was cut out of another looks, as a whole, like a window of that other; one with a
border has a window that looks like the picture without it. So a picture's own pHash, compared with
those of the other's views, finds what no two hashes of whole pictures are near enough to tell.

The hash of a window is computed in the continuous limit of its DCT: coefficient (k, l) is the sum
of grey(x, y) cos(pi k (x - left) / width) cos(pi l (y - top) / height) over the pixels of the
window, those at its edges by their share. Against the pHash of the same pixels cut out and resized
that moves a third of a bit on average.

Shapes: P px a side of a grey picture, V views.
"""

from collections.abc import Iterator
from dataclasses import astuple, dataclass
from functools import cache

import cv2
import numpy as np
import numpy.typing as npt

from wunderkammer.dedupe.phash import HASH_SIDE
from wunderkammer.images.decode import decode_rgb
from wunderkammer.params import digest

# Bump when the same picture would have other hashes.
VIEWS_VERSION = 1

GREY_PX = 96
MAX_PIXELS = 178_956_970
WHITE = (255, 255, 255)

# Windows: their sides as shares of the picture, and in how many places along each axis one lies.
# Hashes stay within 8 bits for windows that miss each other by 2 % of a side, or by 5 % in size.
SQUARES = ((0.95, 2), (0.9, 3), (0.85, 4), (0.8, 1), (0.75, 1), (0.7, 1))
# Cut or framed along one axis alone.
STRIPES = ((0.9, 3), (0.85, 3), (0.8, 1), (0.75, 1))
# Inside a frame of equal breadth about a picture of 4:3 or 3:2, across by down.
FRAMED = ((0.91, 0.875), (0.83, 0.78), (0.77, 0.7))
TURNS_DEG = (3.0, -3.0)
TURNED_SIDES = (1.0, 0.93)

Floats = npt.NDArray[np.float32]
Hashes = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class View:
    """A window of a picture turned by an angle about its centre; edges as shares of its sides."""

    left: float
    width: float
    top: float
    height: float
    angle_deg: float = 0.0


def _views() -> Iterator[View]:
    yield View(0.0, 1.0, 0.0, 1.0)
    for side, num in SQUARES:
        for left in _places(side, num):
            yield from (View(left, side, top, side) for top in _places(side, num))
    for side, num in STRIPES:
        yield from (View(left, side, 0.0, 1.0) for left in _places(side, num))
        yield from (View(0.0, 1.0, top, side) for top in _places(side, num))
    for long, short in FRAMED:
        for width, height in ((long, short), (short, long)):
            yield View((1 - width) / 2, width, (1 - height) / 2, height)
    for angle_deg in TURNS_DEG:
        for side in TURNED_SIDES:
            yield View((1 - side) / 2, side, (1 - side) / 2, side, angle_deg)


def _places(side: float, num: int) -> list[float]:
    """Where a window of this side may begin: evenly from end to end, or in the middle."""
    return [(1 - side) / 2] if num == 1 else [(1 - side) * k / (num - 1) for k in range(num)]


VIEWS = tuple(_views())


def views_name() -> str:
    """The name of these views (64 hex digits): equal names, equal hashes."""
    return digest({"version": VIEWS_VERSION, "views": [astuple(view) for view in VIEWS]})


def grey_of(content: bytes) -> Floats:
    """A picture file in grey at `GREY_PX` by `GREY_PX`, of 0 to 255, by area averaging.

    Raises:
        DecodeError: it can't be decoded.
    """
    image_HWC = decode_rgb(content, max_pixels=MAX_PIXELS, background=WHITE, min_side_px=GREY_PX)
    grey_HW = cv2.cvtColor(image_HWC, cv2.COLOR_RGB2GRAY)
    small_PP = cv2.resize(grey_HW, (GREY_PX, GREY_PX), interpolation=cv2.INTER_AREA)
    return small_PP.astype(np.float32)


def view_hashes(grey_PP: Floats) -> Hashes:
    """The hash of each of `VIEWS` [V] of a grey picture."""
    return _bits(_frequencies(grey_PP))


def mirrored_hash(grey_PP: Floats) -> int:
    """The hash of the picture as a mirror shows it: cos(pi k (1 - x)) = (-1)^k cos(pi k x)."""
    waves_KP = _waves(0.0, 1.0)
    signs_K = np.where(np.arange(HASH_SIDE) % 2, -1.0, 1.0)
    return int(_bits((waves_KP @ grey_PP @ waves_KP.T * signs_K)[None])[0])


def turned(grey_PP: Floats, *, angle_deg: float) -> Floats:
    """The picture turned against the clock about its centre; its edges go on outwards."""
    centre = (GREY_PX - 1) / 2
    matrix = cv2.getRotationMatrix2D((centre, centre), angle_deg, 1.0)
    return np.asarray(
        cv2.warpAffine(
            grey_PP,
            matrix,
            (GREY_PX, GREY_PX),
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
    )


def _frequencies(grey_PP: Floats) -> Floats:
    """The lowest frequencies [V, 8, 8] of each view, rows first."""
    found = np.empty((len(VIEWS), HASH_SIDE, HASH_SIDE), np.float32)
    for angle_deg, (places, waves_WP, rows, columns) in _plan().items():
        image_PP = turned(grey_PP, angle_deg=angle_deg) if angle_deg else grey_PP
        num = len(waves_WP) // HASH_SIDE
        product = (waves_WP @ image_PP @ waves_WP.T).reshape(num, HASH_SIDE, num, HASH_SIDE)
        found[places] = product[rows, :, columns, :]
    return found


Plan = dict[float, tuple[list[int], Floats, list[int], list[int]]]


@cache
def _plan() -> Plan:
    """For each angle: its views, the waves of their intervals, and each view's two of these.

    All windows of an angle come out of one product of matrices.
    """
    plan: Plan = {}
    for angle_deg in dict.fromkeys(view.angle_deg for view in VIEWS):
        chosen = [n for n, view in enumerate(VIEWS) if view.angle_deg == angle_deg]
        across = [(VIEWS[n].left, VIEWS[n].width) for n in chosen]
        down = [(VIEWS[n].top, VIEWS[n].height) for n in chosen]
        intervals = list(dict.fromkeys([*across, *down]))
        waves_WP = np.concatenate([_waves(start, side) for start, side in intervals])
        rows, columns = ([intervals.index(one) for one in axis] for axis in (down, across))
        plan[angle_deg] = (chosen, waves_WP, rows, columns)
    return plan


def _waves(start: float, side: float) -> Floats:
    """The cosines [8, P] of an interval, times the share of each pixel that lies in it."""
    edges = np.arange(GREY_PX + 1) / GREY_PX
    low = np.clip(edges[:-1], start, start + side)
    high = np.clip(edges[1:], start, start + side)
    k = np.arange(HASH_SIDE)[:, None]
    waves_KP = np.cos(np.pi * k * ((low + high) / 2 - start) / side) * (high - low) / side
    return waves_KP.astype(np.float32)


def _bits(frequencies_VKK: npt.NDArray[np.floating]) -> Hashes:
    flat = frequencies_VKK.reshape(len(frequencies_VKK), HASH_SIDE**2)
    bits = flat > np.median(flat, axis=1, keepdims=True)
    return np.packbits(bits, axis=1).view(">u8")[:, 0].astype(np.uint64)
