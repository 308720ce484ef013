import pytest
import torch

from wunderkammer.gan.interop.transfer import freeze_first_layers, transfer
from wunderkammer.gan.networks.build import build_networks
from wunderkammer.gan.networks.params import DcganNetwork, ProgressiveNetwork

GENERATOR, DISCRIMINATOR = 0, 1


def moved(source_params, target_params, which):
    source, target = build_networks(source_params)[which], build_networks(target_params)[which]
    for parameter in source.parameters():
        torch.nn.init.normal_(parameter)
    report = transfer(source.state_dict(), source_params, target, target_params)
    return source.eval(), target.eval(), report


@pytest.mark.parametrize("which", [GENERATOR, DISCRIMINATOR])
def test_networks_of_the_same_size_are_copied_whole(tiny_networks, which):
    params = tiny_networks()
    source, target, report = moved(params, params, which)
    for name, tensor in target.state_dict().items():
        torch.testing.assert_close(tensor, source.state_dict()[name], rtol=0, atol=0)
    assert set(report.copied) == set(target.state_dict())
    assert report.adapted == report.skipped == report.unused == ()
    kind = "discriminator" if which else "generator"
    num = len(report.copied)
    assert str(report) == f"{kind}: {num} of {num} tensors copied"


def blocks(network, name="blocks"):
    return dict(network.named_modules())[name]


def same(first, second):
    pairs = zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def test_a_larger_generator_takes_the_blocks_of_the_sides_that_both_have(tiny_networks):
    source, target, report = moved(tiny_networks(16), tiny_networks(32), GENERATOR)
    assert same(source.mapping, target.mapping)
    for index in range(2):
        assert same(source.synthesis.blocks[index], target.synthesis.blocks[index])
    assert all(name.startswith("synthesis.blocks.2.") for name, _ in report.skipped)
    assert (
        "  left as made, the source has no such layer at this size: synthesis.blocks.2"
        in str(report).splitlines()
    )


def test_a_discriminator_takes_blocks_by_side_though_it_counts_from_the_highest(tiny_networks):
    source, target, report = moved(tiny_networks(16), tiny_networks(32), DISCRIMINATOR)
    for index in range(2):  # 16 and 8 px
        assert same(source.blocks[index], target.blocks[index + 1])
    assert same(source.dense, target.dense)
    skipped = {name for name, _ in report.skipped}
    assert {name.split(".")[0] for name in skipped} == {"from_image", "blocks"}
    assert set(report.unused) == {"from_image.weight", "from_image.bias"}
    assert "  not used of the source: from_image.weight, from_image.bias" in str(report) or (
        "  not used of the source: from_image.bias, from_image.weight" in str(report)
    )


def test_a_smaller_discriminator_takes_the_lower_blocks(tiny_networks):
    source, target, report = moved(tiny_networks(32), tiny_networks(16), DISCRIMINATOR)
    for index in range(2):
        assert same(source.blocks[index + 1], target.blocks[index])
    assert any(name.startswith("blocks.0.") for name in report.unused)


def test_layers_of_other_feature_channels_are_left_with_both_shapes_told(tiny_networks):
    _, target, report = moved(tiny_networks(), tiny_networks(channel_max=6), GENERATOR)
    reasons = dict(report.skipped)
    assert reasons["synthesis.const"] == "the source's is [8, 4, 4], not [6, 4, 4]"
    assert "mapping.layers.0.weight" in report.copied
    assert len(report.copied) + len(report.skipped) == len(target.state_dict())


def test_labels_do_not_hinder_the_rest(tiny_networks):
    _, target, report = moved(tiny_networks(), tiny_networks(num_labels=3), GENERATOR)
    assert dict(report.skipped).keys() == {
        "mapping.embed.weight",
        "mapping.embed.bias",
        "mapping.layers.0.weight",
    }
    assert target.params.num_labels == 3


@torch.no_grad()
def test_a_grey_discriminator_judges_grey_pictures_as_the_coloured_one_did(tiny_networks):
    source, target, report = moved(tiny_networks(), tiny_networks(channels=1), DISCRIMINATOR)
    grey = torch.randn(4, 1, 16, 16)
    torch.testing.assert_close(target(grey), source(grey.expand(-1, 3, -1, -1)))
    assert report.adapted == (("from_image.weight", "grey from 3 channels"),)


