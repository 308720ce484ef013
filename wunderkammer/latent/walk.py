"""A seeded walk through latent space: great-circle legs between Gaussian keyframes.

Spherical interpolation after K. Shoemake, "Animating rotation with quaternion curves" (SIGGRAPH
1985); T. White, "Sampling generative networks" (arXiv 1609.04468), says why latents want it.
K = keyframes, F = frames, T = times, D = latent dimensions.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from wunderkammer.video.params import VideoParams

Floats = npt.NDArray[np.float64]


def walk_frames(params: VideoParams, *, z_dim: int) -> npt.NDArray[np.float32]:
    """The latents of the film, `[params.num_frames, z_dim]`.

    Every `frames_per_leg`-th frame is a keyframe, to the bit. A looping walk ends one step before
    its first frame, so that the film repeats without a stutter.

    Raises:
        ValueError: `z_dim` is below 2, where opposite latents have no way around the sphere.
    """
    if z_dim < 2:
        raise ValueError(f"z_dim={z_dim}, at least 2 is needed for a walk on a sphere")
    stops_KD = keyframes(params.num_keyframes, z_dim=z_dim, seed=params.seed)
    ends_KD = np.roll(stops_KD, -1, axis=0) if params.loop else stops_KD[1:]
    times_T = np.arange(params.frames_per_leg) / params.frames_per_leg
    pairs = zip(stops_KD[: len(ends_KD)], ends_KD, strict=True)
    legs = [slerp(start_D, end_D=end_D, times_T=times_T) for start_D, end_D in pairs]
    if not params.loop:
        legs.append(stops_KD[-1:])
    frames_FD = np.concatenate(legs).astype(np.float32)
    assert frames_FD.shape == (params.num_frames, z_dim)
    return frames_FD


def walk_labels(
    params: VideoParams, *, label_names: Sequence[str]
) -> npt.NDArray[np.float32] | None:
    """A blend of labels a frame, `[params.num_frames, labels]`, rows summing to 1.

    Keyframe k has the k-th of `params.labels` (or of all labels), over and over; between keyframes
    one fades into the next. None for a model without labels.

    Raises:
        ValueError: `params.labels` names one that the model does not have.
    """
    unknown = sorted(set(params.labels or ()) - set(label_names))
    if unknown:
        raise ValueError(
            f"video.labels names {', '.join(unknown)}; the model has: "
            f"{', '.join(label_names) or 'no labels (train.conditional is false)'}"
        )
    if not label_names:
        return None
    chosen = [label_names.index(name) for name in params.labels or label_names]
    legs_F, times_F = np.divmod(np.arange(params.num_frames), params.frames_per_leg)
    stops_K = np.resize(chosen, params.num_keyframes)
    ends_K = np.roll(stops_K, -1) if params.loop else np.append(stops_K[1:], stops_K[-1])
    one_hot_LL = np.eye(len(label_names), dtype=np.float32)
    share_F1 = (times_F / params.frames_per_leg).astype(np.float32)[:, None]
    blend_FL: npt.NDArray[np.float32] = one_hot_LL[stops_K[legs_F]] * (1 - share_F1)
    blend_FL += one_hot_LL[ends_K[legs_F]] * share_F1
    return blend_FL


def keyframes(num_keyframes: int, *, z_dim: int, seed: int) -> Floats:
    """Standard normal latents `[num_keyframes, z_dim]`, each exact in float32.

    RandomState, because NEP 19 freezes its stream for good; that of Generator may change.
    """
    bits = np.random.MT19937(np.random.SeedSequence(seed))
    stops_KD = np.random.RandomState(bits).standard_normal((num_keyframes, z_dim))
    return stops_KD.astype(np.float32).astype(np.float64)


def slerp(start_D: Floats, *, end_D: Floats, times_T: Floats) -> Floats:
    """Points `[T, D]` on the way from `start_D` (time 0) to `end_D` (time 1), both met to the bit.

    With the unit vectors u, v of the ends, the angle w between them, and the unit vector n of the
    part of v that is orthogonal to u:

        p(t) = ((1 - t) |start| + t |end|) (cos(t w) u + sin(t w) n)

    The direction turns at constant speed and the radius changes evenly. This form is
    Shoemake's (sin((1-t) w) u + sin(t w) v) / sin w without its division by sin w, which is why it
    needs no threshold: n counts for nothing as w goes to 0.

    Raises:
        ValueError: an end is the zero vector, which has no direction.
    """
    radius_start, radius_end = np.linalg.norm(start_D), np.linalg.norm(end_D)
    if not (radius_start > 0 and radius_end > 0):
        raise ValueError("an end of the walk is the zero vector; it has no direction to turn from")
    u_D, v_D = start_D / radius_start, end_D / radius_end
    # Kahan's formula: exact to rounding for small and for obtuse angles, where arccos is not.
    angle = 2 * np.arctan2(np.linalg.norm(u_D - v_D), np.linalg.norm(u_D + v_D))
    n_D = _orthogonal(u_D, towards=v_D)
    t_T1 = times_T[:, None]
    radius_T1 = (1 - t_T1) * radius_start + t_T1 * radius_end
    points_TD: Floats = radius_T1 * (np.cos(t_T1 * angle) * u_D + np.sin(t_T1 * angle) * n_D)
    points_TD[times_T == 0] = start_D
    points_TD[times_T == 1] = end_D
    return points_TD


def _orthogonal(u_D: Floats, *, towards: Floats) -> Floats:
    """The unit vector orthogonal to `u_D` on the side of `towards`.

    For parallel or opposite vectors any will do, so it is made from the axis least along `u_D`.
    """
    rest_D = towards - (u_D @ towards) * u_D
    if np.linalg.norm(rest_D) < np.finfo(np.float64).eps:
        rest_D = np.zeros_like(u_D)
        rest_D[np.argmin(np.abs(u_D))] = 1.0
    rest_D = rest_D - (u_D @ rest_D) * u_D
    unit_D: Floats = rest_D / np.linalg.norm(rest_D)
    return unit_D
