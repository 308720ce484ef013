import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wunderkammer.latent.walk import keyframes, slerp, walk_frames, walk_labels
from wunderkammer.video.params import VideoParams

SEEDS = st.integers(0, 2**40)


def a_walk(**changes: object) -> VideoParams:
    return VideoParams.model_validate({"num_keyframes": 4, "frames_per_leg": 7, **changes})


def angles(points_TD: np.ndarray) -> np.ndarray:
    unit_TD = points_TD / np.linalg.norm(points_TD, axis=1, keepdims=True)
    step = np.linalg.norm(unit_TD[1:] - unit_TD[:-1], axis=1)
    return 2 * np.arcsin(step / 2)


def two_ends(seed: int, z_dim: int) -> tuple[np.ndarray, np.ndarray]:
    start, end = keyframes(2, z_dim=z_dim, seed=seed)
    return start, end


@given(seed=SEEDS, z_dim=st.integers(2, 600))
def test_slerp_meets_both_ends_to_the_bit(seed: int, z_dim: int) -> None:
    start, end = two_ends(seed, z_dim)
    points = slerp(start, end_D=end, times_T=np.array([0.0, 0.5, 1.0]))
    assert np.array_equal(points[0], start)
    assert np.array_equal(points[2], end)


@given(seed=SEEDS, z_dim=st.integers(2, 64), near=st.floats(1e-12, 1.0))
def test_slerp_turns_at_constant_speed_also_between_near_parallel_ends(
    seed: int, z_dim: int, near: float
) -> None:
    start, other = two_ends(seed, z_dim)
    end = start + near * other
    points = slerp(start, end_D=end, times_T=np.linspace(0, 1, 9))
    steps = angles(points)
    assert np.allclose(steps, steps.mean(), rtol=1e-3, atol=1e-14)


@given(seed=SEEDS, z_dim=st.integers(2, 64), scale=st.floats(0.1, 10))
def test_slerp_keeps_the_norm_between_the_ends_norms(seed: int, z_dim: int, scale: float) -> None:
    start, end = two_ends(seed, z_dim)
    end = end * scale
    norms = np.linalg.norm(slerp(start, end_D=end, times_T=np.linspace(0, 1, 11)), axis=1)
    low, high = sorted((np.linalg.norm(start), np.linalg.norm(end)))
    assert (norms >= low * (1 - 1e-12)).all()
    assert (norms <= high * (1 + 1e-12)).all()
    assert np.allclose(np.diff(norms), (np.linalg.norm(end) - np.linalg.norm(start)) / 10)


@given(seed=SEEDS)
def test_slerp_is_shoemakes_formula_where_that_is_well_conditioned(seed: int) -> None:
    start, end = two_ends(seed, 32)
    u, v = start / np.linalg.norm(start), end / np.linalg.norm(end)
    w, t = np.arccos(u @ v), 0.3
    direction = (np.sin((1 - t) * w) * u + np.sin(t * w) * v) / np.sin(w)
    radius = (1 - t) * np.linalg.norm(start) + t * np.linalg.norm(end)
    assert np.allclose(slerp(start, end_D=end, times_T=np.array([t]))[0], radius * direction)


@pytest.mark.parametrize("factor", [1.0, 2.0, -1.0])
def test_slerp_of_parallel_and_of_opposite_ends_is_finite_and_smooth(factor: float) -> None:
    start = np.array([3.0, 0.0, 4.0])
    points = slerp(start, end_D=factor * start, times_T=np.linspace(0, 1, 5))
    assert np.isfinite(points).all()
    assert np.allclose(angles(points), 0.0 if factor > 0 else np.pi / 4)


def test_slerp_refuses_an_end_without_direction() -> None:
    with pytest.raises(ValueError, match="zero vector"):
        slerp(np.zeros(3), end_D=np.ones(3), times_T=np.array([0.5]))


