"""What a video file really holds, found by decoding every frame of it."""

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import av
import av.error


class ProbeError(ValueError):
    """The file holds no video that can be decoded to its end."""


@dataclass(frozen=True)
class VideoFacts:
    """The first video stream: `num_frames` were decoded, the rest is what the file claims."""

    num_frames: int
    duration_s: float
    fps: float
    width: int
    height: int
    codec: str
    pix_fmt: str


def probe_video(source: Path | bytes) -> VideoFacts:
    """Decode the whole of `source` (a path, or a file's bytes).

    Raises:
        ProbeError: not a video, no video stream, or damaged.
    """
    file = BytesIO(source) if isinstance(source, bytes) else str(source)
    try:
        with av.open(file, mode="r") as container:
            if not container.streams.video:
                raise ProbeError("the file holds no video stream")
            return _facts(container.streams.video[0], container)
    except av.error.FFmpegError as error:
        raise ProbeError(f"the file can't be decoded: {error}") from error


def _facts(stream: av.VideoStream, container: av.container.InputContainer) -> VideoFacts:
    num_frames = sum(1 for _ in container.decode(stream))
    if stream.duration is None or stream.time_base is None or stream.average_rate is None:
        raise ProbeError("the video stream states no duration or no frame rate")
    context = stream.codec_context
    return VideoFacts(
        num_frames=num_frames,
        duration_s=float(stream.duration * stream.time_base),
        fps=float(stream.average_rate),
        width=context.width,
        height=context.height,
        codec=context.name,
        pix_fmt=context.pix_fmt or "unknown",
    )
