"""Seeded frames of specimens with exact boxes: strips, scale bars, halos, noise, bad light.

A frame is made of a background with its light, specimens, a halo around them, debris, then what a
microscope's program writes over the picture, then noise and JPEG's loss. The box of a specimen is
that of its mask before any of the blur.
"""

from dataclasses import dataclass, field

import cv2
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]
Box = tuple[int, int, int, int]
Generator = np.random.Generator

BACKGROUNDS = ("dark", "bright", "grey", "canvas")
STRIPS = ("none", "white", "black", "grey")
SIDES = ("bottom", "top", "left", "right")
SURFACES = ("solid", "aperture", "hollow", "broken")
MARKS = ("none", "bar", "label", "text")
FONT = cv2.FONT_HERSHEY_SIMPLEX


@dataclass(frozen=True, kw_only=True)
class Traits:
    """What a frame shows; what is not given is drawn."""

    background: str
    strip: str
    side: str
    surface: str
    mark: str
    num_specimens: int
    touches_border: bool
    halo: float
    gradient: float
    noise: float
    jpeg_quality: int


@dataclass(frozen=True, kw_only=True)
class Frame:
    """A picture, the boxes of its specimens (largest first), and where its strip is not.

    `tile` is the part of a canvas that shows a picture.
    """

    image_HWC: Bytes
    boxes: list[Box]
    field: Box
    tile: Box | None
    traits: Traits


@dataclass
class _Scene:
    value_HW: Floats
    background_HW: Floats
    taken_HW: npt.NDArray[np.bool_]
    masks: list[npt.NDArray[np.bool_]] = field(default_factory=list)


def draw_traits(rng: Generator, **given: object) -> Traits:
    """Traits at random, but for those that are given."""
    drawn = {
        "background": str(rng.choice(BACKGROUNDS)),
        "strip": str(rng.choice(STRIPS)),
        "side": str(rng.choice(SIDES, p=[0.55, 0.25, 0.1, 0.1])),
        "surface": str(rng.choice(SURFACES)),
        "mark": str(rng.choice(MARKS)),
        "num_specimens": int(rng.choice([1, 2, 3], p=[0.7, 0.2, 0.1])),
        "touches_border": bool(rng.random() < 0.2),
        "halo": float(rng.choice([0.0, rng.uniform(0.05, 0.25)])),
        "gradient": float(rng.choice([0.0, rng.uniform(0.05, 0.3)])),
        "noise": float(rng.uniform(1, 8)),
        "jpeg_quality": int(rng.integers(60, 97)),
    }
    return Traits(**{**drawn, **given})  # type: ignore[arg-type]


def make_frame(seed: int, **given: object) -> Frame:
    """A frame by its seed; traits that are given hold, the others are drawn."""
    rng = np.random.default_rng([seed, 20190707])
    traits = draw_traits(rng, **given)
    height, width = int(rng.integers(260, 800)), int(rng.integers(260, 900))
    scene = _background(rng, traits, height, width)
    sign = {"dark": 1, "canvas": 1, "bright": -1, "grey": int(rng.choice([-1, 1]))}
    for index in range(traits.num_specimens):
        _put_specimen(rng, scene, traits, first=index == 0, sign=sign[traits.background])
    _debris(rng, scene, sign=sign[traits.background])
    picture_HW = cv2.GaussianBlur(scene.value_HW, (0, 0), float(rng.uniform(0.6, 1.4)))
    picture_HW += rng.normal(0, traits.noise, picture_HW.shape).astype(np.float32)
    tile = None
    if traits.background == "canvas":
        tile = _on_canvas(picture_HW, scene)
    image_HWC = _coloured(rng, picture_HW, tinted=traits.background != "grey")
    _mark(rng, image_HWC, traits.mark, scene)
    masks = sorted(scene.masks, key=lambda mask: -int(mask.sum()))
    image_HWC, (left, top) = _with_strip(rng, image_HWC, traits)
    image_HWC = _jpeg(image_HWC, traits.jpeg_quality)
    return Frame(
        image_HWC=image_HWC,
        boxes=[_shifted(_box(mask), left, top) for mask in masks],
        field=(left, top, left + width, top + height),
        tile=_shifted(tile, left, top) if tile else None,
        traits=traits,
    )


