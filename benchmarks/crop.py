"""What crops cost: the plain loop with Pillow, and ours, in one run; and what becomes of quality.

    python benchmarks/crop.py [--size PX ...] [--pictures FOLDER] [--write]

Decode, cut the middle square, resize, encode as JPEG: of made pictures with the frequencies of
photographs, or of those in a folder.
"""

import argparse
import platform
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median

from benchmarks.crops.pace import LIMIT, OURS, PLAIN, ROW, TUNED, contest
from benchmarks.crops.pictures import Picture, found, made
from benchmarks.crops.quality import aliasing, quality
from benchmarks.crops.scaling import scaling
from benchmarks.document import DOCUMENT, processor, table, write_section

NUM_PICTURES = 8
# Of a folder's; quality is that of all.
MAX_TIMED = 8
# Some seconds of work for two processes.
NUM_CROPS = {256: 1200, 1024: 480}
DEFAULT_NUM_CROPS = 480
MAX_SCALING_ROUNDS = 3
PACKAGES = {
    "Pillow": "pillow",
    "simplejpeg": "simplejpeg",
    "OpenCV": "opencv-python-headless",
    "numba": "numba",
}


@dataclass(frozen=True)
class Tables:
    """The rows of the section's tables."""

    pace: list[list[str]]
    scaling: list[list[str]]
    quality: list[list[str]]


