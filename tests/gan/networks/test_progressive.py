import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load, save
from torch.nn import functional

from wunderkammer.gan.networks.params import ProgressiveNetwork
from wunderkammer.gan.networks.precision import set_precision
from wunderkammer.gan.networks.progressive import (
    ProgressiveDiscriminator,
    ProgressiveGenerator,
    enlarged,
    shrunk,
)


def network(resolution_px=32, channels=3, **changes):
    widths = {4: 12, 8: 12, 16: 8, 32: 8, 64: 4}
    sizes = {"z_dim": 10, "features_by_side": {str(k): v for k, v in widths.items()}}
    return ProgressiveNetwork(
        resolution_px=resolution_px, channels=channels, **{**sizes, **changes}
    )


@pytest.mark.parametrize(("side", "channels"), [(8, 1), (32, 3), (64, 4)])
@pytest.mark.parametrize("level", [0.0, 0.25, 1.0])
def test_images_have_the_full_side_and_scores_are_one_each_at_every_level(side, channels, level):
    params = network(side, channels)
    generator, discriminator = ProgressiveGenerator(params), ProgressiveDiscriminator(params)
    generator.growth.set(level)
    discriminator.growth.set(level)
    images = generator(torch.randn(4, 10))
    assert images.shape == (4, channels, side, side)
    assert discriminator(images).shape == (4,)
    assert generator.growth.side_px == (4 if level == 0.0 else 8)


def test_labels_change_images_and_scores_and_are_asked_for():
    params = network(8, num_labels=3)
    generator, discriminator = ProgressiveGenerator(params), ProgressiveDiscriminator(params)
    z, labels = torch.randn(3, 10), torch.eye(3)
    images = generator(z, labels)
    assert not torch.allclose(images, generator(z, labels.roll(1, 0)))
    assert not torch.allclose(discriminator(images, labels), discriminator(images, 1.0 - labels))
    with pytest.raises(ValueError, match="give one-hot labels"):
        generator(z)
    with pytest.raises(ValueError, match="give one-hot labels"):
        discriminator(images)


def test_a_truncation_is_refused():
    with pytest.raises(ValueError, match=r"truncation_psi=0\.7"):
        ProgressiveGenerator(network(8))(torch.randn(1, 10), truncation_psi=0.7)


def outputs_of(module, kind, run):
    """What each layer of a kind gives while `run` runs."""
    seen = []
    hooks = [
        layer.register_forward_hook(lambda *call: seen.append(call[-1]))
        for layer in module.modules()
        if type(layer).__name__ == kind
    ]
    run()
    for hook in hooks:
        hook.remove()
    return seen


def test_activations_of_a_new_discriminator_keep_their_variance():
    widths = dict.fromkeys(("4", "8", "16", "32"), 96)
    discriminator = ProgressiveDiscriminator(network(features_by_side=widths))
    # Means over areas would lower the variance of noise, so the images are constant.
    images = torch.randn(64, 3, 1, 1).expand(-1, -1, 32, 32)
    seen = outputs_of(discriminator, "EqualizedConv", lambda: discriminator(images))
    inner = [y[:, :, y.shape[2] // 2, y.shape[3] // 2] for y in seen]
    assert len(inner) == 8
    for y in inner[:-1]:  # the last one mostly sees padding
        assert 0.5 < y.square().mean() < 2.0
    weights = [p for name, p in discriminator.named_parameters() if name.endswith("weight")]
    assert all(0.9 < w.std() < 1.1 for w in weights if w.numel() > 500)


def test_features_of_the_generator_have_unit_mean_square_a_pixel():
    generator = ProgressiveGenerator(network())
    seen = outputs_of(generator, "_NormedConv", lambda: generator(torch.randn(4, 10)))
    assert len(seen) == 7
    for y in seen:
        assert torch.allclose(y.square().mean(dim=1), torch.tensor(1.0), atol=1e-4)


def test_the_length_of_z_does_not_matter():
    generator, z = ProgressiveGenerator(network()), torch.randn(2, 10)
    assert torch.allclose(generator(z), generator(3.0 * z), atol=1e-5)


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 0.9375])
def test_a_fade_mixes_the_enlarged_image_of_the_side_below_with_the_new_one(share):
    generator, z = ProgressiveGenerator(network()), torch.randn(2, 10)
    images = {}
    for level in (1.0, 1.0 + share, 2.0):
        generator.growth.set(level)
        images[level] = generator.synthesis.grown_image(z)
    below, new = enlarged(images[1.0], side_px=16), images[2.0]
    expected = torch.lerp(below, new, share)
    assert torch.allclose(enlarged(images[1.0 + share], side_px=16), expected, atol=1e-6)
    generator.growth.set(1.0 + share)
    assert torch.equal(generator(z), enlarged(images[1.0 + share], side_px=32))


