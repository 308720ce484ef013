"""How many near-duplicates are found, and how many of those are none: precision and recall.

    python benchmarks/neardup.py [--pictures FOLDER ...] [--groups FOLDER] [--write]

Each picture is changed in one way; the pictures and their changed copies go through the stage's own
decision, by hashes alone, and with the closer look. `--groups` is a folder of real pictures, those
of one subfolder or one name up to the first `_`, `-` or `.` being copies of each other. Without
`--pictures` the pictures are made.
"""

import argparse
import io
import platform
import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from time import process_time
from typing import Any
from unittest.mock import patch

import cv2
import numpy as np
import pyarrow as pa
from PIL import Image, ImageDraw, ImageEnhance, ImageFont, ImageOps

from benchmarks.document import DOCUMENT, processor, table, write_section
from wunderkammer import ledger_map
from wunderkammer.dedupe.dhash import dhash
from wunderkammer.dedupe.groups import Findings, Ints, find_duplicates
from wunderkammer.dedupe.look import look_closer
from wunderkammer.dedupe.params import PhashParams, VerifyParams
from wunderkammer.dedupe.phash import phash
from wunderkammer.manifests import CROPS
from wunderkammer.storage.blobs import Blobs
from wunderkammer.storage.store import Store
from wunderkammer.workers import Workers

CROP_PX = 256
NUM_MADE = 200
# Larger pictures are made smaller first, or changing them takes most of the time.
MAX_PX = 512
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tiff", ".pgm", ".ppm")
WAYS = {
    "hashes": PhashParams(),
    "closer look": PhashParams(verify=VerifyParams(flips=True)),
}

Change = Callable[[Image.Image], Image.Image]


@dataclass(frozen=True)
class Sample:
    """A picture, and the name that it shares with its copies."""

    group: str
    picture: Image.Image


@dataclass(frozen=True)
class Score:
    """Of all pictures that could be dropped the share that is, and of those dropped the right."""

    recall: float
    precision: float
    cpu_s: float


def main(arguments: list[str] | None = None) -> None:
    """Measure, and print the tables."""
    options = parse(arguments)
    originals = pictures_in(options.pictures) if options.pictures else made(options.num_made)
    if len(originals) < 2:
        raise SystemExit(f"{len(originals)} pictures can be read, at least 2 are needed")
    rows = []
    with tempfile.TemporaryDirectory() as folder, patch.object(ledger_map, "guarded_map", here):
        store = Store(folder)
        for name, change in CHANGES.items():
            print(name, file=sys.stderr, flush=True)
            copies = [Sample(one.group, recompressed(change(one.picture))) for one in originals]
            rows.append([name, *row([*originals, *copies], store=store)])
        if options.groups:
            samples = labelled(options.groups)
            rows.append([f"{len(samples)} real pictures in groups", *row(samples, store=store)])
    words = sys.argv[1:] if arguments is None else arguments
    command = " ".join(["python benchmarks/neardup.py", *anonymous(words)])
    text = section(
        rows, num_originals=len(originals), made_up=not options.pictures, command=command
    )
    print(text)
    if options.write:
        write_section(DOCUMENT, text)


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=formatter)
    parser.add_argument("--pictures", type=Path, nargs="+", metavar="FOLDER")
    parser.add_argument("--groups", type=Path, metavar="FOLDER")
    parser.add_argument("--num-made", type=int, default=NUM_MADE)
    parser.add_argument("--write", action="store_true", help="into docs/benchmarks.md too")
    return parser.parse_args(arguments)


def anonymous(words: Sequence[str]) -> list[str]:
    """The arguments with folders of this machine left out."""
    return ["FOLDER" if "/" in word else word for word in words]


def here(
    fn: Callable[[Any], Any], items: Sequence[Any], *, workers: Workers
) -> Iterator[list[tuple[Any, Any]]]:
    """In this process: workers take seconds to start, twice a decision."""
    del workers
    yield [(item, fn(item)) for item in items]


def row(samples: Sequence[Sample], *, store: Store) -> list[str]:
    """The cells of a table for each of the ways."""
    scores = [score(samples, params=params, store=store) for params in WAYS.values()]
    return [f"{value:.3f}" for one in scores for value in (one.recall, one.precision)] + [
        f"{1000 * scores[-1].cpu_s / len(samples):.1f}"
    ]


