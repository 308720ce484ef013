"""What each way to make crops costs, in CPU-seconds of a process of its own."""

import io
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from multiprocessing import get_context
from time import process_time

import simplejpeg
from PIL import Image, ImageOps

from benchmarks.crops.pictures import CROP_QUALITY, Picture, settings
from wunderkammer.crops.render import MAX_SCALED_BITS, encode, render, render_row
from wunderkammer.images import resize
from wunderkammer.storage.blobs import Blobs
from wunderkammer.storage.store import Store
from wunderkammer.workers import prepare_worker

PLAIN, TUNED, OURS = "Pillow", "Pillow, memory kept", "ours"
LIMIT, ROW = "decode and encode alone", "ours, the whole row"
PREPARED = (TUNED, OURS, LIMIT, ROW)
WAYS = (PLAIN, *PREPARED)

# A process looks at the clock after this many pictures: it ticks too coarsely for one.
PER_LOOK = 8

Crop = Callable[[Picture], object]


@dataclass
class Contestant:
    """A way, and the process in which it has its turns."""

    name: str
    pool: ProcessPoolExecutor
    seconds: list[float] = field(default_factory=list)

    def turn(self, pictures: Sequence[Picture], *, size_px: int) -> None:
        """One more measurement, of seconds a crop."""
        seconds = self.pool.submit(_turn, self.name, pictures, size_px).result()
        self.seconds.append(seconds)


def contest(
    pictures: Sequence[Picture], *, size_px: int, num_rounds: int
) -> Mapping[str, list[float]]:
    """CPU-seconds a crop of each way in each round; the ways take turns."""
    # Before any process starts, since each imports this module, and that OpenCV, first of all.
    os.environ["OPENCV_FOR_THREADS_NUM"] = "1"
    with ExitStack() as stack:
        contestants = [Contestant(name, stack.enter_context(_process(name))) for name in WAYS]
        for number in range(-1, num_rounds):
            for contestant in contestants:
                contestant.turn(pictures, size_px=size_px)
            if number < 0:  # what is loaded on first use
                for contestant in contestants:
                    contestant.seconds.clear()
        return {contestant.name: contestant.seconds for contestant in contestants}


def _process(name: str) -> ProcessPoolExecutor:
    initializer = prepare_worker if name in PREPARED else None
    return ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=initializer)


def _turn(name: str, pictures: Sequence[Picture], size_px: int) -> float:
    resize.PATIENCE_S = 0.0
    num_passes = -(-PER_LOOK // len(pictures))
    with tempfile.TemporaryDirectory() as folder:
        crop, items = _way(name, pictures, size_px, Store(folder))
        start = process_time()
        for _ in range(num_passes):
            for item in items:
                crop(item)
        return (process_time() - start) / (num_passes * len(items))


def _way(
    name: str, pictures: Sequence[Picture], size_px: int, store: Store
) -> tuple[Crop, Sequence[Picture]]:
    """What is done, and with what."""
    if name == ROW:
        blobs = Blobs(store)
        put = [replace(p.window, sha256=blobs.put(p.data)) for p in pictures]
        items = [replace(p, window=w) for p, w in zip(pictures, put, strict=True)]
        return partial(_row, size_px=size_px, store=store), items
    if name == LIMIT:
        return _limit(pictures, size_px), pictures
    return partial(ours if name == OURS else plain, size_px=size_px), pictures


def plain(picture: Picture, *, size_px: int) -> bytes:
    """The loop that one would write."""
    window = picture.window
    with Image.open(io.BytesIO(picture.data)) as image:
        upright = ImageOps.exif_transpose(image)
        cut = upright.convert("RGB").crop((window.x0, window.y0, window.x1, window.y1))
    crop = cut.resize((size_px, size_px), Image.Resampling.LANCZOS)
    sink = io.BytesIO()
    crop.save(sink, "JPEG", quality=CROP_QUALITY, subsampling=0)
    return sink.getvalue()


def ours(picture: Picture, *, size_px: int) -> bytes:
    """The same as the stage does it."""
    crop_HWC = render(picture.data, window=picture.window, settings=settings(size_px))
    return encode(crop_HWC, settings=settings(size_px))


def _row(picture: Picture, *, size_px: int, store: Store) -> object:
    return render_row(picture.window, settings=settings(size_px), store=store)


def _limit(pictures: Sequence[Picture], size_px: int) -> Crop:
    """libjpeg-turbo alone: decode, at the DCT scale that we take, and encode a crop."""
    crops = {p.data: simplejpeg.decode_jpeg(ours(p, size_px=size_px)) for p in pictures}

    def limit(picture: Picture) -> None:
        window = picture.window
        side = min(window.width, window.height)
        is_fine = picture.bits_a_pixel > MAX_SCALED_BITS
        scale = max(s for s in (1, 2, 4, 8) if s == 1 or (side >= 2 * s * size_px and not is_fine))
        # Of a turned picture the sides are the other way round.
        least = min(window.width, window.height) // scale
        simplejpeg.decode_jpeg(picture.data, min_height=least, min_width=least)
        simplejpeg.encode_jpeg(crops[picture.data], quality=CROP_QUALITY)

    return limit
