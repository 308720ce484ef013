"""The embedded source: drawn quilts, and files that the later stages must refuse.

Every item is drawn when it is read, from the seed and its own number alone, so listing costs
nothing, any item can be had without the others, and a longer list leaves the shorter one as it was.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

import cv2
import numpy as np
import simplejpeg

from wunderkammer.patchwork.decoys import DECOYS
from wunderkammer.patchwork.fabrics import Image
from wunderkammer.patchwork.quilt_blocks import BLOCKS, Block
from wunderkammer.patchwork.quilt_picture import quilt_picture
from wunderkammer.sources.item import SourceItem
from wunderkammer.sources.params import PatchworkParams

# Part of every key. Bump it when the drawing changes, so that no ledger serves old pictures.
EDITION = 1

AUTHOR = "Wunderkammer patchwork generator"
LICENCE = "CC0-1.0"
LICENCE_URL = "https://creativecommons.org/publicdomain/zero/1.0/"

Kind = Literal["quilt", "near-duplicate", "off-subject", "too-small", "truncated", "not-an-image"]

ERROR_PAGE = """<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>404 Not Found</title></head>
<body><h1>Not Found</h1><p>The picture {name} was moved or never existed.</p></body>
</html>
"""


@dataclass(frozen=True, kw_only=True)
class PatchworkItem(SourceItem):
    """One file of the source; `number` is its place among those of its kind.

    Attributes:
        original: the number of the quilt that a near-duplicate shows again.
    """

    kind: Kind
    seed: int
    number: int
    side_px: int
    max_blocks: int
    original: int | None = None

    def read(self) -> bytes:
        """Draw the file: a JPEG, except where the kind says otherwise."""
        rng = _rng(self.seed, self.kind, self.number)
        match self.kind:
            case "quilt":
                return self._quilt(self.number)
            case "near-duplicate":
                assert self.original is not None
                return _copy(self._quilt(self.original), rng)
            case "off-subject":
                return _decoy(self.number, rng, side_px=self.side_px)
            case "too-small":
                # Each side ends up below half of side_px.
                side_px = max(round(self.side_px * rng.uniform(0.15, 0.38)), 8)
                return _jpeg(self._picture(self.number, rng, side_px=side_px), rng)
            case "truncated":
                whole = _jpeg(self._picture(self.number, rng, side_px=self.side_px), rng)
                return whole[: round(len(whole) * rng.uniform(0.35, 0.7))]
            case "not-an-image":
                return ERROR_PAGE.format(name=self.id).encode()

    def _quilt(self, number: int) -> bytes:
        rng = _rng(self.seed, "quilt", number)
        return _jpeg(self._picture(number, rng, side_px=self.side_px), rng)

    def _picture(self, number: int, rng: np.random.Generator, *, side_px: int) -> Image:
        block = _block(number)
        counts = tuple(count for count in block.counts if count <= self.max_blocks)
        block = replace(block, counts=counts or (min(block.counts),))
        return quilt_picture(block, rng, side_px=side_px)


class Patchwork:
    """The pictures of `patchwork_items` as a source."""

    def __init__(self, params: PatchworkParams) -> None:
        self.params = params

    def items(self) -> list[SourceItem]:
        """Every picture, drawn when it is read."""
        return patchwork_items(self.params)


def patchwork_items(params: PatchworkParams) -> list[SourceItem]:
    """All items: the quilts first, then what was made to be refused.

    The same params give the same items with the same bytes. Near-duplicates show the first
    quilts again; both are of one `group`, that of the original.
    """
    quilts = [_listed_quilt(params, number) for number in range(params.num_quilts)]
    return [*quilts, *_near_duplicates(params), *_off_subject(params), *_small_and_broken(params)]


def _listed_quilt(params: PatchworkParams, number: int) -> PatchworkItem:
    block = _block(number)
    name = f"quilt-{number:05d}"
    return _item(
        params,
        "quilt",
        number,
        name=name,
        title=f"{block.title} quilt",
        label=block.label,
        group=name,
    )


def _near_duplicates(params: PatchworkParams) -> Iterator[PatchworkItem]:
    for number in range(params.num_near_duplicates):
        original = number % params.num_quilts
        block = _block(original)
        yield _item(
            params,
            "near-duplicate",
            number,
            name=f"near-duplicate-{number:05d}-of-quilt-{original:05d}",
            title=f"{block.title} quilt, photographed print",
            label=block.label,
            group=f"quilt-{original:05d}",
            original=original,
        )


def _off_subject(params: PatchworkParams) -> Iterator[PatchworkItem]:
    for number in range(params.num_off_subject):
        subject = _decoy_name(number)
        name = f"off-subject-{number:05d}"
        yield _item(params, "off-subject", number, name=name, title=f"A {subject}, not a quilt")


def _small_and_broken(params: PatchworkParams) -> Iterator[PatchworkItem]:
    for number in range(params.num_too_small):
        block = _block(number)
        yield _item(
            params,
            "too-small",
            number,
            name=f"too-small-{number:05d}",
            title=f"{block.title} quilt, thumbnail",
            label=block.label,
        )
    for number in range(params.num_broken):
        kind: Kind = "not-an-image" if number % 2 else "truncated"
        yield _item(params, kind, number, name=f"broken-{number:05d}", title="A broken file")


def _item(
    params: PatchworkParams,
    kind: Kind,
    number: int,
    *,
    name: str,
    title: str,
    label: str | None = None,
    group: str | None = None,
    original: int | None = None,
) -> PatchworkItem:
    shows = "" if original is None else f"/{original}"
    drawn = f"{params.side_px}/{params.max_blocks}"
    return PatchworkItem(
        id=f"{name}.jpg",
        key=f"patchwork/{EDITION}/{params.seed}/{drawn}/{kind}/{number}{shows}",
        author=AUTHOR,
        licence=LICENCE,
        licence_url=LICENCE_URL,
        title=title,
        label=label,
        group=group,
        kind=kind,
        seed=params.seed,
        number=number,
        side_px=params.side_px,
        max_blocks=params.max_blocks,
        original=original,
    )


def _block(number: int) -> Block:
    return BLOCKS[number % len(BLOCKS)]


def _rng(seed: int, kind: Kind, number: int) -> np.random.Generator:
    """A stream of its own for each item, whatever the others do."""
    name = hashlib.sha256(f"{seed}/{kind}/{number}".encode()).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(name[:16], "big")))


def _copy(original: bytes, rng: np.random.Generator) -> bytes:
    """The picture again as copies go round: resized, a little lighter or darker, recompressed."""
    picture = simplejpeg.decode_jpeg(original)
    height, width, _ = picture.shape
    scale = rng.uniform(0.95, 1.3)
    size = (round(width * scale), round(height * scale))
    resized = cv2.resize(picture, size, interpolation=cv2.INTER_CUBIC).astype(np.float32)
    lit = np.clip(resized * rng.uniform(0.95, 1.08) + rng.uniform(-4, 6), 0, 255)
    quality = int(rng.integers(55, 85))
    return bytes(simplejpeg.encode_jpeg(np.ascontiguousarray(lit.astype(np.uint8)), quality))


def _decoy_name(number: int) -> str:
    return tuple(DECOYS)[number % len(DECOYS)]


def _decoy(number: int, rng: np.random.Generator, *, side_px: int) -> bytes:
    """Three of four are panoramas, which the shape gives away; the fourth is square."""
    is_square = number % 4 == 3
    height = round(side_px * rng.uniform(1.0, 1.15))
    width = round(height * (rng.uniform(0.97, 1.05) if is_square else rng.uniform(2.2, 3.0)))
    return _jpeg(DECOYS[_decoy_name(number)](rng, width=width, height=height), rng)


def _jpeg(picture: Image, rng: np.random.Generator) -> bytes:
    quality = int(rng.integers(85, 95))
    return bytes(simplejpeg.encode_jpeg(np.ascontiguousarray(picture), quality))
