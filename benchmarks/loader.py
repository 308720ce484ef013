"""What reading shuffled pictures costs: a zip of PNG with a DataLoader, and ours, in one run.

    python benchmarks/loader.py [--side PX] [--write]

Pictures with the spectrum of photographs, as the shards of this project and as a zip of stored PNG,
the layout of NVlabs' dataset_tool. Batches are bytes in memory; no one makes floats of them.
"""

import argparse
import hashlib
import io
import platform
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from statistics import median

import numpy as np
import simplejpeg
from PIL import Image

from benchmarks.document import DOCUMENT, processor, table, write_section
from benchmarks.loading.contestants import (
    CONTESTANTS,
    COPY,
    DECODE,
    MEMORY,
    SHARDS,
    STORE,
    STREAM,
    ZIP,
    ZIP_FILE,
    Pace,
    Task,
    measure,
)
from wunderkammer.shards.write import ShardImage, write_shards
from wunderkammer.storage.store import Store

QUALITY = 95
# How fast amplitudes fall with the frequency. At 256 px the files are as large as those of crops
# of real photographs of this quality: 36 kB.
FALL = 1.6
# How many pictures are read of whom: about a second or two each.
PICTURES = {ZIP: 8_000, MEMORY: 60_000, COPY: 60_000, STREAM: 12_000, DECODE: 6_000}


def main(arguments: list[str] | None = None) -> None:
    """Compare, and print the table."""
    options = parse(arguments)
    paces: dict[str, list[Pace]] = {name: [] for name in CONTESTANTS}
    with tempfile.TemporaryDirectory() as folder:
        task = lay_out(Path(folder), options)
        for number in range(1, options.rounds + 1):
            for name, done in paces.items():
                print(f"round {number}: {name}", file=sys.stderr, flush=True)
                wanted = max(PICTURES[name] // options.shorter, task.batch_size)
                done.append(measure(name, task, num_images=wanted))
    words = sys.argv[1:] if arguments is None else arguments
    text = section(paces, task, command=" ".join(["python benchmarks/loader.py", *words]))
    print(text)
    if options.write:
        write_section(DOCUMENT, text)


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=formatter)
    parser.add_argument("--side", type=int, default=256, metavar="PX")
    parser.add_argument("--images", type=int, default=4096)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--shorter", type=int, default=1, help="read so much less")
    parser.add_argument("--write", action="store_true", help="into docs/benchmarks.md too")
    return parser.parse_args(arguments)


def lay_out(folder: Path, options: argparse.Namespace) -> Task:
    """The same pictures as shards and as a zip."""
    store = Store(str(folder / STORE))
    parts = folder / "parts"
    parts.mkdir()
    with zipfile.ZipFile(folder / ZIP_FILE, "w") as archive:
        shards = write_shards(
            _both(archive, options.images, options.side), folder=parts, names=None, max_shard_mb=64
        )
    for shard in shards:
        store.write(shard.path.name, shard.path)
    (folder / SHARDS).write_text("\n".join(shard.path.name for shard in shards))
    return Task(folder, options.images, options.side, options.batch, options.threads)


def _both(archive: zipfile.ZipFile, num: int, side_px: int) -> Iterator[ShardImage]:
    """Write PNG files to the zip, and give the same pictures as JPEG."""
    rng = np.random.default_rng(0)
    for number in range(num):
        image_HWC = photograph(rng, side_px)
        sink = io.BytesIO()
        Image.fromarray(image_HWC).save(sink, "PNG", compress_level=0, optimize=False)
        archive.writestr(f"{number:08d}.png", sink.getvalue())
        content = simplejpeg.encode_jpeg(image_HWC, quality=QUALITY, colorsubsampling="444")
        yield ShardImage(content, hashlib.sha256(content).hexdigest(), None, f"{number}.jpg")


def photograph(rng: np.random.Generator, side_px: int) -> np.ndarray:
    """A picture whose amplitudes fall with the frequency, as those of photographs do."""
    frequency = np.hypot(np.fft.fftfreq(side_px)[:, None], np.fft.rfftfreq(side_px))
    fall = np.maximum(frequency, 1 / side_px) ** FALL
    spectrum = rng.standard_normal((2, 3, side_px, side_px // 2 + 1)) / fall
    waves_CHW = np.fft.irfft2(spectrum[0] + 1j * spectrum[1], s=(side_px, side_px))
    waves_CHW = 0.7 * waves_CHW.mean(axis=0) + 0.3 * waves_CHW
    values = 120 + 50 * waves_CHW / waves_CHW.std()
    return np.ascontiguousarray(np.clip(values, 0, 255).astype(np.uint8).transpose(1, 2, 0))


def section(paces: Mapping[str, Sequence[Pace]], task: Task, *, command: str) -> str:
    """What was run on what, and what came out."""
    versions = ", ".join(f"{name} {version(name)}" for name in ("torch", "numpy", "simplejpeg"))
    threads = f"{task.num_threads} thread{'s' if task.num_threads > 1 else ''}"
    intro = (
        f"Python {platform.python_version()}, {versions}. Command: `{command}`. {task.num_images} "
        f"pictures of {task.side_px} px in batches of {task.batch_size}, each once a round, in a "
        f"shuffled order; in turn, a process each, medians of {len(paces[ZIP])} rounds. The share "
        f"is that of the limit below: for pictures in memory the copy of the same bytes in one "
        f"thread, for streamed ones the decoding of the same files alone, by CPU time."
    )
    head = ["", "pictures/s", "pictures/CPU-s", "over the zip", "by CPU time", "share"]
    wall = {name: median(pace.wall for pace in done) for name, done in paces.items()}
    cpu = {name: median(pace.cpu for pace in done) for name, done in paces.items()}
    limits = {MEMORY: COPY, STREAM: DECODE}
    rows = []
    for name in paces:
        share = f"{cpu[name] / cpu[limits[name]]:.0%}" if name in limits else ""
        row = [name, f"{wall[name]:,.0f}", f"{cpu[name]:,.0f}"]
        rows.append([*row, f"{wall[name] / wall[ZIP]:.1f}", f"{cpu[name] / cpu[ZIP]:.1f}", share])
    return "\n\n".join([f"## Reading on {threads} of {processor()}", intro, table(head, rows)])


if __name__ == "__main__":
    main()
