"""The stage `interpolation_video`: a film of a walk through the trained generator's latents.

Does not import torch until a film is rendered, but OpenCV and PyAV: import it where it is used.
"""

import hashlib
import json
import logging
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

import cv2
import numpy as np
import simplejpeg

from wunderkammer.attribution import training_credits, write_credits
from wunderkammer.build import StageInputs
from wunderkammer.images.contact_sheet import Tile, contact_sheet
from wunderkammer.latent.walk import walk_frames, walk_labels
from wunderkammer.params import digest
from wunderkammer.progress import track
from wunderkammer.stages import INTERPOLATION_VIDEO, TRAINED_CHECKPOINT
from wunderkammer.storage.store import Store
from wunderkammer.storage.versions import Draft, Summary, Versions
from wunderkammer.subject import Subject
from wunderkammer.video.encode import Frame, encode_mp4
from wunderkammer.video.params import VideoParams
from wunderkammer.video.probe import ProbeError, probe_video

if TYPE_CHECKING:
    from wunderkammer.video.frames import Painter

log = logging.getLogger(__name__)

FILM = "film.mp4"
POSTER = "poster.jpg"
STRIP = "frames.jpg"

# A film of small pictures is enlarged to at least this, or players show a stamp.
MIN_SIDE_PX = 256
NUM_STRIP_FRAMES = 24
MAX_PICTURE_BYTES = 200_000
POSTER_QUALITIES = (92, 85, 75, 60, 40, 20)


