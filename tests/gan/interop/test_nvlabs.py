import numpy as np
import pytest
import torch
from nvlabs_fixtures import (
    discriminator_pickle,
    discriminator_weights,
    draw,
    generator_pickle,
    generator_weights,
    judge,
    whole_checkpoint,
)
from pickle_emitters import checkpoint, module, network

from wunderkammer.gan.interop.errors import UnreadablePickleError, UnsupportedNetworkError
from wunderkammer.gan.interop.nvlabs import convert
from wunderkammer.gan.interop.pickle_machine import Limits
from wunderkammer.gan.interop.pickle_reader import NvlabsPickle, parse_networks
from wunderkammer.gan.interop.portable import check_portable
from wunderkammer.gan.networks.build import build_networks
from wunderkammer.gan.networks.params import StyleGan2Network


def taken(content, **options):
    networks = parse_networks(content, limits=Limits())
    return convert(NvlabsPickle(networks, "ab" * 32), **options)


def loaded(portable, prefix):
    generator, discriminator = build_networks(portable.networks)
    chosen = discriminator if prefix == "discriminator" else generator
    chosen.load_state_dict(portable.network(prefix))
    return chosen.eval()


def some(num_labels):
    z = torch.randn(4, 6)
    return z, torch.eye(num_labels)[torch.arange(4) % num_labels] if num_labels else None


def test_the_settings_are_found_with_their_defaults():
    portable = taken(whole_checkpoint(num_labels=3))
    assert portable.networks == StyleGan2Network(
        resolution_px=16,
        channels=3,
        z_dim=6,
        w_dim=5,
        num_labels=3,
        num_mapping_layers=2,
        num_label_layers=2,
        channel_base=64,
        channel_max=7,
        deviation_group=4,
    )
    assert portable.provenance == {"from": "nvlabs-stylegan2-ada-pytorch", "sha256": "ab" * 32}
    check_portable(portable)


