"""What exports cost, and what reading our zip of PNG costs beside one as others write it.

    python benchmarks/export.py [--images NUM] [--side PX] [--write]

Each export has a process of its own, after its imports; its memory is the largest that the whole
process took. The other zip holds the same pictures as Pillow stores them, with filtered rows, which
is what NVlabs' dataset_tool does.
"""

import argparse
import hashlib
import io
import platform
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from time import process_time

import numpy as np
import pyarrow as pa
import simplejpeg
from PIL import Image

from benchmarks.document import DOCUMENT, processor, table, write_section
from wunderkammer.export.collection import choose
from wunderkammer.export.write import WRITERS, write_export
from wunderkammer.manifests import SHARDS, conformed
from wunderkammer.shards.write import ShardImage, shard_name, write_shards
from wunderkammer.stages import DEDUPED_SHARDS
from wunderkammer.storage.store import Store
from wunderkammer.storage.versions import Draft, Record, Summary, Versions

SUBJECT = "photographs"
# Different pictures; more of them are these again, each file with a byte of its own.
NUM_DRAWN = 200
NUM_READ = 2000


@dataclass(frozen=True)
class Cost:
    """What an export took."""

    seconds: float
    num_bytes: int
    memory_bytes: int


def main(arguments: list[str] | None = None) -> None:
    """Export in every format, read the zips, and print the tables."""
    options = parse(arguments)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        costs: dict[str, list[Cost]] = {kind: [] for kind in WRITERS}
        sizes = (options.images // 5, options.images)
        for num in sizes:
            publish(folder / f"{num}", num=num, side_px=options.side)
            for kind in WRITERS:
                print(f"{num} pictures: {kind}", file=sys.stderr, flush=True)
                with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
                    costs[kind].append(pool.submit(export, folder / f"{num}", kind).result())
        ours = folder / f"{options.images}" / "nvlabs-zip" / f"{SUBJECT}.zip"
        paces = compare_reading(ours, folder / "theirs.zip", rounds=options.rounds)
    words = sys.argv[1:] if arguments is None else arguments
    text = section(costs, paces, sizes, options, " ".join(["python benchmarks/export.py", *words]))
    print(text)
    if options.write:
        write_section(DOCUMENT, text)


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=formatter)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--side", type=int, default=256, metavar="PX")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--write", action="store_true", help="into docs/benchmarks.md too")
    return parser.parse_args(arguments)


def publish(folder: Path, *, num: int, side_px: int) -> None:
    """A training set of so many pictures in a store at `folder`."""
    parts = folder / "parts"
    parts.mkdir(parents=True)
    images = list(_images(num, side_px))
    (shard, *more) = write_shards(images, folder=parts, names=None, max_shard_mb=1e6)
    assert not more
    name = shard_name(0, num_shards=1)
    hashes = [image.sha256 for image in images]
    columns = dict.fromkeys(("id", "sha256", "crop_sha256", "image_sha256"), hashes)
    manifest = pa.table({**columns, "shard": [name] * num, "row": range(num)}).append_column(
        "decision", pa.array(["kept"] * num)
    )
    record = Record(
        subject=SUBJECT,
        stage=DEDUPED_SHARDS.name,
        version="",
        data_version="d",
        fingerprint="f",
        code_version="1",
        sections={"shard": {"resolution_px": side_px}},
        upstreams={},
        files=(),
        summary=Summary(),
        created_at="",
    )
    draft = Draft("d", Summary(), conformed(manifest, SHARDS), {name: shard.path}, parts)
    Versions(Store(str(folder))).commit(record, draft)


def _images(num: int, side_px: int) -> Iterator[ShardImage]:
    # It imports torch, whose memory would count as that of the exports.
    from benchmarks.loader import QUALITY, photograph

    rng = np.random.default_rng(0)
    drawn = [
        simplejpeg.encode_jpeg(photograph(rng, side_px), quality=QUALITY, colorsubsampling="444")
        for _ in range(min(num, NUM_DRAWN))
    ]
    for number in range(num):
        content = drawn[number % NUM_DRAWN] + number.to_bytes(4, "big")
        sha256 = hashlib.sha256(content).hexdigest()
        yield ShardImage(content, sha256, None, f"{sha256}.jpg")


def export(folder: Path, kind: str) -> Cost:
    """Export the training set of the store at `folder`."""
    store = Store(str(folder))
    record = Versions(store).current(SUBJECT, DEDUPED_SHARDS.name)
    assert record is not None
    start = process_time()
    collection = choose(
        store, record, resolution_px=None, side="all", labelled=False, held_out=0.0, seed=0
    )
    write_export(collection, kind=kind, target=folder / kind, replace=False)
    seconds = process_time() - start
    num_bytes = sum(path.stat().st_size for path in (folder / kind).rglob("*") if path.is_file())
    return Cost(seconds, num_bytes, peak_memory_bytes())


def peak_memory_bytes() -> int:
    """The most that this process had in memory; `getrusage` counts that of its parent too."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def compare_reading(ours: Path, theirs: Path, *, rounds: int) -> dict[str, list[float]]:
    """Pictures a CPU-second from each zip, shuffled, by Pillow, in turn."""
    with zipfile.ZipFile(ours) as source, zipfile.ZipFile(theirs, "w") as target:
        names = [name for name in source.namelist() if name.endswith(".png")][:NUM_READ]
        for name in names:
            sink = io.BytesIO()
            with Image.open(io.BytesIO(source.read(name))) as image:
                image.save(sink, "PNG", compress_level=0, optimize=False)
            target.writestr(name, sink.getvalue())
    order = np.random.default_rng(0).permutation(names)
    paces: dict[str, list[float]] = {"ours": [], "as Pillow stores it": []}
    for _ in range(rounds):
        for (_, done), path in zip(paces.items(), (ours, theirs), strict=True):
            done.append(_read(path, order))
    return paces


def _read(path: Path, names: np.ndarray) -> float:
    with zipfile.ZipFile(path) as archive:
        start = process_time()
        for name in names:
            with archive.open(str(name)) as file, Image.open(file) as image:
                np.asarray(image)
        return len(names) / (process_time() - start)


def section(
    costs: dict[str, list[Cost]],
    paces: dict[str, list[float]],
    sizes: tuple[int, int],
    options: argparse.Namespace,
    command: str,
) -> str:
    """What was run on what, and what came out."""
    few, many = sizes
    versions = ", ".join(f"{name} {version(name)}" for name in ("pillow", "h5py", "simplejpeg"))
    intro = (
        f"Python {platform.python_version()}, {versions}. Command: `{command}`. JPEG pictures of "
        f"{options.side} px, each export in a process of its own; what it takes to check the "
        f"shards and to write the credits is part of it."
    )
    head = ["", "pictures/CPU-s", "MB", f"MiB of memory, {few:,} pictures", f"{many:,} pictures"]
    rows = []
    for kind, (small, large) in costs.items():
        row = [kind, f"{many / large.seconds:,.0f}", f"{large.num_bytes / 1e6:,.0f}"]
        rows.append([*row, *(f"{cost.memory_bytes / 2**20:,.0f}" for cost in (small, large))])
    reading = [[name, f"{median(done):,.0f}"] for name, done in paces.items()]
    zips = table(["a zip of PNG, read by Pillow", "pictures/CPU-s"], reading)
    return "\n\n".join([f"## Exports on {processor()}", intro, table(head, rows), zips])


if __name__ == "__main__":
    main()
