import pytest
import torch

from wunderkammer.gan.networks.params import R3ganNetwork
from wunderkammer.gan.networks.precision import set_precision
from wunderkammer.gan.networks.r3gan import R3ganDiscriminator, R3ganGenerator
from wunderkammer.gan.objectives.penalties import r1_penalty


def network(resolution_px=16, channels=3, **changes):
    widths = {4: 24, 8: 16, 16: 16, 32: 8, 64: 8}
    settings = {"z_dim": 10, "features_by_side": {str(k): v for k, v in widths.items()}}
    return R3ganNetwork(resolution_px=resolution_px, channels=channels, **{**settings, **changes})


def disturbed(module):
    """Away from its start, at which the blocks do nothing."""
    with torch.no_grad():
        for p in module.parameters():
            p += 0.1 * torch.randn_like(p)
    return module


@pytest.mark.parametrize(("side", "channels", "labels"), [(8, 1, 0), (16, 3, 5), (64, 4, 0)])
def test_images_and_scores_have_the_shapes_that_the_params_say(side, channels, labels):
    params = network(side, channels, num_labels=labels)
    one_hot = torch.eye(labels)[:2] if labels else None
    images = R3ganGenerator(params)(torch.randn(2, 10), one_hot)
    assert images.shape == (2, channels, side, side)
    assert R3ganDiscriminator(params)(images, one_hot).shape == (2,)


def test_labels_change_images_and_scores_and_are_asked_for():
    params = network(8, num_labels=3)
    generator, discriminator = R3ganGenerator(params), R3ganDiscriminator(params)
    z, labels = torch.randn(3, 10), torch.eye(3)
    images = generator(z, labels)
    assert not torch.allclose(images, generator(z, labels.roll(1, 0)))
    assert not torch.allclose(discriminator(images, labels), discriminator(images, labels.roll(1)))
    with pytest.raises(ValueError, match="give one-hot labels"):
        generator(z)
    with pytest.raises(ValueError, match="give one-hot labels"):
        discriminator(images)


def test_networks_for_ffhq_256_have_as_many_weights_as_in_the_paper():
    widths = {4: 768, 8: 768, 16: 768, 32: 768, 64: 384, 128: 192, 256: 96}
    features = {str(side): width for side, width in widths.items()}
    params = R3ganNetwork(resolution_px=256, channels=3, z_dim=64, features_by_side=features)
    networks = R3ganGenerator(params), R3ganDiscriminator(params)
    millions = [sum(p.numel() for p in n.parameters()) / 1e6 for n in networks]
    assert millions == pytest.approx([23.06, 23.01], abs=0.005)


def test_blocks_begin_as_the_identity_and_inner_weights_smaller_the_more_blocks_there_are():
    for blocks_per_side in (1, 4):
        discriminator = R3ganDiscriminator(network(blocks_per_side=blocks_per_side))
        num_blocks = 0
        for side in discriminator.sides:
            for block in side.blocks:
                x = torch.randn(2, block.layers[0].weight.shape[1], 4, 4)
                assert torch.equal(block(x), x)
                num_blocks += 1
        weight = discriminator.sides[0].blocks[0].layers[0].weight  # [48, 24, 1, 1]
        gain = (2.0 / 1.04) ** 0.5 * num_blocks**-0.25
        assert float(weight.detach().std()) == pytest.approx(gain / 24**0.5, rel=0.1)


def test_one_block_of_full_gain_keeps_the_variance_within_its_branch():
    widths = dict.fromkeys(("4",), 256)
    params = network(4, features_by_side=widths, blocks_per_side=1)
    (block,) = R3ganDiscriminator(params).sides[0].blocks
    x = torch.randn(64, 256, 4, 4)
    with torch.no_grad():
        first, second = block.layers[:2](x), block.layers[:4](x)[:, :, 1:3, 1:3]
    assert float(first.square().mean()) == pytest.approx(1.0, rel=0.05)
    assert float(second.square().mean()) == pytest.approx(1.0, rel=0.05)


def test_features_that_are_no_whole_groups_are_refused_with_what_would_do():
    with pytest.raises(ValueError, match=r"20 channels .* groups of 16; .* a multiple of 8"):
        R3ganGenerator(network(8, features_by_side={"4": 16, "8": 10}))


def test_no_sample_depends_on_its_batch():
    generator, discriminator = R3ganGenerator(network()), R3ganDiscriminator(network())
    z = torch.randn(5, 10)
    images = disturbed(generator)(z)
    assert torch.allclose(images[:2], generator(z[:2]), atol=1e-5)
    scores = disturbed(discriminator)(images)
    assert torch.allclose(scores[:2], discriminator(images[:2]), atol=1e-4)


def test_the_gradient_penalty_has_the_derivative_that_differences_give():
    discriminator = disturbed(R3ganDiscriminator(network(8))).double()
    images = torch.randn(2, 3, 8, 8, dtype=torch.float64)
    weight = discriminator.sides[0].blocks[1].layers[2].weight
    (gradient,) = torch.autograd.grad(r1_penalty(discriminator, images).mean(), weight)
    direction, step = torch.randn_like(weight), 1e-6
    penalties = []
    for sign in (1.0, -1.0):
        with torch.no_grad():
            weight += sign * step * direction
        penalties.append(r1_penalty(discriminator, images).mean().item())
        with torch.no_grad():
            weight -= sign * step * direction
    slope = (penalties[0] - penalties[1]) / (2 * step)
    assert slope == pytest.approx(float((gradient * direction).sum()), rel=1e-4)


def test_half_precision_in_the_large_blocks_is_near_the_full_one():
    generator, discriminator = R3ganGenerator(network()), R3ganDiscriminator(network())
    z, images = torch.randn(4, 10), torch.randn(4, 3, 16, 16)
    whole = disturbed(generator)(z), disturbed(discriminator)(images)
    for module in (generator, discriminator):
        set_precision(module, torch.bfloat16, num_highest_resolutions=2)
    half = generator(z), discriminator(images)
    for x, y in zip(whole, half, strict=True):
        assert y.dtype == torch.float32
        assert not torch.equal(x, y)
        assert (x - y).abs().max() < 0.05 * x.abs().max()


def test_layers_are_counted_from_the_image():
    discriminator = R3ganDiscriminator(network(8, blocks_per_side=1))
    names = {module: name for name, module in discriminator.named_modules()}
    order = [names[layer] for layer in discriminator.layers_from_image()]
    assert order[:2] == ["from_image", "sides.1.blocks.0.layers.0"]
    assert order[6:8] == ["sides.1.change", "sides.0.blocks.0.layers.0"]
    assert order[-1] == "head"