@pytest.mark.parametrize("num_labels", [0, 3])
@pytest.mark.parametrize("psi", [1.0, 0.7])
@pytest.mark.parametrize(("prefix", "seed"), [("average", 0), ("generator", 2)])
@torch.no_grad()
def test_a_generator_draws_what_the_papers_say(num_labels, psi, prefix, seed):
    generator = loaded(taken(whole_checkpoint(num_labels=num_labels)), prefix)
    z, labels = some(num_labels)
    expected = draw(generator_weights(num_labels=num_labels, seed=seed), z, labels, psi=psi)
    found = generator(z, labels, truncation_psi=psi, noise_mode="const")
    assert expected.std() > 0.5
    torch.testing.assert_close(found.double(), expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("num_labels", [0, 3])
@torch.no_grad()
def test_a_discriminator_judges_as_the_papers_say(num_labels):
    discriminator = loaded(taken(whole_checkpoint(num_labels=num_labels)), "discriminator")
    images, (_, labels) = torch.randn(4, 3, 16, 16), some(num_labels)
    expected = judge(discriminator_weights(num_labels=num_labels), images, labels)
    assert expected.std() > 0.01
    found = discriminator(images, labels)
    torch.testing.assert_close(found.double(), expected, rtol=0, atol=1e-4)


@torch.no_grad()
def test_a_plain_discriminator_judges_as_the_papers_say():
    weights = discriminator_weights(residual=False)
    content = checkpoint(
        G_ema=generator_pickle(generator_weights()),
        D=discriminator_pickle(weights, architecture="orig"),
    )
    images = torch.randn(4, 3, 16, 16)
    found = loaded(taken(content), "discriminator")(images)
    torch.testing.assert_close(found.double(), judge(weights, images), rtol=0, atol=1e-4)


@torch.no_grad()
def test_mapping_layers_of_another_learning_rate_give_the_same_pictures():
    weights = generator_weights(rate=0.1)
    content = checkpoint(G_ema=generator_pickle(weights, mapping={"lr_multiplier": 0.1}))
    z, _ = some(0)
    found = loaded(taken(content), "average")(z)
    torch.testing.assert_close(found.double(), draw(weights, z, rate=0.1), rtol=0, atol=1e-4)


def test_frozen_layers_that_are_buffers_are_found():
    plain, frozen = taken(whole_checkpoint()), taken(whole_checkpoint(frozen=True))
    assert plain.tensors.keys() == frozen.tensors.keys()


def test_a_file_converted_from_tensorflow_is_taken():
    synthesis = {
        "architecture": "skip",
        "resample_filter": [1, 3, 3, 1],
        "use_noise": True,
        "activation": "lrelu",
        "conv_clamp": None,
    }
    mapping = {
        "embed_features": None,
        "layer_features": None,
        "activation": "lrelu",
        "lr_multiplier": 0.01,
        "w_avg_beta": 0.995,
    }
    made = generator_pickle(generator_weights(), synthesis=synthesis, mapping=mapping)
    whole = discriminator_pickle(
        discriminator_weights(),
        architecture="resnet",
        cmap_dim=None,
        block_kwargs={"activation": "lrelu", "resample_filter": [1, 3, 3, 1], "freeze_layers": 0},
        mapping_kwargs={"num_layers": 0, "lr_multiplier": 0.1, "activation": "lrelu"},
        epilogue_kwargs={"mbstd_group_size": None, "mbstd_num_channels": 1, "activation": "lrelu"},
    )
    networks = taken(checkpoint(G_ema=made, D=whole)).networks
    assert networks.deviation_group == 0
    assert networks.num_label_layers == 0
    assert networks.residual


def test_clamps_are_kept():
    content = checkpoint(
        G_ema=generator_pickle(generator_weights(), synthesis={"conv_clamp": 256}),
        D=discriminator_pickle(discriminator_weights(), conv_clamp=256),
    )
    assert taken(content).networks.clamp == 256.0


def test_settings_given_by_place_are_found():
    kwargs = {"mapping_kwargs": {"num_layers": 2}}
    channels = {"channel_base": 64, "channel_max": 7}
    made = network(
        "Generator",
        generator_weights(),
        args=(6, 0, 5, 16, 3),
        kwargs={**kwargs, "synthesis_kwargs": channels},
    )
    assert taken(checkpoint(G_ema=made)).networks.z_dim == 6


def test_settings_of_the_synthesis_are_found_among_the_others():
    kwargs = {"z_dim": 6, "c_dim": 0, "w_dim": 5, "img_resolution": 16, "img_channels": 3}
    flat = {"channel_base": 64, "channel_max": 7, "fused_modconv_default": "inference_only"}
    made = network(
        "Generator",
        generator_weights(),
        kwargs={**kwargs, **flat, "mapping_kwargs": {"num_layers": 2}},
    )
    whole = taken(whole_checkpoint(), generator_only=True)
    assert taken(checkpoint(G_ema=made)).networks == whole.networks


def test_the_generator_alone_is_taken_when_asked():
    whole = taken(whole_checkpoint())
    alone = taken(whole_checkpoint(), generator_only=True)
    assert {name.split(".")[0] for name in alone.tensors} == {"average"}
    assert {name.split(".")[0] for name in whole.tensors} == {
        "average",
        "generator",
        "discriminator",
    }


def of_generator(**more):
    return checkpoint(G_ema=generator_pickle(generator_weights(), **more))


def of_both(**more):
    whole = discriminator_pickle(discriminator_weights(), **more)
    return checkpoint(G_ema=generator_pickle(generator_weights()), D=whole)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (
            of_generator(synthesis={"architecture": "resnet"}),
            r"synthesis_kwargs\.architecture='resn",
        ),
        (of_generator(synthesis={"activation": "relu"}), "activation='relu'; we have 'lrelu' only"),
        (of_generator(synthesis={"use_noise": False}), "use_noise=False"),
        (of_generator(synthesis={"resample_filter": [1, 2, 1]}), "resample_filter"),
        (of_generator(synthesis={"conv_clamp": -1}), "conv_clamp=-1"),
        (of_generator(synthesis={"magic": 1}), "settings that we do not know: 'magic'"),
        (of_generator(mapping={"layer_features": 99}), "layer_features=99"),
        (
            of_generator(mapping={"num_layers": 10**9}),
            "num_layers=1000000000; we have whole numbers",
        ),
        (of_generator(mapping={"num_layers": True}), "num_layers=True"),
        (of_generator(img_resolution=[16, 32]), r"img_resolution=\(16, 32\)"),
        (of_generator(img_resolution=24), "img_resolution=24"),
        (of_generator(img_resolution=2048), "img_resolution=2048"),
        (of_generator(img_channels=2), "img_channels=2; we have 1, 3, 4"),
        (of_generator(mapping_kwargs=None), "mapping_kwargs=None"),
        (of_generator(extra=1), "settings that we do not know: 'extra'"),
        (of_both(architecture="skip"), "architecture='skip'; we have 'resnet', 'orig' only"),
        (of_both(cmap_dim=3), "cmap_dim=3"),
        (of_both(epilogue_kwargs={"mbstd_num_channels": 2}), "mbstd_num_channels=2"),
        (of_both(channel_max=5), "channel_max=7 and the discriminator 5; ours share it"),
        (checkpoint(G_ema=module("Generator", args=(1,) * 8)), "8 unnamed settings"),
        (
            checkpoint(G_ema=module("Generator", modules={"synthesis": module("SynthesisInput")})),
            "StyleGAN3 networks",
        ),
    ],
)
def test_networks_that_we_do_not_have_are_refused_with_the_setting(content, reason):
    with pytest.raises(UnsupportedNetworkError, match=reason):
        taken(content)


def test_two_generators_of_other_settings_are_refused():
    other = generator_pickle(generator_weights(), synthesis={"conv_clamp": 1})
    content = checkpoint(G=other, G_ema=generator_pickle(generator_weights()))
    with pytest.raises(UnsupportedNetworkError, match="other settings: take the generator only"):
        taken(content)


def changed(**changes):
    weights = generator_weights()
    for name, array in changes.items():
        weights.pop(name) if array is None else weights.update({name: array})
    return checkpoint(G_ema=generator_pickle(weights))


@pytest.mark.parametrize(
    ("content", "error", "reason"),
    [
        (
            changed(**{"mapping.fc1.bias": None}),
            UnreadablePickleError,
            r"mapping\.fc1\.bias is missing; \(5,\) is expected",
        ),
        (
            changed(**{"mapping.fc1.bias": np.zeros(4, np.float32)}),
            UnreadablePickleError,
            r"of shape \(4,\); \(5,\)",
        ),
        (
            changed(**{"mapping.w_avg": np.full(5, np.nan, np.float32)}),
            UnreadablePickleError,
            "w_avg has numbers that are not finite",
        ),
        (
            changed(**{"mapping.fc9.bias": np.zeros(4, np.float32)}),
            UnsupportedNetworkError,
            r"mapping\.fc9\.bias has no counterpart",
        ),
        (
            changed(**{"synthesis.b8.conv0.resample_filter": np.ones((4, 4), np.float32)}),
            UnsupportedNetworkError,
            r"conv0\.resample_filter is not the filter \[1, 3, 3, 1\]",
        ),
        (
            checkpoint(D=discriminator_pickle(discriminator_weights())),
            UnreadablePickleError,
            "no network G_ema",
        ),
    ],
)
def test_tensors_that_are_not_those_of_the_settings_are_refused(content, error, reason):
    with pytest.raises(error, match=reason):
        taken(content)
