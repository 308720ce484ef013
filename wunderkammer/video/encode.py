"""Frames to an H.264 MP4 that every player takes, through the ffmpeg that imageio-ffmpeg brings."""

import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import IO
from uuid import uuid4

import ffmpeg
import imageio_ffmpeg
import numpy as np
import numpy.typing as npt

Frame = npt.NDArray[np.uint8]

# x264 reaches other decisions with another number of threads, so it is fixed, not this machine's.
NUM_THREADS = 4
MAX_STDERR_CHARS = 2000


class EncodeError(RuntimeError):
    """ffmpeg failed; the message ends with what it said last."""


@dataclass(frozen=True)
class Encoded:
    """What was written: how many frames, and their size in pixels."""

    num_frames: int
    width: int
    height: int


def encode_mp4(
    frames: Iterable[Frame], *, path: Path, fps: int, crf: int, program: str | None = None
) -> Encoded:
    """Write uint8 RGB frames `[height, width, 3]`, all of one even size, as H.264 in yuv420p.

    The file (BT.709, the index in front so that it plays while it loads) appears under `path` when
    it is complete, and is the same for the same frames: fixed threads, bit-exact flags.
    `program` is the ffmpeg to run, else imageio-ffmpeg's.

    Raises:
        ValueError: no frames, or one of another type or size than told.
        EncodeError: ffmpeg failed.
    """
    remaining = iter(frames)
    first = next(remaining, None)
    if first is None:
        raise ValueError("no frames; a film needs at least one")
    height, width = _checked_size(first)
    unfinished = path.with_name(f".{path.name}.{uuid4().hex}.part")
    command = _command(unfinished, width=width, height=height, fps=fps, crf=crf, program=program)
    try:
        with _running(command) as stdin:
            num_frames = _write(chain([first], remaining), stdin, shape=first.shape)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    return Encoded(num_frames=num_frames, width=width, height=height)


def _checked_size(frame: Frame) -> tuple[int, int]:
    if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3:
        raise ValueError(
            f"a frame is {frame.dtype} {frame.shape}, it must be uint8 [height, width, 3]"
        )
    height, width, _ = frame.shape
    if height % 2 or width % 2 or not height or not width:
        raise ValueError(
            f"frames are {width} by {height} px, yuv420p needs even sizes; enlarge or crop them"
        )
    return height, width


def _command(
    path: Path, *, width: int, height: int, fps: int, crf: int, program: str | None
) -> list[str]:
    source = ffmpeg.input(
        "pipe:0", format="rawvideo", pix_fmt="rgb24", s=f"{width}x{height}", framerate=fps
    )
    bt709 = source.filter(
        "scale",
        out_color_matrix="bt709",
        out_range="tv",
        flags="bicubic+accurate_rnd+full_chroma_int+bitexact",
    )
    settings = {
        "format": "mp4",
        "vcodec": "libx264",
        "preset": "medium",
        "crf": crf,
        "pix_fmt": "yuv420p",
        "threads": NUM_THREADS,
        "colorspace": "bt709",
        "color_primaries": "bt709",
        "color_trc": "bt709",
        "movflags": "+faststart",
        "fflags": "+bitexact",
        "flags:v": "+bitexact",
        "map_metadata": -1,
    }
    quiet = ("-hide_banner", "-nostats", "-loglevel", "error")
    output = ffmpeg.output(bt709, str(path), **settings).global_args(*quiet).overwrite_output()
    command: list[str] = ffmpeg.compile(output, cmd=program or imageio_ffmpeg.get_ffmpeg_exe())
    return command


@contextmanager
def _running(command: list[str]) -> Iterator[IO[bytes]]:
    """The program's standard input. Leaving waits for it; an error while writing ends it first.

    What it says goes to a file, never to a pipe that could fill up while both sides wait.
    """
    with tempfile.TemporaryFile() as stderr:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=stderr
        )
        assert process.stdin is not None
        left_early = False
        try:
            yield process.stdin
            process.stdin.close()
        except BrokenPipeError:
            left_early = True
        except BaseException:
            process.kill()
            raise
        finally:
            process.wait()
            with suppress(BrokenPipeError):  # bytes that an ended program will never read
                process.stdin.close()
        if left_early or process.returncode != 0:
            raise EncodeError(_failure(process.returncode, stderr))


def _write(frames: Iterable[Frame], stdin: IO[bytes], *, shape: tuple[int, ...]) -> int:
    num_frames = 0
    for frame in frames:
        if frame.shape != shape or frame.dtype != np.uint8:
            raise ValueError(
                f"frame {num_frames} is {frame.dtype} {frame.shape}, the first one uint8 {shape}; "
                f"all frames of a film have one size"
            )
        stdin.write(np.ascontiguousarray(frame).data)
        num_frames += 1
    return num_frames


def _failure(returncode: int, stderr: IO[bytes]) -> str:
    stderr.seek(0)
    said = stderr.read().decode(errors="replace").strip()[-MAX_STDERR_CHARS:]
    return f"ffmpeg ended with status {returncode}: {said or 'it said nothing'}"