def score(samples: Sequence[Sample], *, params: PhashParams, store: Store) -> Score:
    """How well a way decides; each group should leave one."""
    crops = as_crops(samples, store=store)

    def look(ranked: pa.Table, new: Ints, seen: Ints) -> list[Findings]:
        assert params.verify is not None
        return look_closer(ranked, new, seen, params=params.verify, store=store, home="home")

    start = process_time()
    found = find_duplicates(crops, params=params, look=look if params.verify else None)
    cpu_s = process_time() - start
    groups = np.array([sample.group for sample in samples])
    dropped = np.flatnonzero(~found.is_kept)
    is_right = groups[dropped] == groups[found.duplicate_of[dropped]]
    num_wanted = len(groups) - len(np.unique(groups))
    precision = float(is_right.mean()) if len(dropped) else 1.0
    return Score(int(is_right.sum()) / max(1, num_wanted), precision, cpu_s)


def as_crops(samples: Sequence[Sample], *, store: Store) -> pa.Table:
    """The samples as the crops of a subject that takes whole pictures."""
    rows = []
    for number, sample in enumerate(samples):
        width, height = sample.picture.size
        crop = sample.picture.resize((CROP_PX, CROP_PX), Image.Resampling.LANCZOS)
        pixels_HWC = np.asarray(crop)
        sink = io.BytesIO()
        crop.save(sink, "JPEG", quality=95, subsampling=0)
        rows.append(
            {
                "id": f"{number:06d}",
                "crop_sha256": Blobs(store).put(sink.getvalue()),
                "phash": phash(pixels_HWC),
                "dhash": dhash(pixels_HWC),
                "sharpness": 1.0,
                **{"box_x0": 0, "box_y0": 0, "box_x1": width, "box_y1": height},
                **{"source_width": width, "source_height": height, "num_bytes": width * height},
            }
        )
    return pa.Table.from_pylist(rows, schema=CROPS)


def pictures_in(folders: Sequence[Path]) -> list[Sample]:
    """Every different picture of folders, alone in its group."""
    found = {}
    for file in sorted(file for folder in folders for file in folder.rglob("*")):
        picture = read(file)
        if picture is not None:
            found[sha256(picture.tobytes()).hexdigest()] = picture
    return [Sample(name, picture) for name, picture in found.items()]


def labelled(folder: Path) -> list[Sample]:
    """The pictures of a folder by the group that their folder or name tells."""
    samples = []
    for file in sorted(folder.rglob("*")):
        picture = read(file)
        if picture is not None:
            samples.append(Sample(group_of(file.relative_to(folder)), picture))
    return samples


def group_of(path: Path) -> str:
    """What the copies of a picture have in common: one of `TOGETHER`, or the start of a name."""
    for part in TOGETHER:
        if part in path.as_posix():
            return TOGETHER[part]
    return re.split(r"[_\-.]", path.name)[0]


# Of sets of pictures that are in public use for this: parts of paths, and the picture they show.
TOGETHER = {"bridge-mods": "bridge", "modes/": "bridge", "dih/": "bridge", "forest/": "forest"}


def read(file: Path) -> Image.Image | None:
    """The picture of a file, if it is one that Pillow reads."""
    if file.suffix.lower() not in SUFFIXES:
        return None
    try:
        with Image.open(file) as image:
            picture = image.convert("RGB")
    except OSError as error:
        print(f"{file.name} is left out: {error}", file=sys.stderr)
        return None
    picture.thumbnail((MAX_PX, MAX_PX))
    return picture


def made(num: int) -> list[Sample]:
    """Noise whose amplitudes fall as 1/f, as those of photographs do."""
    return [Sample(f"{seed}", noise(seed)) for seed in range(num)]


def noise(seed: int, *, side_px: int = 320) -> Image.Image:
    """One such picture."""
    rng = np.random.default_rng(seed)
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(side_px), np.fft.fftfreq(side_px)))
    frequency[0, 0] = 1
    phases = rng.uniform(0, 2 * np.pi, (3, side_px, side_px))
    waves = np.fft.ifft2(np.exp(1j * (0.8 * phases[0] + 0.2 * phases)) / frequency**1.2).real
    waves /= np.abs(waves).max(axis=(1, 2), keepdims=True)
    return Image.fromarray(np.uint8(127.5 + 127.5 * waves.transpose(1, 2, 0)))


def recompressed(picture: Image.Image, *, quality: int = 90) -> Image.Image:
    """As a JPEG of this quality shows it."""
    sink = io.BytesIO()
    picture.save(sink, "JPEG", quality=quality)
    return Image.open(io.BytesIO(sink.getvalue())).convert("RGB")


