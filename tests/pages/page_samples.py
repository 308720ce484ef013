"""Seeded scans of made-up pages, and exactly where in them everything lies."""

from dataclasses import dataclass, replace

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

A4 = (842, 1191)  # at 102 dpi
WORDS = (
    "of",
    "in the",
    "sea",
    "a",
    "worm",
    "drawn after",
    "nature",
    "by hand",
    "plate",
    "observed",
)


@dataclass(frozen=True)
class Sheet:
    """An upright page (HWC uint8) and the box around all that is printed on it."""

    image: np.ndarray
    printed: tuple[int, int, int, int] | None
    gutter: float | None = None

    @property
    def size(self):
        return self.image.shape[1], self.image.shape[0]


@dataclass(frozen=True)
class Scan:
    """A sheet in a scan: `matrix` takes points of the sheet to points of the scan."""

    image: np.ndarray
    sheet: Sheet
    angle_deg: float
    matrix: np.ndarray

    def corners(self, box):
        """A box of the sheet, in the scan."""
        x0, y0, x1, y1 = box
        points = np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], float)
        return (points @ self.matrix[:, :2].T + self.matrix[:, 2]).astype(np.float32)

    def kept(self, margin):
        """The printed box with a margin around, as far as the sheet goes, in the scan."""
        x0, y0, x1, y1 = self.sheet.printed
        width, height = self.sheet.size
        return self.corners(
            (
                max(x0 - margin, 0),
                max(y0 - margin, 0),
                min(x1 + margin, width),
                min(y1 + margin, height),
            )
        )


def text_sheet(
    seed=0,
    size=A4,
    *,
    margins=(105, 120, 100, 150),
    columns=1,
    font_px=14,
    paper=(246, 243, 236),
    ink=(30, 28, 30),
    last_line=1.0,
):
    """Lines of words between margins (left, top, right, bottom) down to `last_line` of the room."""
    rng = np.random.default_rng(seed)
    image = Image.new("RGB", size, paper)
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(font_px)
    left, top, right, bottom = margins
    gap = font_px * 2
    width = (size[0] - left - right - gap * (columns - 1)) // columns
    end = top + last_line * (size[1] - top - bottom)
    for column in range(columns):
        x0 = left + column * (width + gap)
        for y in np.arange(top, end - font_px, font_px * 1.5):
            line = ""
            # Now and then a paragraph ends.
            room = width * (rng.uniform(0.2, 0.9) if rng.random() < 0.15 else 1)
            while draw.textlength(line + "observed", font) < room:
                line += rng.choice(WORDS) + " "
            draw.text((x0, y), line, ink, font)
    return printed_sheet(np.asarray(image), paper)


def printed_sheet(image, paper, gutter=None):
    """A sheet whose printed box is that of all that is not paper."""
    differs = np.abs(image.astype(int) - np.array(paper)).max(axis=2) > 60
    if not differs.any():
        return Sheet(image, None, gutter)
    ys, xs = np.flatnonzero(differs.any(axis=1)), np.flatnonzero(differs.any(axis=0))
    return Sheet(image, (xs[0], ys[0], xs[-1] + 1, ys[-1] + 1), gutter)


def blank_sheet(size=A4, paper=(246, 243, 236)):
    return Sheet(np.full((size[1], size[0], 3), paper, np.uint8), None)


def picture(seed, size):
    """A photograph-like picture: smooth blobs of every brightness, with 1/f detail."""
    rng = np.random.default_rng(seed)
    total = np.zeros((size[1], size[0], 3))
    for cells in (3, 7, 17, 43):
        noise = rng.normal(size=(cells, cells, 3)).astype(np.float32)
        total += cv2.resize(noise, size, interpolation=cv2.INTER_CUBIC) / cells**0.8
    total = (total - total.min()) / (total.max() - total.min())
    return (255 * total).astype(np.uint8)


def halftone(grey_HW, pitch=5.0, angle_deg=45.0):
    """The picture as black dots on white (a threshold against a tilted dot screen)."""
    height, width = grey_HW.shape
    y, x = np.mgrid[:height, :width]
    turn = np.radians(angle_deg)
    u = (x * np.cos(turn) + y * np.sin(turn)) * 2 * np.pi / pitch
    v = (-x * np.sin(turn) + y * np.cos(turn)) * 2 * np.pi / pitch
    screen = (np.cos(u) + np.cos(v) + 2) / 4
    return np.where(grey_HW / 255 > screen, 255, 0).astype(np.uint8)


