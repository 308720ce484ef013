"""A training learns: what it draws comes near a toy distribution, and to every mode of it."""

import numpy as np
import pytest
import torch

from wunderkammer.gan.evaluation.snapshot import SnapshotMeasure
from wunderkammer.gan.params import StyleGan2Params
from wunderkammer.gan.training.grid import pictures_of
from wunderkammer.gan.training.loader import TrainingImages
from wunderkammer.gan.training.loop import new_state
from wunderkammer.gan.training.step import train_step

SIDE = 32
NUM_DRAWN = 512
# A disc a picture; its colour tells its place.
MODES = [
    ((220, 60, 40), (10, 10)),
    ((40, 90, 220), (10, 21)),
    ((60, 180, 70), (21, 10)),
    ((240, 210, 60), (21, 21)),
]


def discs(num, *, seed):
    """Soft discs on grey, uint8 [N, 3, 32, 32], and the mode of each."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    modes = random.integers(0, len(MODES), num)
    images = np.empty((num, 3, SIDE, SIDE), np.uint8)
    for image, mode in zip(images, modes, strict=True):
        colour, place = MODES[mode]
        row, column = place + random.normal(0.0, 1.0, 2)
        distance = np.hypot(rows - row, columns - column)
        share = 1.0 / (1.0 + np.exp(distance - random.uniform(6.0, 8.0)))
        back = random.uniform(150.0, 200.0)
        pixels = back + (np.array(colour)[:, None, None] - back) * share
        image[:] = (pixels + random.normal(0.0, 2.0, pixels.shape)).clip(0, 255)
    return images, modes


def nearest_modes(images):
    examples, modes = discs(400, seed=1)
    means = np.stack([examples[modes == mode].mean(axis=0) for mode in range(len(MODES))])
    return ((images[:, None] - means[None]) ** 2).mean(axis=(2, 3, 4)).argmin(axis=1)


@pytest.mark.long
@pytest.mark.slow
def test_the_distance_to_the_pictures_falls_by_four_and_every_mode_is_drawn():
    images, _ = discs(1024, seed=0)
    train = StyleGan2Params(
        kind="stylegan2",
        network="tiny",
        total_kimg=4.8,
        batch_size=16,
        learning_rate=0.01,
        r1_gamma=2.0,
        ema_kimg=1.0,
        style_mixing=0.0,
    )
    state = new_state(TrainingImages.of(images), train, device=torch.device("cpu"))
    measure = SnapshotMeasure(images, num=NUM_DRAWN, seed=0)
    random = torch.Generator().manual_seed(0)
    latents = torch.randn(NUM_DRAWN, state.method.generator.z_dim, generator=random)
    before = measure.of(pictures_of(state.method.average, latents))
    while state.num_images < 4800:
        train_step(state)
    drawn = pictures_of(state.method.average, latents)
    assert measure.of(drawn) <= before / 4.0
    shares = np.bincount(nearest_modes(drawn), minlength=len(MODES)) / NUM_DRAWN
    assert shares.min() >= 0.03, f"a mode is hardly drawn: {shares}"