@torch.no_grad()
def test_a_grey_generator_draws_the_mean_of_the_colours(tiny_networks):
    source, target, report = moved(tiny_networks(), tiny_networks(channels=1), GENERATOR)
    z = torch.randn(2, 8)
    torch.testing.assert_close(target(z), source(z).mean(dim=1, keepdim=True), rtol=0, atol=1e-4)
    assert report.skipped == ()
    assert {name.rsplit(".", 1)[1] for name, _ in report.adapted} == {"weight", "bias"}


@torch.no_grad()
def test_a_coloured_discriminator_judges_grey_pictures_as_the_grey_one_did(tiny_networks):
    source, target, _ = moved(tiny_networks(channels=1), tiny_networks(), DISCRIMINATOR)
    grey = torch.randn(4, 1, 16, 16)
    torch.testing.assert_close(target(grey.expand(-1, 3, -1, -1)), source(grey))


@torch.no_grad()
def test_a_coloured_generator_draws_the_grey_thrice(tiny_networks):
    source, target, _ = moved(tiny_networks(channels=1), tiny_networks(), GENERATOR)
    z = torch.randn(2, 8)
    torch.testing.assert_close(target(z), source(z).expand(-1, 3, -1, -1))


@torch.no_grad()
def test_colours_are_kept_when_opacity_is_added_and_when_it_goes(tiny_networks):
    z = torch.randn(2, 8)
    for given, wanted in ((3, 4), (4, 3)):
        params = tiny_networks(channels=given), tiny_networks(channels=wanted)
        source, target, report = moved(*params, GENERATOR)
        torch.testing.assert_close(target(z)[:, :3], source(z)[:, :3])
        assert all(("opacity as made" in how) == (wanted == 4) for _, how in report.adapted)
        source, target, _ = moved(*params, DISCRIMINATOR)
        picture = torch.zeros(4, 4, 16, 16)
        picture[:, :3] = torch.randn(4, 3, 16, 16)
        scores = target(picture[:, :wanted]), source(picture[:, :given])
        torch.testing.assert_close(*scores)


def test_grown_networks_keep_their_own_place_in_the_schedule():
    sizes = {"channels": 3, "z_dim": 8}
    small = ProgressiveNetwork(resolution_px=8, features_by_side={"4": 8, "8": 8}, **sizes)
    large = ProgressiveNetwork(
        resolution_px=16, features_by_side={"4": 8, "8": 8, "16": 4}, **sizes
    )
    for which in (GENERATOR, DISCRIMINATOR):
        source, target, report = moved(small, large, which)
        prefix = "synthesis.blocks" if which == GENERATOR else "blocks"
        assert same(blocks(source, prefix)[0], blocks(target, prefix)[0])
        assert "it follows the schedule" in dict(report.skipped).values()


def test_networks_of_different_families_are_refused(tiny_networks):
    other = DcganNetwork(resolution_px=16, channels=3, z_dim=4, layout="sane", channel_base=64)
    with pytest.raises(ValueError, match=r"train\.start has dcgan networks .* asks for stylegan2"):
        moved(other, tiny_networks(), GENERATOR)


def test_the_first_layers_are_frozen_from_the_image_on(tiny_networks):
    _, discriminator = build_networks(tiny_networks())
    names = freeze_first_layers(discriminator, 6)
    assert names == (
        "from_image",
        "blocks.0.conv",
        "blocks.0.conv_down",
        "blocks.0.skip",
        "blocks.1.conv",
        "blocks.1.conv_down",
    )
    for name, parameter in discriminator.named_parameters():
        assert parameter.requires_grad == (name.rsplit(".", 1)[0] not in names)


def test_the_frozen_layers_get_no_gradient_and_the_others_do(tiny_networks):
    _, discriminator = build_networks(tiny_networks())
    freeze_first_layers(discriminator, 3)
    discriminator(torch.randn(4, 3, 16, 16)).sum().backward()
    assert discriminator.blocks[0].conv.weight.grad is None
    assert discriminator.blocks[0].skip.weight.grad.abs().sum() > 0


def test_no_layer_is_frozen_when_none_is_asked_for(tiny_networks):
    _, discriminator = build_networks(tiny_networks())
    assert freeze_first_layers(discriminator, 0) == ()
    assert all(parameter.requires_grad for parameter in discriminator.parameters())


@pytest.mark.parametrize("num", [-1, 10, 99])
def test_a_discriminator_that_could_not_learn_is_refused(tiny_networks, num):
    _, discriminator = build_networks(tiny_networks())
    with pytest.raises(ValueError, match=f"freeze_discriminator={num}: .* has 10 layers"):
        freeze_first_layers(discriminator, num)
