import numpy as np
import pytest
import torch

from wunderkammer.gan.evaluation.features import RandomFeatures, features_of

CPU = torch.device("cpu")


def noise(num, *, side=16, channels=3, seed=0):
    shape = (num, channels, side, side)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize("side", [8, 32, 128])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_every_size_and_kind_of_picture_has_finite_features(side, channels):
    network = RandomFeatures(channels, seed=0)
    found = features_of(noise(2, side=side, channels=channels), network, device=CPU)
    assert found.shape == (2, 480)
    assert found.dtype == np.float32
    assert np.isfinite(found).all()
    assert (found[0] != found[1]).any()


def test_the_seed_alone_fixes_the_network_and_torchs_own_stream_is_left_alone():
    torch.manual_seed(5)
    first = torch.rand(1)
    torch.manual_seed(5)
    images = noise(3)
    one, again, other = (
        features_of(images, RandomFeatures(3, seed=seed), device=CPU) for seed in (0, 0, 1)
    )
    assert torch.rand(1) == first
    np.testing.assert_array_equal(one, again)
    assert (one != other).any()


def test_a_picture_has_the_same_features_in_whatever_set_it_comes():
    images, network = noise(150), RandomFeatures(3, seed=0)
    whole = features_of(images, network, device=CPU)
    alone = features_of(images[100:101], network, device=CPU)
    np.testing.assert_allclose(alone[0], whole[100], rtol=1e-4, atol=1e-5)


def test_the_features_of_a_flat_picture_vary_only_at_the_frame():
    """Far from the padding the first convolution gives the same everywhere: its own mean."""
    network = RandomFeatures(1, seed=0)
    found = features_of(np.full((1, 1, 64, 64), 255, np.uint8), network, device=CPU)[0]
    inner = torch.nn.functional.leaky_relu(network.weights[0].sum((1, 2, 3)), 0.2)
    np.testing.assert_allclose(found[:16], inner.numpy(), atol=0.15)


def test_pictures_that_are_turned_round_in_memory_are_no_trouble():
    images, network = noise(3), RandomFeatures(3, seed=0)
    mirrored = features_of(images[..., ::-1], network, device=CPU)
    expected = features_of(images[..., ::-1].copy(), network, device=CPU)
    np.testing.assert_array_equal(mirrored, expected)