@dataclass
class _Reel:
    """Passes frames on and keeps what is told of them afterwards. Mutable: it is a recorder."""

    params: VideoParams
    sha256: "hashlib._Hash" = field(default_factory=hashlib.sha256)
    drawing_s: float = 0.0
    stills: dict[int, Frame] = field(default_factory=dict)

    def record(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        """The same frames; afterwards their hash, a few of them, and the time they took."""
        num_frames = self.params.num_frames
        wanted = set(np.linspace(0, num_frames - 1, NUM_STRIP_FRAMES).round().astype(int).tolist())
        remaining = iter(frames)
        for number in range(num_frames):
            start = perf_counter()
            frame = next(remaining)
            self.drawing_s += perf_counter() - start
            self.sha256.update(np.ascontiguousarray(frame).data)
            if number in wanted:
                self.stills[number] = frame
            yield frame


def render_film(inputs: StageInputs) -> Draft:
    """Load the checkpoint, walk, draw, encode.

    Raises:
        NotFiniteError: the generator draws NaN.
        EncodeError: ffmpeg failed.
    """
    from wunderkammer.gan.checkpoints.published import load_generator
    from wunderkammer.video.frames import best_device

    record = inputs.upstreams[TRAINED_CHECKPOINT.name]
    start = perf_counter()
    description = json.loads(inputs.versions.read(record, "checkpoint.json"))
    tensors = inputs.versions.read(record, "checkpoint.safetensors")
    generator = load_generator(tensors, description["generator"])
    device = best_device()
    loaded_s = perf_counter() - start
    log.info("%s: rendering on %s", inputs.subject.name, device)
    draft = film_of(
        generator.to(device),
        inputs.subject.spec.video,
        label_names=description["labels"],
        subject=inputs.subject.name,
        device=str(device),
    )
    timings = {"load": round(loaded_s, 3), **draft.summary.timings_s}
    summary = draft.summary.model_copy(update={"timings_s": timings})
    return Draft(draft.data_version, summary, files={**draft.files, **_credits(inputs)})


def film_of(
    painter: "Painter",
    params: VideoParams,
    *,
    label_names: Sequence[str] = (),
    subject: str,
    device: str,
) -> Draft:
    """The film of a generator that is on `device` already; with labels if it was trained with them.

    The data version hashes the frames as they were drawn and how they are encoded, not the file,
    so that another release of ffmpeg makes no new version.
    """
    import torch

    from wunderkammer.video.frames import drawn_frames

    latents_FZ = walk_frames(params, z_dim=painter.z_dim)
    side_px = params.side_px or whole_side_px(painter.resolution_px)
    reel = _Reel(params)
    start = perf_counter()
    drawn = drawn_frames(
        painter,
        latents_FZ,
        labels_FL=walk_labels(params, label_names=label_names),
        truncation_psi=params.truncation_psi,
        device=torch.device(device),
    )
    shown = track(reel.record(drawn), total=params.num_frames, what=f"{subject}: frames", log=log)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / FILM
        enlarged = (resized(frame, side_px=side_px) for frame in shown)
        encoded = encode_mp4(enlarged, path=path, fps=params.fps, crf=params.crf)
        film = path.read_bytes()
    assert encoded.num_frames == params.num_frames
    total_s = perf_counter() - start
    return Draft(
        data_version=_data_version(reel, params, side_px=side_px),
        summary=_summary(reel, params, side_px=side_px, device=device, total_s=total_s),
        files={
            FILM: film,
            POSTER: _poster(resized(reel.stills[0], side_px=side_px)),
            STRIP: _strip(reel, params, subject=subject),
        },
    )


def check_film(subject: Subject, store: Store) -> str | None:
    """What is wrong with the film in force, or None: every frame decodes, count and length fit."""
    versions = Versions(store)
    record = versions.current(subject.name, INTERPOLATION_VIDEO.name)
    if record is None:
        return "there is no film yet"
    claims = record.summary.measures
    return film_fault(
        versions.read(record, FILM),
        num_frames=int(str(claims["num_frames"])),
        fps=int(str(claims["fps"])),
        side_px=int(str(claims["side_px"])),
    )


def film_fault(content: bytes, *, num_frames: int, fps: int, side_px: int) -> str | None:
    """How an MP4 differs from what is said of it, or None."""
    try:
        facts = probe_video(content)
    except ProbeError as error:
        return f"the film does not play: {error}"
    if facts.num_frames != num_frames:
        return f"the film has {facts.num_frames} frames, it should have {num_frames}"
    if abs(facts.duration_s - num_frames / fps) > 0.5 / fps:
        return f"the film takes {facts.duration_s:.3f} s, it should take {num_frames / fps:.3f} s"
    if (facts.width, facts.height) != (side_px, side_px):
        return f"the film is {facts.width} by {facts.height} px, it should be {side_px} square"
    if (facts.codec, facts.pix_fmt) != ("h264", "yuv420p"):
        return f"the film is {facts.codec} in {facts.pix_fmt}, it should be h264 in yuv420p"
    return None


def whole_side_px(resolution_px: int) -> int:
    """The smallest whole multiple of the resolution that is no smaller than `MIN_SIDE_PX`."""
    return resolution_px * max(1, -(-MIN_SIDE_PX // resolution_px))


def resized(frame: Frame, *, side_px: int) -> Frame:
    """The frame at `side_px`: Lanczos to enlarge, area means to shrink."""
    if frame.shape[0] == side_px:
        return frame
    method = cv2.INTER_LANCZOS4 if side_px > frame.shape[0] else cv2.INTER_AREA
    return cv2.resize(frame, (side_px, side_px), interpolation=method).astype(np.uint8)


def _credits(inputs: StageInputs) -> dict[str, bytes]:
    """Who made the pictures that the checkpoint was trained on."""
    subject = inputs.subject.name
    credit_rows = training_credits(inputs.versions, inputs.upstreams[TRAINED_CHECKPOINT.name])
    if credit_rows is None:
        log.warning(
            "%s: the shards that the checkpoint was trained on are gone, so the film has no "
            "credits; train again to have them",
            subject,
        )
        return {}
    with tempfile.TemporaryDirectory() as folder:
        written = write_credits(
            credit_rows, subject=subject, stage=INTERPOLATION_VIDEO.name, folder=Path(folder)
        )
        return {name: path.read_bytes() for name, path in written.items()}


def _data_version(reel: _Reel, params: VideoParams, *, side_px: int) -> str:
    return digest(
        {
            "frames": reel.sha256.hexdigest(),
            "num_frames": params.num_frames,
            "side_px": side_px,
            "fps": params.fps,
            "crf": params.crf,
        }
    )


def _summary(
    reel: _Reel, params: VideoParams, *, side_px: int, device: str, total_s: float
) -> Summary:
    return Summary(
        num_in=params.num_keyframes,
        num_out=params.num_frames,
        timings_s={
            "draw": round(reel.drawing_s, 3),
            "encode": round(total_s - reel.drawing_s, 3),
        },
        measures={
            "num_frames": params.num_frames,
            "fps": params.fps,
            "duration_s": round(params.num_frames / params.fps, 3),
            "side_px": side_px,
            "truncation_psi": params.truncation_psi,
            "device": device,
        },
    )


def _poster(frame: Frame) -> bytes:
    """The frame as a JPEG of at most 200 kB, or at the lowest quality."""
    content = b""
    for quality in POSTER_QUALITIES:
        content = bytes(simplejpeg.encode_jpeg(np.ascontiguousarray(frame), quality))
        if len(content) <= MAX_PICTURE_BYTES:
            return content
    return content


def _strip(reel: _Reel, params: VideoParams, *, subject: str) -> bytes:
    tiles = [
        Tile(_poster(resized(frame, side_px=MIN_SIDE_PX)), f"{number / params.fps:.1f} s")
        for number, frame in sorted(reel.stills.items())
    ]
    return contact_sheet(tiles, title=f"{subject}: {params.num_frames} frames")
