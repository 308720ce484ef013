import hashlib
import json
import subprocess
import sys
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from safetensors.torch import save

from wunderkammer.build import Built, build_stage
from wunderkammer.gan.networks.params import StyleGan2Network
from wunderkammer.gan.networks.stylegan2_generator import StyleGan2Generator
from wunderkammer.latent.walk import walk_frames
from wunderkammer.manifests import SHARDS
from wunderkammer.stages import INTERPOLATION_VIDEO
from wunderkammer.storage.store import Store
from wunderkammer.storage.versions import Draft, Record, Summary, Versions, now
from wunderkammer.subject import Subject, load_subjects
from wunderkammer.video.film import (
    check_film,
    film_fault,
    film_of,
    render_film,
    resized,
    whole_side_px,
)
from wunderkammer.video.frames import BATCH_SIZE, NotFiniteError, drawn_frames
from wunderkammer.video.params import VideoParams

CPU = torch.device("cpu")


class FakePainter:
    """Paints the first numbers of its latent as grey levels; remembers the batches it was given."""

    def __init__(self, *, channels: int = 3, resolution_px: int = 16, gain: float = 0.3) -> None:
        self.z_dim = 8
        self.resolution_px = resolution_px
        self.channels = channels
        self.gain = gain
        self.batch_sizes: list[int] = []
        self.noise_modes: set[str] = set()

    def mapping(self, z_NZ: torch.Tensor, *, truncation_psi: float) -> torch.Tensor:
        return z_NZ * truncation_psi

    def synthesis(self, w: torch.Tensor, *, noise_mode: str) -> torch.Tensor:
        self.batch_sizes.append(len(w))
        self.noise_modes.add(noise_mode)
        colours = self.gain * w[:, : self.channels, None, None]
        return colours.expand(-1, -1, self.resolution_px, self.resolution_px)


def a_film(**changes: object) -> VideoParams:
    defaults = {"num_keyframes": 3, "frames_per_leg": 6, "fps": 12}
    return VideoParams.model_validate({**defaults, **changes})


def made(params: VideoParams, painter: FakePainter | None = None) -> Draft:
    return film_of(painter or FakePainter(), params, subject="quilts", device="cpu")


def content(draft: Draft, name: str) -> bytes:
    found = draft.files[name]
    assert isinstance(found, bytes)
    return found


def frames_of(painter: FakePainter, latents: np.ndarray) -> Sequence[np.ndarray]:
    return list(drawn_frames(painter, latents, truncation_psi=1.0, device=CPU))


def test_frames_are_the_images_of_the_latents_in_order() -> None:
    latents = np.zeros((3, 8), np.float32)
    latents[:, 0] = [-10, 0, 10]
    frames = frames_of(FakePainter(), latents)
    assert [frame[5, 5].tolist() for frame in frames] == [
        [0, 128, 128],
        [128, 128, 128],
        [255, 128, 128],
    ]


def test_a_grey_generator_makes_grey_rgb_frames() -> None:
    latents = np.full((2, 8), -0.5, np.float32)
    frame = frames_of(FakePainter(channels=1), latents)[0]
    assert frame.shape == (16, 16, 3)
    assert (frame == frame[0, 0, 0]).all()


def test_every_batch_is_full_and_the_noise_is_fixed() -> None:
    painter = FakePainter()
    frames = frames_of(painter, np.ones((BATCH_SIZE + 3, 8), np.float32))
    assert len(frames) == BATCH_SIZE + 3
    assert painter.batch_sizes == [BATCH_SIZE, BATCH_SIZE]
    assert painter.noise_modes == {"const"}


def test_a_diverged_generator_is_told_and_not_filmed() -> None:
    with pytest.raises(NotFiniteError, match=r"not finite.*train again"):
        made(a_film(), FakePainter(gain=float("nan")))


