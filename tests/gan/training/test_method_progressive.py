import numpy as np
import pytest
import torch
from safetensors.numpy import save
from torch import nn

from wunderkammer.gan.augment.params import AdaAugment, FixedAugment
from wunderkammer.gan.checkpoints.published import load_generator
from wunderkammer.gan.checkpoints.state import capture
from wunderkammer.gan.draws import Draws
from wunderkammer.gan.networks.params import ProgressiveNetwork
from wunderkammer.gan.networks.progressive import enlarged, shrunk
from wunderkammer.gan.params import ProgressiveParams
from wunderkammer.gan.training.phases import Batch

NETWORKS = ProgressiveNetwork(
    resolution_px=8, channels=3, z_dim=8, features_by_side={"4": 8, "8": 8}
)


@pytest.fixture
def recipe():
    def make(**changes):
        settings = {"batch_size": 8, "stage_steps": 2, "learning_rate": 0.01, "tick_kimg": 0.008}
        return ProgressiveParams(kind="progressive", **{**settings, **changes})

    return make


@pytest.mark.parametrize("loss", ["logistic", "wgan_gp"])
@pytest.mark.parametrize("stop_after", [1, 2, 3])
def test_a_training_stopped_in_any_stage_goes_on_to_equal_bits(
    loss, stop_after, recipe, begin, steps, numbers, pictures
):
    train = recipe(loss=loss)
    whole = steps(begin(train, NETWORKS, pictures), 5)
    stopped = steps(begin(train, NETWORKS, pictures), stop_after)
    resumed = steps(begin(train, NETWORKS, pictures, checkpoint=stopped), 5 - stop_after)
    assert np.array_equal(numbers(whole), numbers(resumed))
    assert bool(np.isfinite(numbers(whole)).all())


@pytest.mark.parametrize("loss", ["logistic", "wgan_gp"])
def test_micro_batches_give_the_result_of_the_whole_batch(
    loss, recipe, begin, steps, numbers, pictures
):
    whole = steps(begin(recipe(loss=loss), NETWORKS, pictures), 4)
    split = steps(begin(recipe(loss=loss, micro_batch=4), NETWORKS, pictures), 4)
    assert split.method.smallest_part == 4
    assert np.allclose(numbers(whole), numbers(split), atol=1e-4)


def test_a_batch_of_no_whole_groups_may_not_be_split(recipe, begin, pictures):
    assert begin(recipe(batch_size=6), NETWORKS, pictures).method.smallest_part == 0


def test_networks_grow_as_the_stages_say_and_the_batch_changes_with_them(
    recipe, begin, steps, pictures
):
    state = begin(recipe(batch_size_large=4, large_from_px=8), NETWORKS, pictures)
    method, seen = state.method, []
    for _ in range(6):
        seen.append((state.num_images, method.batch_size(state.num_images)))
        steps(state, 1)
        levels = {n.growth.level for n in (method.generator, method.discriminator, method.average)}
        seen[-1] += tuple(levels)
    assert seen == [(0, 8, 0), (8, 8, 0), (16, 4, 0), (20, 4, 0.5), (24, 4, 1), (28, 4, 1)]


def test_moments_are_forgotten_when_layers_are_faded_in_and_only_then(
    recipe, begin, steps, pictures
):
    state = begin(recipe(), NETWORKS, pictures)
    counts = []
    for _ in range(6):
        steps(state, 1)
        weight = state.method.generator.synthesis.conv.conv.weight
        counts.append(int(state.method.adams["generator"].state[weight]["step"]))
    assert counts == [1, 2, 1, 2, 3, 4]


def test_real_images_are_as_blurred_as_the_fade_has_come(recipe, begin, pictures):
    method = begin(recipe(), NETWORKS, pictures).method
    reals = torch.randn(2, 3, 8, 8)
    method.begin_step(0)
    assert torch.equal(method._seen(reals), shrunk(reals, side_px=4))
    method.begin_step(24)  # in the middle of the fade
    blurred = enlarged(shrunk(reals, side_px=4), side_px=8)
    assert torch.allclose(method._seen(reals), (blurred + reals) / 2, atol=1e-6)
    method.begin_step(32)
    assert torch.equal(method._seen(reals), reals)


class _Linear(nn.Module):
    """D(x) = <a, x>."""

    def __init__(self, direction):
        super().__init__()
        self.direction = direction

    def forward(self, image_NCHW, labels_NL=None):
        return (image_NCHW * self.direction).flatten(1).sum(dim=1)


@pytest.fixture
def batch():
    draws = Draws.whole(torch.Generator().manual_seed(0), 4)
    return Batch(torch.randn(4, 3, 8, 8), None, draws)