def intersection_over_union(a: Box, b: Box) -> float:
    """Of two boxes."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    shared = max(width, 0) * max(height, 0)
    areas = [(x1 - x0) * (y1 - y0) for x0, y0, x1, y1 in (a, b)]
    return shared / (sum(areas) - shared)


def _background(rng: Generator, traits: Traits, height: int, width: int) -> _Scene:
    level = {
        "dark": rng.uniform(4, 45),
        "bright": rng.uniform(190, 240),
        "grey": rng.uniform(80, 140),
        "canvas": rng.uniform(8, 24),
    }[traits.background]
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
    angle = rng.uniform(0, 2 * np.pi)
    slope = np.cos(angle) * x + np.sin(angle) * y + 0.4 * rng.uniform(-1, 1) * (x**2 + y**2)
    spread = traits.gradient * max(min(level, 255 - level), 30)
    texture = _clouds(rng, height, width, octave=max(height, width) / 12) * rng.uniform(0, 4)
    value_HW = (level + spread * slope + texture).astype(np.float32)
    return _Scene(value_HW, value_HW.copy(), np.zeros((height, width), bool))


def _clouds(rng: Generator, height: int, width: int, *, octave: float) -> Floats:
    """Smooth noise of unit variance, its grains about `octave` px wide."""
    shape = (max(int(height / octave), 2) + 2, max(int(width / octave), 2) + 2)
    coarse = rng.normal(size=shape).astype(np.float32)
    smooth = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.asarray(smooth / max(float(smooth.std()), 1e-3), np.float32)


def _outline(rng: Generator, radius: float, height: int, width: int, centre: Floats) -> Bytes:
    """The mask of one specimen: chambers on a spiral, a wobbling oval, or a long leaf."""
    mask = np.zeros((height, width), np.uint8)
    kind = rng.integers(3)
    if kind == 0:
        turn = rng.uniform(0, 2 * np.pi)
        for k in range(int(rng.integers(4, 7))):
            angle = turn + k * rng.uniform(1.1, 1.4)
            chamber = radius * (0.32 + 0.05 * k)
            offset = 0.5 * radius * np.array([np.cos(angle), np.sin(angle)])
            at = np.round(centre + offset).astype(int)
            cv2.circle(mask, (int(at[0]), int(at[1])), round(chamber), 1, -1)
        cv2.circle(mask, (round(centre[0]), round(centre[1])), round(radius * 0.4), 1, -1)
        return mask
    angles = np.linspace(0, 2 * np.pi, 180, endpoint=False)
    stretch = rng.uniform(0.7, 1) if kind == 1 else rng.uniform(0.42, 0.6)
    wobble = sum(
        rng.normal(0, 0.05 / k) * np.cos(k * angles + rng.uniform(0, 6)) for k in range(2, 7)
    )
    r = radius * (1 + wobble)
    turn = rng.uniform(0, np.pi)
    x, y = r * np.cos(angles), stretch * r * np.sin(angles)
    points = np.stack(
        [x * np.cos(turn) - y * np.sin(turn), x * np.sin(turn) + y * np.cos(turn)], axis=1
    )
    cv2.fillPoly(mask, [np.round(points + centre).astype(np.int32)], 1)
    return mask


def _place(
    rng: Generator, scene: _Scene, traits: Traits, *, first: bool
) -> npt.NDArray[np.bool_] | None:
    """A mask where no other specimen is near; None where there is no room."""
    height, width = scene.value_HW.shape
    side = min(height, width)
    near = _around(scene.taken_HW, 12)
    for _ in range(30):
        radius = side * (rng.uniform(0.2, 0.42) if first else rng.uniform(0.08, 0.15))
        margin = 1.15 * radius if radius < 0.42 * side else 0.46 * side
        centre = rng.uniform([margin, margin], [width - margin + 1, height - margin + 1])
        if first and traits.touches_border:
            axis, end = int(rng.integers(2)), int(rng.integers(2))
            inset = radius * rng.uniform(0.1, 0.7)
            centre[axis] = inset if end == 0 else (width, height)[axis] - inset
        mask = _outline(rng, radius, height, width, centre.astype(np.float32)) > 0
        if mask.any() and not (mask & near).any():
            return mask
    return None


def _put_specimen(rng: Generator, scene: _Scene, traits: Traits, *, first: bool, sign: int) -> None:
    mask = _place(rng, scene, traits, first=first)
    if mask is None:
        return
    if traits.surface == "broken" and first:
        mask = _with_gaps(rng, mask)
    height, width = mask.shape
    depth = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 5)
    reach = float(depth.max())
    dome = np.sqrt(np.clip(depth / reach, 0, 1) * (2 - np.clip(depth / reach, 0, 1)))
    grain = 1 + 0.12 * _clouds(rng, height, width, octave=max(reach / 8, 2))
    room = 250 - float(scene.background_HW.max()) if sign > 0 else float(scene.background_HW.min())
    contrast = rng.uniform(0.45, 0.9) * room
    body = contrast * (0.4 + 0.6 * dome) * grain
    body *= _hollows(rng, traits.surface if first else "solid", mask, depth, reach)
    halo_px = rng.uniform(0.03, 0.08) * min(height, width)
    glow = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), halo_px)
    glow *= traits.halo * contrast
    scene.value_HW += sign * np.where(mask, np.maximum(body, glow), glow).astype(np.float32)
    scene.taken_HW |= mask
    scene.masks.append(mask)


def _with_gaps(rng: Generator, mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """A shell with thin cracks all the way through."""
    ys, xs = np.nonzero(mask)
    cracked = mask.astype(np.uint8)
    centre = (int(xs.mean()), int(ys.mean()))
    reach = float(np.hypot(*mask.shape))
    for _ in range(int(rng.integers(2, 5))):
        angle = rng.uniform(0, 2 * np.pi)
        end = (
            round(centre[0] + reach * float(np.cos(angle))),
            round(centre[1] + reach * float(np.sin(angle))),
        )
        cv2.line(cracked, centre, end, 0, max(round(min(mask.shape) / 150), 1))
    return cracked > 0


def _hollows(
    rng: Generator, surface: str, mask: npt.NDArray[np.bool_], depth: Floats, reach: float
) -> Floats:
    """What the surface's brightness is multiplied by: an aperture or the whole inside is dark."""
    if surface in ("solid", "broken"):
        return np.ones(mask.shape, np.float32)
    if surface == "hollow":
        rim = reach * rng.uniform(0.15, 0.3)
        inside = np.clip((depth - rim) / max(0.1 * reach, 1), 0, 1)
        return np.asarray(1 - rng.uniform(0.8, 1) * inside, np.float32)
    ys, xs = np.nonzero(depth > 0.4 * reach)
    pick = int(rng.integers(len(xs)))
    hole = np.zeros(mask.shape, np.uint8)
    axes = tuple(int(max(reach * rng.uniform(0.15, 0.4), 2)) for _ in range(2))
    at = (int(xs[pick]), int(ys[pick]))
    cv2.ellipse(hole, at, axes, float(rng.uniform(0, 180)), 0, 360, 1, -1)
    return np.asarray(1 - 0.97 * hole, np.float32)