def test_a_fade_of_the_discriminator_begins_at_the_side_below_and_ends_at_the_new_one():
    discriminator, images = ProgressiveDiscriminator(network()), torch.randn(4, 3, 32, 32)
    scores = {}
    for level in (1.0, 1.0 + 2**-20, 1.5, 2.0 - 2**-20, 2.0):
        discriminator.growth.set(level)
        scores[level] = discriminator(images)
    assert torch.allclose(scores[1.0], scores[1.0 + 2**-20], atol=1e-4)
    assert torch.allclose(scores[2.0 - 2**-20], scores[2.0], atol=1e-4)
    assert not torch.allclose(scores[1.0], scores[2.0], atol=1e-2)
    assert not torch.allclose(scores[1.5], scores[1.0], atol=1e-3)


@pytest.mark.parametrize("level", [0.0, 0.5, 1.0, 2.5, 3.0])
def test_the_discriminator_looks_at_means_over_areas(level):
    discriminator, images = ProgressiveDiscriminator(network()), torch.randn(4, 3, 32, 32)
    discriminator.growth.set(level)
    side = discriminator.growth.side_px
    means = images.unflatten(3, (side, -1)).unflatten(2, (side, -1)).mean(dim=(3, 5))
    assert torch.allclose(shrunk(images, side_px=side), means, atol=1e-6)
    assert torch.allclose(discriminator(images), discriminator(means), atol=1e-5)


def test_layers_of_sides_not_yet_reached_do_not_learn():
    generator, discriminator = (
        ProgressiveGenerator(network()),
        ProgressiveDiscriminator(network()),
    )
    for growth in (generator.growth, discriminator.growth):
        growth.set(0.5)
    discriminator(generator(torch.randn(4, 10))).sum().backward()
    learnt = {
        name.split(".")[-4] + name.split(".")[-3]
        for name, p in generator.named_parameters()
        if p.grad is not None and ".blocks." in name
    }
    assert learnt == {"0conv_up", "0conv"}
    assert [b.conv.weight.grad is not None for b in discriminator.blocks] == [True, False, False]
    assert [c.weight.grad is not None for c in discriminator.from_images] == [True] * 2 + [
        False
    ] * 2


@pytest.mark.parametrize("level", [-0.5, 3.5])
def test_a_level_without_layers_is_refused(level):
    with pytest.raises(ValueError, match=f"level={level} is not within 0 to 3"):
        ProgressiveGenerator(network()).growth.set(level)


def test_images_too_small_for_the_level_are_refused():
    with pytest.raises(ValueError, match="images of 16 px can't be shrunk to 32 px"):
        ProgressiveDiscriminator(network())(torch.randn(4, 3, 16, 16))


def test_a_checkpoint_tells_how_far_networks_have_grown():
    generator = ProgressiveGenerator(network())
    generator.growth.set(1.0 + 1 / 3)
    other = ProgressiveGenerator(network())
    other.load_state_dict(load(save(generator.state_dict())))
    z = torch.randn(2, 10)
    assert other.growth.level == generator.growth.level != 3.0
    assert torch.equal(other(z), generator(z))


@settings(max_examples=30)
@given(level=st.floats(0.0, 2.0, width=32), num=st.integers(1, 3))
def test_images_are_finite_and_blocky_at_any_level(level, num):
    torch.manual_seed(0)
    generator = ProgressiveGenerator(network(16))
    generator.growth.set(level)
    images = generator(torch.randn(num, 10))
    side = generator.growth.side_px
    assert images.shape == (num, 3, 16, 16)
    assert bool(images.isfinite().all())
    assert torch.allclose(functional.interpolate(shrunk(images, side_px=side), 16), images)


def test_half_precision_in_the_large_blocks_is_near_the_full_one():
    generator, discriminator = (
        ProgressiveGenerator(network()),
        ProgressiveDiscriminator(network()),
    )
    z, images = torch.randn(4, 10), torch.randn(4, 3, 32, 32)
    results = []
    for dtype in (None, torch.bfloat16):
        for module in (generator, discriminator):
            module.growth.set(2.5)
            set_precision(module, dtype, num_highest_resolutions=2)
        results.append((generator(z), discriminator(images)))
    for whole, half in zip(*results, strict=True):
        assert half.dtype == torch.float32
        assert not torch.equal(whole, half)
        assert (whole - half).abs().max() < 0.05 * whole.abs().max()


def test_layers_are_counted_from_the_image():
    discriminator = ProgressiveDiscriminator(network(8))
    names = {module: name for name, module in discriminator.named_modules()}
    assert [names[layer] for layer in discriminator.layers_from_image()] == [
        "from_images.1",
        "blocks.0.conv",
        "blocks.0.conv_down",
        "from_images.0",
        "conv",
        "dense",
        "score",
    ]