def pasted(sheet, image, at):
    """The sheet with a picture on it."""
    whole = sheet.image.copy()
    x, y = at
    whole[y : y + image.shape[0], x : x + image.shape[1]] = image
    box = (x, y, x + image.shape[1], y + image.shape[0])
    x0, y0, x1, y1 = sheet.printed or box
    union = (min(x0, box[0]), min(y0, box[1]), max(x1, box[2]), max(y1, box[3]))
    return replace(sheet, image=whole, printed=union)


def bled_through(sheet, back, strength=0.15):
    """The mirrored print of the back shines through, faintly."""
    shade = 1 - strength * (255 - back.image[:, ::-1].astype(float)) / 255
    return replace(sheet, image=np.rint(sheet.image * shade).astype(np.uint8))


def spread(left, right, *, shadow=0.35, shadow_px=14.0):
    """Two sheets of one height beside each other, with the shadow of a fold between them."""
    gutter = left.image.shape[1]
    image = np.concatenate([left.image, right.image], axis=1)
    distance = (np.arange(image.shape[1]) + 0.5 - gutter) / shadow_px
    shade = 1 - shadow * np.exp(-(distance**2) / 2)
    image = np.rint(image * shade[:, None]).astype(np.uint8)
    return Sheet(image, None, float(gutter))


def scanned(
    sheet,
    *,
    angle_deg=0.0,
    border=None,
    level=(22, 20, 24),
    noise=0.0,
    dust=0,
    seed=0,
    resolution=1.0,
):
    """The sheet turned clockwise by `angle_deg`, so that turning it back by it stands it upright.

    `border` (left, top, right, bottom px of the scan, for the upright sheet) shows the dark inside
    of the scanner; without it the scan ends where the sheet does, and its corners are paper.
    """
    width, height = sheet.size
    left, top, right, bottom = border or (0, 0, 0, 0)
    size = (
        round((width + left + right) * resolution),
        round((height + top + bottom) * resolution),
    )
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), -angle_deg, resolution)
    turn[:, 2] += resolution * np.array([left + width / 2, top + height / 2])
    turn[:, 2] -= np.array([width / 2, height / 2])
    pixels = turn.copy()
    pixels[:, 2] += 0.5 * (pixels[:, 0] + pixels[:, 1]) - 0.5
    fill = level if border else tuple(int(v) for v in np.median(sheet.image[:8], axis=(0, 1)))
    image = cv2.warpAffine(
        sheet.image, pixels, size, flags=cv2.INTER_LINEAR, borderValue=fill
    ).astype(float)
    rng = np.random.default_rng(seed)
    if noise:
        image += rng.normal(0, noise, image.shape)
    image = np.clip(np.rint(image), 0, 255).astype(np.uint8)
    for x, y in rng.integers(0, size, (dust, 2)):
        image[y : y + 2, x : x + 2] = 40
    return Scan(image, sheet, angle_deg, turn)


def corners_of(region):
    """The corners of a region in the scan, clockwise from the upper left of the upright page."""
    turn = np.radians(region.angle_deg)
    half = np.array([region.x1 - region.x0, region.y1 - region.y0]) / 2
    centre = np.array([region.x0 + region.x1, region.y0 + region.y1]) / 2
    signs = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)])
    # What is to be turned counter-clockwise leans clockwise; y points down.
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return (centre + (signs * half) @ rotation.T).astype(np.float32)


def overlap(first, second):
    """Intersection over union of two convex quadrangles."""
    shared, _ = cv2.intersectConvexConvex(first, second)
    areas = cv2.contourArea(first) + cv2.contourArea(second)
    return shared / (areas - shared)


def upright(image, region):
    """What a region shows, by the contract of regions: turned about the centre, then cut."""
    width, height = round(region.x1 - region.x0), round(region.y1 - region.y0)
    matrix = np.float32(corners_of(region)[:3])
    target = np.float32([(0, 0), (width, 0), (width, height)])
    affine = cv2.getAffineTransform(matrix - 0.5, target - 0.5)
    return cv2.warpAffine(image, affine, (width, height), borderMode=cv2.BORDER_REPLICATE)