@settings(max_examples=60)
@given(
    seed=SEEDS,
    num_keyframes=st.integers(2, 6),
    frames_per_leg=st.integers(1, 20),
    loop=st.booleans(),
)
def test_a_walk_has_the_promised_frames_and_stops_at_every_keyframe(
    seed: int, num_keyframes: int, frames_per_leg: int, loop: bool
) -> None:
    params = VideoParams(
        seed=seed, num_keyframes=num_keyframes, frames_per_leg=frames_per_leg, loop=loop
    )
    frames = walk_frames(params, z_dim=16)
    assert frames.dtype == np.float32
    assert frames.shape == (params.num_frames, 16)
    stops = keyframes(num_keyframes, z_dim=16, seed=seed).astype(np.float32)
    assert np.array_equal(frames[::frames_per_leg], stops)


def test_each_leg_turns_at_one_speed() -> None:
    frames = walk_frames(a_walk(loop=False), z_dim=64).astype(np.float64)
    for leg in range(3):
        steps = angles(frames[leg * 7 : leg * 7 + 8])
        assert np.allclose(steps, steps[0], rtol=1e-4)


@given(seed=SEEDS)
def test_the_seam_of_a_loop_is_a_step_like_the_others_of_its_leg(seed: int) -> None:
    frames = walk_frames(a_walk(seed=seed), z_dim=32).astype(np.float64)
    last_leg = np.concatenate([frames[-7:], frames[:1]])
    steps = angles(last_leg)
    assert steps[-1] > 0
    assert np.allclose(steps, steps[0], rtol=1e-4)
    jumps = np.linalg.norm(np.diff(last_leg, axis=0), axis=1)
    norms = np.linalg.norm(last_leg, axis=1)
    even_step = np.hypot(norms.max() * steps[0], np.abs(np.diff(norms)).max())
    assert jumps[-1] <= even_step * (1 + 1e-4)


def test_a_walk_is_its_seed() -> None:
    first = walk_frames(a_walk(seed=5), z_dim=8)
    assert np.array_equal(first, walk_frames(a_walk(seed=5), z_dim=8))
    assert not np.array_equal(first, walk_frames(a_walk(seed=6), z_dim=8))


def test_the_stream_of_latents_is_the_one_that_films_were_made_with() -> None:
    expected = np.array([-1.8313077, -0.1773544], dtype=np.float32)
    assert np.allclose(keyframes(1, z_dim=2, seed=0)[0], expected)


def test_keyframes_are_standard_normal() -> None:
    sample = keyframes(400, z_dim=256, seed=1)
    assert abs(sample.mean()) < 0.01
    assert abs(sample.std() - 1) < 0.01


def test_a_walk_needs_two_dimensions() -> None:
    with pytest.raises(ValueError, match="z_dim=1"):
        walk_frames(a_walk(), z_dim=1)


@pytest.mark.parametrize("loop", [True, False])
def test_labels_fade_from_keyframe_to_keyframe(loop: bool) -> None:
    params = a_walk(loop=loop)
    blends = walk_labels(params, label_names=("a", "b", "c"))
    assert blends is not None
    assert blends.shape == (params.num_frames, 3)
    assert np.allclose(blends.sum(axis=1), 1.0)
    assert blends[::7].argmax(axis=1).tolist() == [0, 1, 2, 0]
    assert np.allclose(blends[::7].max(axis=1), 1.0)
    assert np.allclose(blends[1], [6 / 7, 1 / 7, 0.0])


def test_only_labels_that_are_asked_for_are_passed_and_unknown_ones_refused() -> None:
    params = a_walk(labels=("c", "a"))
    blends = walk_labels(params, label_names=("a", "b", "c"))
    assert blends is not None
    assert blends[::7].argmax(axis=1).tolist() == [2, 0, 2, 0]
    assert walk_labels(a_walk(), label_names=()) is None
    with pytest.raises(ValueError, match="the model has: a, b"):
        walk_labels(params, label_names=("a", "b"))