def _debris(rng: Generator, scene: _Scene, *, sign: int) -> None:
    height, width = scene.value_HW.shape
    near = _around(scene.taken_HW, max(min(height, width) // 40, 6))
    for _ in range(int(rng.integers(0, 12))):
        at = (int(rng.integers(width)), int(rng.integers(height)))
        radius = int(rng.integers(1, max(min(height, width) // 110, 2) + 1))
        if not near[at[1], at[0]]:
            value = float(scene.value_HW[at[1], at[0]]) + sign * rng.uniform(20, 90)
            cv2.circle(scene.value_HW, at, radius, value, -1)


def _around(mask_HW: npt.NDArray[np.bool_], by_px: int) -> npt.NDArray[np.bool_]:
    kernel = np.ones((2 * by_px + 1,) * 2, np.uint8)
    return np.asarray(cv2.dilate(mask_HW.astype(np.uint8), kernel)) > 0


def _on_canvas(picture_HW: Floats, scene: _Scene) -> Box:
    """Leave only the part around the specimens; the rest gets black, as where a page is filled."""
    height, width = picture_HW.shape
    margin = round(0.06 * min(height, width))
    x0, y0, x1, y1 = _box(scene.taken_HW)
    tile = (max(x0 - margin, 0), max(y0 - margin, 0), min(x1 + margin, width), y1 + margin)
    tile = (*tile[:3], min(tile[3], height))
    inside_HW = picture_HW[tile[1] : tile[3], tile[0] : tile[2]].copy()
    picture_HW[:] = 0
    picture_HW[tile[1] : tile[3], tile[0] : tile[2]] = inside_HW
    return tile


def _coloured(rng: Generator, picture_HW: Floats, *, tinted: bool) -> Bytes:
    tint = rng.uniform(0.85, 1, 3) if tinted else np.ones(3)
    return np.clip(np.round(picture_HW[..., None] * tint), 0, 255).astype(np.uint8)


def _mark(rng: Generator, image_HWC: Bytes, mark: str, scene: _Scene) -> None:
    """A scale bar, a paper label or words over the picture, in a corner away from specimens."""
    height, width = image_HWC.shape[:2]
    w, h = round(width * rng.uniform(0.15, 0.3)), max(round(height * 0.07), 14)
    if mark == "none":
        return
    near = _around(scene.taken_HW, 12)
    corners = [(x, y) for x in (6, width - w - 6) for y in (6, height - h - 6)]
    free = [(x, y) for x, y in corners if not near[y : y + h, x : x + w].any()]
    if not free:
        return
    x, y = free[int(rng.integers(len(free)))]
    ink = 255 if scene.background_HW.mean() < 128 else 0
    if mark == "bar":
        cv2.rectangle(image_HWC, (x, y), (x + w, y + max(h // 6, 2)), (ink,) * 3, -1)
        _write(image_HWC, "100 um", x + w // 4, y + h - 2, h * 0.5, ink)
    elif mark == "label":
        cv2.rectangle(image_HWC, (x, y), (x + w, y + h), (255,) * 3, -1)
        _write(image_HWC, "No. 1273", x + 4, y + h - h // 4, h * 0.55, 0)
    else:
        _write(image_HWC, "TEST 4471", x, y + h // 2, h * 0.45, ink)
        _write(image_HWC, "slide 12", x, y + h, h * 0.45, ink)


def _write(image_HWC: Bytes, text: str, x: int, y: int, cap_px: float, ink: int) -> None:
    scale = max(cap_px, 7) / 22
    thickness = max(round(scale * 1.6), 1)
    cv2.putText(image_HWC, text, (x, y), FONT, scale, (ink,) * 3, thickness, cv2.LINE_AA)


def _with_strip(rng: Generator, image_HWC: Bytes, traits: Traits) -> tuple[Bytes, tuple[int, int]]:
    """The frame with its strip, and by how much the picture has moved."""
    if traits.strip == "none":
        return image_HWC, (0, 0)
    height, width = image_HWC.shape[:2]
    if traits.side in ("left", "right"):
        # Written sideways, as on slides that were scanned across.
        turned, _ = _with_strip(
            rng,
            np.ascontiguousarray(np.rot90(image_HWC)),
            draw_traits(
                rng, strip=traits.strip, side={"left": "bottom", "right": "top"}[traits.side]
            ),
        )
        back = np.ascontiguousarray(np.rot90(turned, -1))
        return back, (back.shape[1] - width if traits.side == "left" else 0, 0)
    paper = {"white": 255, "black": 0, "grey": int(rng.integers(110, 200))}[traits.strip]
    ink = 0 if paper > 100 else 255
    strip = np.full((round(height * rng.uniform(0.08, 0.35)), width, 3), paper, np.uint8)
    _write_strip(rng, strip, ink)
    parts = [image_HWC, strip] if traits.side == "bottom" else [strip, image_HWC]
    return np.vstack(parts), (0, 0 if traits.side == "bottom" else len(strip))


def _write_strip(rng: Generator, strip: Bytes, ink: int) -> None:
    height, width = strip.shape[:2]
    num_lines = max(min(int(rng.integers(1, 5)), height // 16), 1)
    for line in range(num_lines):
        y = round(height * (line + 0.75) / num_lines)
        text = "".join(rng.choice(list("0123456789 ABCDEfghim|."), int(rng.integers(6, 40))))
        _write(strip, text, int(rng.integers(4, 40)), y, 0.4 * height / num_lines, ink)
    if rng.random() < 0.5:
        length = round(width * rng.uniform(0.1, 0.3))
        at = (int(rng.integers(width - length)), max(height // 12, 2))
        cv2.rectangle(strip, at, (at[0] + length, at[1] + max(height // 30, 1)), (ink,) * 3, -1)


def _jpeg(image_HWC: Bytes, quality: int) -> Bytes:
    ok, data = cv2.imencode(".jpg", image_HWC, [cv2.IMWRITE_JPEG_QUALITY, quality])
    assert ok
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


def _box(mask: npt.NDArray[np.bool_]) -> Box:
    ys, xs = np.nonzero(mask)
    return int(xs.min()), int(ys.min()), int(xs.max()) + 1, int(ys.max()) + 1


def _shifted(box: Box, left: int, top: int) -> Box:
    return box[0] + left, box[1] + top, box[2] + left, box[3] + top