def main(arguments: list[str] | None = None) -> None:
    """Compare, and print the tables."""
    options = parse(arguments)
    tables = Tables([], [], [])
    for size_px in options.size:
        for what, pictures in sets(options.pictures, min_side_px=size_px):
            print(f"{size_px} px, {what}", file=sys.stderr, flush=True)
            task = {"what": what, "size_px": size_px}
            some = pictures[:: -(-len(pictures) // MAX_TIMED)]
            tables.pace.append(pace_row(some, num_rounds=options.rounds, **task))
            tables.quality.append(quality_row(pictures, **task))
        num_crops = options.crops or NUM_CROPS.get(size_px, DEFAULT_NUM_CROPS)
        tables.scaling.append(
            scaling_row(
                made(NUM_PICTURES),
                size_px=size_px,
                num_crops=num_crops,
                num_rounds=min(options.rounds, MAX_SCALING_ROUNDS),
            )
        )
    text = section(tables, command=command(arguments), bits=bits(options.pictures))
    print(text)
    if options.write:
        write_section(DOCUMENT, text)


def sets(folder: Path | None, *, min_side_px: int) -> list[tuple[str, list[Picture]]]:
    """The pictures to make crops of: made ones, and photographs if there are."""
    given = [("made", made(NUM_PICTURES))]
    photographs = found(folder, min_side_px=min_side_px) if folder else []
    if photographs:
        given.append(("photographs", photographs))
    return given


def bits(folder: Path | None) -> str:
    """What the pictures are."""
    return "; ".join(
        f"{what}: {len(pictures)} with {median(p.bits_a_pixel for p in pictures):.1f} bits a px"
        for what, pictures in sets(folder, min_side_px=0)
    )


def command(arguments: list[str] | None) -> str:
    """What was called, without a folder of this machine."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if "--pictures" in words:
        words[words.index("--pictures") + 1] = "FOLDER"
    return " ".join(["python benchmarks/crop.py", *words])


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=formatter)
    parser.add_argument("--size", type=int, nargs="+", default=[256, 1024], metavar="PX")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument(
        "--crops", type=int, default=0, help="for two processes; 0: some seconds' work"
    )
    parser.add_argument("--pictures", type=Path, metavar="FOLDER", help="photographs (JPEG)")
    parser.add_argument("--write", action="store_true", help="into docs/benchmarks.md too")
    return parser.parse_args(arguments)


def pace_row(pictures: Sequence[Picture], *, what: str, size_px: int, num_rounds: int) -> list[str]:
    """Crops per CPU-second of each way, and how ours compares."""
    seconds = contest(pictures, size_px=size_px, num_rounds=num_rounds)
    ways = (PLAIN, TUNED, OURS, LIMIT, ROW)
    return [
        f"{size_px} px, {what}",
        *(f"{1 / median(seconds[name]):.3g}" for name in ways),
        ratios(seconds[PLAIN], seconds[OURS]),
        ratios(seconds[TUNED], seconds[OURS]),
        f"{100 * median(seconds[LIMIT]) / median(seconds[OURS]):.0f} %",
    ]


def ratios(slow_s: Sequence[float], fast_s: Sequence[float]) -> str:
    """The median of the rounds' ratios, and their range."""
    each = [slow / fast for slow, fast in zip(slow_s, fast_s, strict=True)]
    return f"{median(each):.2f} ({min(each):.2f} to {max(each):.2f})"


def scaling_row(
    pictures: Sequence[Picture], *, size_px: int, num_crops: int, num_rounds: int
) -> list[str]:
    """What a second worker adds, and memory."""
    runs = scaling(pictures, size_px=size_px, num_crops=num_crops, num_rounds=num_rounds)
    ones, twos = [one for one, _ in runs], [two for _, two in runs]
    growth_mb = max(run.peak_mb - run.warm_mb for run in (*ones, *twos))
    return [
        f"{size_px} px",
        *(f"{median(run.crops_a_second for run in group):.3g}" for group in (ones, twos)),
        ratios([1 / one.crops_a_second for one in ones], [1 / two.crops_a_second for two in twos]),
        *(f"{1000 * median(run.cpu_s for run in group):.2f}" for group in (ones, twos)),
        ratios([2 * one.cpu_s for one in ones], [two.cpu_s for two in twos]),
        f"{max(run.peak_mb for run in twos):.0f}",
        f"{growth_mb:.0f} in {num_crops:,}",
    ]


def quality_row(pictures: Sequence[Picture], *, what: str, size_px: int) -> list[str]:
    """How near crops are to exact ones."""
    found_out = quality(pictures, size_px=size_px)
    ours, exact = aliasing(size_px)
    return [
        f"{size_px} px, {what}",
        f"{found_out.num}",
        f"{found_out.min_db:.1f}",
        f"{found_out.median_db:.1f}",
        f"{found_out.max_shift_px:.3f}",
        f"{ours:.2f}",
        f"{exact:.2f}",
    ]


def section(tables: Tables, *, command: str, bits: str) -> str:
    """What was run on what, and what came out."""
    versions = ", ".join(f"{name} {version(package)}" for name, package in PACKAGES.items())
    pace = ["crops per CPU-second", PLAIN, TUNED, OURS, LIMIT, ROW]
    pace += ["ours over Pillow", "over Pillow, memory kept", "share of the limit"]
    scale = ["crops per second", "1 worker", "2 workers", "2 over 1", "CPU-ms a crop, 1"]
    scale += ["CPU-ms a crop, 2", "2 over 1 by CPU time", "peak MB a worker", "growth, MB"]
    good = ["against exact Lanczos", "pictures", "PSNR min, dB", "median", "shift, px"]
    good += ["aliasing", "aliasing, exact"]
    return "\n\n".join(
        [
            f"## Crops on one core of {processor()}",
            f"Python {platform.python_version()}, {versions}. Command: `{command}`. JPEGs, {bits}.",
            "Decode, cut the middle square, resize, encode as JPEG (quality 95, 4:4:4). The plain "
            "loop is Pillow's `convert`, `crop`, Lanczos `resize` and `save`; the same with a "
            "malloc that keeps its memory, as our workers have it, stands beside it. The limit is "
            "libjpeg-turbo alone, by simplejpeg: decode at the DCT scale that we take, and encode. "
            "The whole row also reads the picture and checks its hash, hashes and measures the "
            "crop, and writes it. A process each, in turn; the ratios are the median of the "
            "rounds' and their range.",
            table(pace, tables.pace),
            "Rows by one worker process and by two, in the middle of a run; time is by the clock, "
            "so what else the machine does counts; two cores of their own would give the ratio by "
            "CPU time. Growth is of the peak memory of a worker after the first quarter of its "
            "crops.",
            table(scale, tables.scaling),
            "Exact is: decode everything, one Lanczos resize of the window. Aliasing is what is "
            "left (rms, grey levels) of the rings of a zone plate that are too fine for the crop.",
            table(good, tables.quality),
        ]
    )


if __name__ == "__main__":
    main()