def test_wgan_gp_of_a_linear_critic_is_its_closed_form(recipe, begin, batch, pictures):
    train = recipe(loss="wgan_gp", gradient_penalty=10.0, drift=0.25, first_resolution_px=8)
    method = begin(train, NETWORKS, pictures).method
    direction = torch.randn(3, 8, 8) / 10
    method.discriminator = _Linear(direction)
    loss, rows = method._discriminator_loss(batch)
    real, fake = rows["scores/real"], rows["scores/fake"]
    assert torch.allclose(real, (batch.reals_NCHW * direction).sum(dim=(1, 2, 3)))
    expected = fake - real + 10.0 * (direction.norm() - 1.0).square() + 0.25 * real.square()
    assert torch.allclose(loss, expected, atol=1e-5)
    assert "scores/real_sign" not in rows  # its zero means nothing


def test_logistic_loss_with_r1_of_a_linear_critic_is_its_closed_form(
    recipe, begin, batch, pictures
):
    method = begin(recipe(r1_gamma=3.0, first_resolution_px=8), NETWORKS, pictures).method
    direction = torch.randn(3, 8, 8) / 10
    method.discriminator = _Linear(direction)
    fakes = method._draw(Batch(batch.reals_NCHW, None, fresh(batch)))
    loss, rows = method._discriminator_loss(Batch(batch.reals_NCHW, None, fresh(batch)))
    real, fake = method.discriminator(batch.reals_NCHW), method.discriminator(fakes)
    expected = nn.functional.softplus(-real) + nn.functional.softplus(fake)
    assert torch.allclose(loss, expected + 1.5 * direction.square().sum(), atol=1e-5)
    assert torch.equal(rows["scores/real_sign"], real.sign())


def fresh(batch):
    return Draws.whole(torch.Generator().manual_seed(7), batch.draws.num)


def test_a_critic_that_steps_more_often_sees_other_pictures_each_time(
    recipe, begin, steps, pictures
):
    state = begin(recipe(loss="wgan_gp", critic_steps=3), NETWORKS, pictures)
    phases = [(phase.network, phase.fresh_reals) for phase in state.method.phases]
    critic = "discriminator"
    assert phases == [(critic, False), (critic, True), (critic, True), ("generator", False)]
    steps(state, 2)
    assert state.loader.position == 2 * 3 * 8
    assert state.num_images == 16


def test_without_an_average_images_are_drawn_by_the_generator_itself(
    recipe, begin, steps, pictures
):
    copied = steps(begin(recipe(ema_kimg=None), NETWORKS, pictures), 2).method
    averaged = steps(begin(recipe(ema_kimg=0.1), NETWORKS, pictures), 2).method
    z = torch.randn(2, 8)
    assert torch.equal(copied.average(z), copied.generator(z))
    assert not torch.allclose(averaged.average(z), averaged.generator(z))


@pytest.mark.parametrize("loss", ["wgan_gp", "logistic"])
def test_it_comes_near_its_pictures(loss, recipe, begin, steps, distance, halves):
    train = recipe(loss=loss, r1_gamma=1.0, stage_steps=30, batch_size=16, ema_kimg=None)
    wide = NETWORKS.model_copy(update={"features_by_side": {"4": 16, "8": 16}})
    state = begin(train, wide, halves[:, :, ::2, ::2])
    before = distance(state)
    steps(state, 150)
    assert distance(state) < before / 4


def test_labels_of_the_pictures_reach_both_networks(recipe, begin, steps, pictures):
    labelled = NETWORKS.model_copy(update={"num_labels": 3})
    state = begin(recipe(conditional=True), labelled, pictures)
    steps(state, 3)
    moved = state.method.generator.synthesis.dense.weight.grad[:, -3:]
    assert bool((moved != 0).any())


@pytest.mark.parametrize(
    "augment",
    [
        AdaAugment(kind="ada", initial_p=0.5),
        AdaAugment(kind="ada", initial_p=0.5, metric="rv", interval=1, speed_kimg=0.1),
        FixedAugment(kind="fixed", p=0.5),
    ],
)
def test_it_trains_with_an_augmentation_of_the_smallest_images(
    augment, recipe, begin, steps, numbers, pictures
):
    state = begin(recipe(augment=augment), NETWORKS, pictures)
    steps(state, 5)
    assert bool(np.isfinite(numbers(state)).all())
    follows_held_out = isinstance(augment, AdaAugment) and augment.metric == "rv"
    assert ("scores/held_out" in state.meter.close()) == follows_held_out


def test_a_checkpoint_from_the_middle_of_a_fade_draws_as_the_training_does(
    recipe, begin, steps, pictures
):
    state = steps(begin(recipe(), NETWORKS, pictures), 4)
    assert 0.0 < state.method.average.growth.level < 1.0
    _, tensors = capture(state)
    generator = load_generator(save(tensors), NETWORKS.model_dump(mode="json"))
    z = torch.randn(2, 8)
    assert torch.allclose(generator(z), state.method.average(z), atol=1e-6)
