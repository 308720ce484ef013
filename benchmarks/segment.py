"""What finding regions by a threshold costs: the plain scikit-image recipe, and ours, in one run.

    python benchmarks/segment.py [--side PX ...] [--write]

From grey to the two largest regions and which of them is squarer, on noise that makes thousands of
regions, and on clean blobs. Both give the same threshold, mask, areas and boxes, or it stops.
"""

import argparse
import os
import platform
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from statistics import median
from time import process_time

import cv2
import numpy as np
from skimage.filters import threshold_yen
from skimage.measure import label, regionprops

from benchmarks.document import DOCUMENT, processor, table, write_section
from wunderkammer.segment.box import Bools, Bytes
from wunderkammer.segment.components import largest_components
from wunderkammer.segment.levels import above, histogram, threshold
from wunderkammer.segment.params import ThresholdRegionParams
from wunderkammer.segment.settings import ThresholdSettings
from wunderkammer.segment.threshold import threshold_regions

NUM_LARGEST = 2
CONNECTIVITY = 2
# So that the picture has about as many regions as a real one of its kind: px a side of a grain.
NOISE_SIGMA_PX = 1.05
BLOBS_A_MEGAPIXEL = 400
# In a row between two looks at the clock, which is too coarse for one picture.
PER_LOOK = 5

NOISY, CLEAN = "noisy", "clean"
PLAIN, OURS, WHOLE = "scikit-image", "ours", "ours, the whole default recipe"


@dataclass(frozen=True)
class Found:
    """What a way finds: the threshold, the mask, and of the largest regions area and box."""

    level: int
    mask_HW: Bools
    regions: list[tuple[int, tuple[int, int, int, int]]]
    squarest: int


def main(arguments: list[str] | None = None) -> None:
    """Compare, and print the table."""
    options = parse(arguments)
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:1])
    cv2.setNumThreads(1)
    rows = []
    for side_px in options.side:
        for kind in (NOISY, CLEAN):
            print(f"{side_px} px, {kind}", file=sys.stderr, flush=True)
            rows.append(compared(kind, side_px, num_rounds=options.rounds))
    words = sys.argv[1:] if arguments is None else arguments
    text = section(rows, command=" ".join(["python benchmarks/segment.py", *words]))
    print(text)
    if options.write:
        write_section(DOCUMENT, text)


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=formatter)
    parser.add_argument("--side", type=int, nargs="+", default=[512, 1024], metavar="PX")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--write", action="store_true", help="into docs/benchmarks.md too")
    return parser.parse_args(arguments)


def compared(kind: str, side_px: int, *, num_rounds: int) -> list[str]:
    """A row of the table: the median of rounds in which each way has its turn."""
    grey_HW = noise(side_px) if kind == NOISY else blobs(side_px)
    num_regions = checked(grey_HW)
    image_HWC = np.repeat(grey_HW[..., None], 3, axis=-1)
    settings = ThresholdSettings.of(ThresholdRegionParams())
    ways: dict[str, Callable[[], object]] = {
        PLAIN: lambda: plain(grey_HW),
        OURS: lambda: ours(grey_HW),
        WHOLE: lambda: threshold_regions(image_HWC, settings),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(num_rounds):
        for name, way in ways.items():
            start = process_time()
            for _ in range(PER_LOOK):
                way()
            seconds[name].append((process_time() - start) / PER_LOOK)
    pace = {name: 1 / median(all_s) for name, all_s in seconds.items()}
    ratios = [s / o for s, o in zip(seconds[PLAIN], seconds[OURS], strict=True)]
    return [
        f"{side_px} px, {kind}",
        f"{num_regions:,}",
        *(f"{pace[name]:.3g}" for name in ways),
        f"{median(ratios):.1f} ({min(ratios):.1f} to {max(ratios):.1f})",
    ]


def plain(grey_HW: Bytes) -> Found:
    """The recipe as one would write it."""
    level = threshold_yen(grey_HW)
    mask_HW = grey_HW > level
    regions = sorted(
        regionprops(label(mask_HW, connectivity=CONNECTIVITY)), key=lambda r: r.area, reverse=True
    )[:NUM_LARGEST]
    ratios = [r.axis_minor_length / r.axis_major_length for r in regions]
    boxes = [(r.bbox[1], r.bbox[0], r.bbox[3], r.bbox[2]) for r in regions]
    return Found(
        level=int(level),
        mask_HW=mask_HW,
        regions=[(int(r.area), box) for r, box in zip(regions, boxes, strict=True)],
        squarest=int(np.argmax(ratios)),
    )


def ours(grey_HW: Bytes) -> Found:
    """The same by what `threshold_regions` is made of."""
    level = threshold(histogram(grey_HW), method="yen", contrast_share=0.5)
    mask_HW = above(grey_HW, level)
    regions = largest_components(mask_HW, num=NUM_LARGEST)
    return Found(
        level=level,
        mask_HW=mask_HW,
        regions=[(region.area_px, tuple(region.box)) for region in regions],
        squarest=int(np.argmax([region.minor_major for region in regions])),
    )


def checked(grey_HW: Bytes) -> int:
    """The number of regions.

    Raises:
        RuntimeError: the two ways differ.
    """
    one, other = plain(grey_HW), ours(grey_HW)
    if (one.level, one.regions, one.squarest) != (other.level, other.regions, other.squarest):
        raise RuntimeError(f"scikit-image finds {one.regions}, we find {other.regions}")
    if not np.array_equal(one.mask_HW, other.mask_HW):
        raise RuntimeError("the two masks differ")
    return int(label(one.mask_HW, connectivity=CONNECTIVITY).max())


def noise(side_px: int) -> Bytes:
    """Grey grains, as of a dim specimen at a high gain."""
    rng = np.random.default_rng(0)
    grains = cv2.GaussianBlur(rng.normal(size=(side_px, side_px)), (0, 0), NOISE_SIGMA_PX)
    return np.clip(110 + 40 * grains / grains.std(), 0, 255).astype(np.uint8)


def blobs(side_px: int) -> Bytes:
    """Smooth discs on black."""
    rng = np.random.default_rng(0)
    grey_HW = np.zeros((side_px, side_px), np.uint8)
    for _ in range(BLOBS_A_MEGAPIXEL * side_px**2 // 1024**2):
        x, y = (int(v) for v in rng.integers(side_px, size=2))
        cv2.circle(grey_HW, (x, y), int(rng.integers(4, 23)), int(rng.integers(120, 220)), -1)
    return np.asarray(cv2.GaussianBlur(grey_HW, (0, 0), 1.5), np.uint8)


def section(rows: Sequence[Sequence[str]], *, command: str) -> str:
    """What was run on what, and what came out."""
    versions = f"Python {platform.python_version()}, " + ", ".join(
        f"{name} {version(package)}"
        for name, package in (
            ("scikit-image", "scikit-image"),
            ("OpenCV", "opencv-python-headless"),
        )
    )
    head = ["pictures per CPU-second", "regions", PLAIN, OURS, WHOLE, "ours over scikit-image"]
    return "\n\n".join(
        [
            f"## Threshold segmentation on one core of {processor()}",
            f"{versions}. Command: `{command}`.",
            "From grey to the two largest regions above Yen's threshold and the squarer of them; "
            "both give the same threshold, mask, areas and boxes. In turn, several times; the last "
            "column is the median of the ratios within a round, and their range. The default "
            "recipe does much more: strips, tiles, light, annotations.",
            table(head, rows),
        ]
    )


if __name__ == "__main__":
    main()