def test_the_film_its_poster_and_its_strip_are_what_the_params_say() -> None:
    params = a_film()
    draft = made(params)
    assert sorted(draft.files) == ["film.mp4", "frames.jpg", "poster.jpg"]
    film = content(draft, "film.mp4")
    assert film_fault(film, num_frames=18, fps=12, side_px=256) is None
    assert Image.open(BytesIO(content(draft, "poster.jpg"))).size == (256, 256)
    assert all(len(content(draft, name)) <= 200_000 for name in ("poster.jpg", "frames.jpg"))
    measures = draft.summary.measures
    assert (measures["num_frames"], measures["fps"], measures["duration_s"]) == (18, 12, 1.5)
    assert (measures["side_px"], measures["truncation_psi"]) == (256, 0.7)
    assert draft.summary.num_out == 18
    assert set(draft.summary.timings_s) == {"draw", "encode"}


def test_the_poster_shows_the_first_frame() -> None:
    params = a_film()
    first = frames_of(FakePainter(), walk_frames(params, z_dim=8)[:1] * np.float32(0.7))[0]
    poster = np.asarray(Image.open(BytesIO(content(made(params), "poster.jpg"))))
    assert np.abs(poster[128, 128].astype(int) - first[0, 0]).max() <= 3


def test_the_same_generator_and_params_make_the_same_version_and_files() -> None:
    first, again = made(a_film()), made(a_film())
    assert first.data_version == again.data_version
    assert first.files == again.files


@pytest.mark.parametrize(
    "change",
    [{"seed": 1}, {"fps": 13}, {"crf": 30}, {"side_px": 64}, {"truncation_psi": 0.5}],
    ids=lambda change: next(iter(change)),
)
def test_whatever_changes_the_film_changes_its_version(change: dict[str, object]) -> None:
    assert made(a_film()).data_version != made(a_film(**change)).data_version


def test_a_single_grey_frame_is_a_film() -> None:
    draft = made(a_film(num_keyframes=2, frames_per_leg=1, loop=True), FakePainter(channels=1))
    assert film_fault(content(draft, "film.mp4"), num_frames=2, fps=12, side_px=256) is None


@given(resolution_px=st.sampled_from([8, 16, 32, 64, 128, 256, 512, 1024]))
def test_films_are_enlarged_by_whole_factors_to_at_least_256(resolution_px: int) -> None:
    side_px = whole_side_px(resolution_px)
    assert side_px == max(256, resolution_px)
    assert side_px % resolution_px == 0


@pytest.mark.parametrize("side_px", [8, 16, 40])
def test_frames_become_the_side_that_is_asked_for(side_px: int) -> None:
    frame = np.full((16, 16, 3), (10, 120, 250), np.uint8)
    enlarged = resized(frame, side_px=side_px)
    assert enlarged.shape == (side_px, side_px, 3)
    assert enlarged.dtype == np.uint8
    assert (enlarged == frame[0, 0]).all()


@pytest.mark.parametrize(
    ("claim", "complaint"),
    [
        ({"num_frames": 19}, "has 18 frames, it should have 19"),
        ({"fps": 24}, "takes 1.500 s, it should take 0.750 s"),
        ({"side_px": 128}, "is 256 by 256 px, it should be 128 square"),
    ],
)
def test_a_film_that_breaks_a_claim_is_told(claim: dict[str, int], complaint: str) -> None:
    film = content(made(a_film()), "film.mp4")
    fault = film_fault(film, **{"num_frames": 18, "fps": 12, "side_px": 256, **claim})
    assert fault is not None
    assert complaint in fault