def cut(left: float, top: float, right: float, bottom: float) -> Change:
    """Leaves out these shares of the sides."""

    def change(picture: Image.Image) -> Image.Image:
        width, height = picture.size
        end = (round((1 - right) * width), round((1 - bottom) * height))
        return picture.crop((round(left * width), round(top * height), *end))

    return change


def turn(angle_deg: float) -> Change:
    """Turns against the clock; the corners become black."""
    return lambda picture: picture.rotate(angle_deg, Image.Resampling.BICUBIC)


def frame(share: float, colour: int) -> Change:
    """Puts a frame about it, of this share of its longer side."""

    def change(picture: Image.Image) -> Image.Image:
        return ImageOps.expand(picture, round(share * max(picture.size)), (colour,) * 3)

    return change


def bars(picture: Image.Image) -> Image.Image:
    """Puts black bars above and below."""
    border = round(0.12 * picture.height)
    image = cv2.copyMakeBorder(np.asarray(picture), border, border, 0, 0, cv2.BORDER_CONSTANT)
    return Image.fromarray(image)


def marked(picture: Image.Image) -> Image.Image:
    """Writes into a corner."""
    copy = picture.copy()
    font = ImageFont.load_default(max(10, copy.width // 14))
    place = (0.55 * copy.width, 0.85 * copy.height)
    ImageDraw.Draw(copy).text(place, "example.org", fill=(255, 255, 255), font=font)
    return copy


def mirrored_cut(picture: Image.Image) -> Image.Image:
    """In a mirror, and cropped."""
    return cut(0.05, 0.05, 0.05, 0.05)(ImageOps.mirror(picture))


# Crops by the share of width and height that goes.
CHANGES: dict[str, Change] = {
    "JPEG of quality 20": lambda picture: recompressed(picture, quality=20),
    "half the size": lambda picture: picture.reduce(2),
    "grey": lambda picture: ImageOps.grayscale(picture).convert("RGB"),
    "30 % brighter": lambda picture: ImageEnhance.Brightness(picture).enhance(1.3),
    "watermark": marked,
    "crop 5 %, centre": cut(0.025, 0.025, 0.025, 0.025),
    "crop 5 %, corner": cut(0.05, 0.05, 0, 0),
    "crop 10 %, centre": cut(0.05, 0.05, 0.05, 0.05),
    "crop 10 %, corner": cut(0, 0.1, 0.1, 0),
    "crop 12 %, uneven": cut(0.08, 0.03, 0.04, 0.09),
    "crop 15 %, centre": cut(0.075, 0.075, 0.075, 0.075),
    "crop 15 %, corner": cut(0, 0, 0.15, 0.15),
    "crop 15 % of one side": cut(0, 0.15, 0, 0),
    "crop 15 % from each edge": cut(0.15, 0.15, 0.15, 0.15),
    "turned 3°": turn(3),
    "turned 3°, corners cut off": lambda picture: cut(0.05, 0.05, 0.05, 0.05)(turn(-3)(picture)),
    "turned 4°": turn(-4),
    "black frame of 5 %": frame(0.05, 0),
    "white frame of 10 %": frame(0.1, 255),
    "black bars": bars,
    "mirrored": ImageOps.mirror,
    "mirrored, crop 10 %": mirrored_cut,
}


def section(
    rows: Sequence[Sequence[str]], *, num_originals: int, made_up: bool, command: str
) -> str:
    """What was run on what, and what came out."""
    versions = f"Python {platform.python_version()}, OpenCV {version('opencv-python-headless')}"
    kind = "made" if made_up else "real"
    head = ["each picture and its copy", *(f"{way}: {v}" for way in WAYS for v in MEASURES)]
    return "\n\n".join(
        [
            f"## Near-duplicates among {kind} pictures, on {processor()}",
            f"{versions}. Command: `{command}`.",
            f"{num_originals} {kind} pictures of at most {MAX_PX} px a side and a changed copy of "
            "each, saved as JPEG again. "
            "Recall is the share of copies that are dropped for their own original (or the other "
            "way round), precision the share of what is dropped that is. By the default settings, "
            "and with `verify: {flips: true}`. The last column is the CPU time of the latter, "
            "with decoding and aligning; the originals are looked at once.",
            table([*head, "CPU-ms a picture"], rows),
        ]
    )


MEASURES = ("recall", "precision")

if __name__ == "__main__":
    main()
