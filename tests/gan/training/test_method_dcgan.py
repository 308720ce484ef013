import numpy as np
import pytest
import torch

from wunderkammer.gan.networks.params import DcganNetwork
from wunderkammer.gan.params import DcganParams

NETWORKS = {
    "sane": DcganNetwork(
        resolution_px=16,
        channels=3,
        z_dim=8,
        layout="sane",
        channel_base=128,
        channel_max=32,
        spectral_norm=True,
    ),
    "quilt": DcganNetwork(resolution_px=8, channels=3, z_dim=8, layout="quilt"),
}


@pytest.fixture
def recipe():
    def make(**changes):
        settings = {"batch_size": 8, "total_kimg": 1.0}
        return DcganParams(kind="dcgan", **{**settings, **changes})

    return make


@pytest.fixture
def pictures_of(pictures, halves):
    return {"quilt": pictures, "sane": halves}


@pytest.mark.parametrize(
    ("layout", "loss", "batch_size"), [("sane", "hinge", 8), ("quilt", "non_saturating", 2)]
)
def test_a_training_stopped_and_resumed_goes_on_to_equal_bits(
    layout, loss, batch_size, recipe, begin, steps, numbers, pictures_of
):
    train = recipe(loss=loss, network=layout, batch_size=batch_size)
    images = pictures_of[layout]
    whole = steps(begin(train, NETWORKS[layout], images), 2)
    stopped = steps(begin(train, NETWORKS[layout], images), 1)
    resumed = steps(begin(train, NETWORKS[layout], images, checkpoint=stopped), 1)
    assert np.array_equal(numbers(whole), numbers(resumed))
    assert bool(np.isfinite(numbers(whole)).all())


def test_a_batch_in_parts_is_refused_because_it_is_normalised_as_a_whole(
    recipe, begin, steps, halves
):
    state = begin(recipe(micro_batch=4), NETWORKS["sane"], halves)
    assert state.method.smallest_part == 0
    with pytest.raises(ValueError, match=r"4 of the 8 samples .* leave train\.micro_batch out"):
        steps(state, 1)


def test_both_networks_steps_see_the_same_z(recipe, begin, steps, halves):
    state = begin(recipe(), NETWORKS["sane"], halves)
    seen = []
    state.method.generator.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    steps(state, 2)
    assert len(seen) == 4
    assert torch.equal(seen[0], seen[1])
    assert torch.equal(seen[2], seen[3])
    assert not torch.equal(seen[0], seen[2])


def test_what_is_drawn_for_people_does_not_depend_on_what_is_drawn_beside_it(
    recipe, begin, steps, halves
):
    method = steps(begin(recipe(), NETWORKS["sane"], halves), 1).method
    z = torch.randn(4, 8)
    assert method.generator.training
    assert torch.allclose(method.average(z)[:2], method.average(z[:2]), atol=1e-6)


def test_it_comes_near_its_pictures(recipe, begin, steps, distance, halves):
    train = recipe(batch_size=16, learning_rate=0.001, betas=(0.0, 0.9), ema_kimg=None)
    state = begin(train, NETWORKS["sane"], halves)
    before = distance(state)
    steps(state, 120)
    assert distance(state) < before / 2.5