def test_a_cut_film_is_told() -> None:
    film = content(made(a_film()), "film.mp4")
    fault = film_fault(film[: len(film) * 2 // 3], num_frames=18, fps=12, side_px=256)
    assert fault is not None
    assert film_fault(b"nothing", num_frames=1, fps=1, side_px=2) is not None


def trained(place, store: Store, *, labels: tuple[str, ...] = ()) -> Subject:
    """A subject with a checkpoint of an untrained tiny generator."""
    place.write("quilts")
    subject = load_subjects(place.subjects)["quilts"]
    torch.manual_seed(0)
    network = StyleGan2Network(
        resolution_px=16,
        channels=3,
        num_labels=len(labels),
        z_dim=64,
        w_dim=64,
        num_mapping_layers=2,
        channel_base=512,
        channel_max=64,
    )
    tensors = {f"average.{k}": v for k, v in StyleGan2Generator(network).state_dict().items()}
    description = {"generator": network.model_dump(), "labels": labels}
    config = json.dumps(description).encode()
    weights = save(tensors)
    record = Record(
        subject="quilts",
        stage="trained_checkpoint",
        version="",
        data_version=hashlib.sha256(weights).hexdigest(),
        fingerprint="f" * 64,
        code_version="1",
        sections={},
        upstreams={},
        files=(),
        summary=Summary(),
        created_at=now(),
    )
    files = {"checkpoint.safetensors": weights, "checkpoint.json": config}
    Versions(store).commit(record, Draft(record.data_version, Summary(), files=files))
    return subject


def built(subject: Subject, store: Store, *, force: bool = False) -> Built:
    return build_stage(INTERPOLATION_VIDEO, subject, store=store, builder=render_film, force=force)


def test_a_conditional_model_is_filmed_through_its_labels(workplace) -> None:
    store = Store(str(workplace.data))
    subject = trained(workplace, store, labels=("log cabin", "star"))
    draft = built(subject, store).record
    assert draft.summary.measures["num_frames"] == subject.spec.video.num_frames


def test_the_stage_films_the_checkpoint_the_same_way_each_time(workplace) -> None:
    store = Store(str(workplace.data))
    subject = trained(workplace, store)
    assert check_film(subject, store) == "there is no film yet"
    first = built(subject, store)
    assert not first.was_fresh
    assert check_film(subject, store) is None
    assert set(first.record.summary.timings_s) == {"load", "draw", "encode", "total"}
    again = built(subject, store, force=True)
    assert again.record.data_version == first.record.data_version
    assert again.record.version == first.record.version


def test_a_film_carries_the_credits_of_the_pictures_that_its_model_was_trained_on(
    workplace,
) -> None:
    store = Store(str(workplace.data))
    subject = trained(workplace, store)
    uncredited = built(subject, store).record
    assert "attributions.md" not in uncredited.files
    versions = Versions(store)
    checkpoint = versions.current("quilts", "trained_checkpoint")
    assert checkpoint is not None
    shards = checkpoint.model_copy(update={"stage": "deduped_shards", "data_version": "pictures"})
    row = {"id": "q7", "sha256": "7", "crop_sha256": "c7", "decision": "kept"}
    manifest = pa.Table.from_pylist([row], schema=SHARDS)
    versions.commit(shards, Draft("pictures", Summary(), manifest))
    versions.restore(checkpoint.model_copy(update={"upstreams": {"deduped_shards": "pictures"}}))
    record = built(subject, store, force=True).record
    assert "q7" in versions.read(record, "attributions.md").decode()
    assert "q7" in versions.read(record, "attributions.csv").decode()
    assert record.data_version == uncredited.data_version


def test_the_check_finds_a_film_that_was_swapped(workplace) -> None:
    store = Store(str(workplace.data))
    subject = trained(workplace, store)
    record = built(subject, store).record
    other = content(made(subject.spec.video.model_copy(update={"seed": 3, "fps": 9})), "film.mp4")
    store.write(Versions(store).key(record, "film.mp4"), other)
    assert check_film(subject, store) is not None


@pytest.mark.parametrize(
    "module", ["wunderkammer.video.film", "wunderkammer.latent.walk", "wunderkammer.video.params"]
)
def test_torch_is_not_loaded_before_a_film_is_made(module: str) -> None:
    code = f"import {module}, sys; sys.exit('torch' in sys.modules)"
    root = Path(__file__).parents[2]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0
