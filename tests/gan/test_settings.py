import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from wunderkammer.gan.params import TrainParams
from wunderkammer.gan.settings import (
    batch_size,
    check_train,
    network_params,
    stylegan2_settings,
    tick_images,
    total_images,
)

TRAIN = TypeAdapter(TrainParams)


def section(kind="stylegan2", **settings):
    if kind != "progressive":
        settings.setdefault("total_kimg", 25600)
    return TRAIN.validate_python({"kind": kind, **settings}, strict=True)


def resolved(network, resolution_px=256, **settings):
    return stylegan2_settings(
        section(network=network, **settings),
        resolution_px=resolution_px,
        channels=3,
        num_labels=0,
    )


AUTO = {  # side: batch, gamma, rate, channel base (the reference's `auto` on one GPU)
    64: (32, 0.0256, 0.0025, 16384),
    128: (32, 0.1024, 0.0025, 16384),
    256: (16, 0.8192, 0.0025, 16384),
    512: (8, 6.5536, 0.0025, 32768),
    1024: (4, 52.4288, 0.002, 32768),
}


@pytest.mark.parametrize(("side_px", "numbers"), AUTO.items())
def test_auto_follows_the_heuristics_of_the_ada_paper(side_px, numbers):
    got = resolved("auto", side_px)
    batch, gamma, rate, base = numbers
    assert (got.batch_size, got.generator_rate, got.network.channel_base) == (batch, rate, base)
    assert got.r1_gamma == pytest.approx(gamma)
    assert got.ema_images == batch * 10_000 / 32
    assert got.ema_rampup == 0.05
    assert (got.network.z_dim, got.network.num_mapping_layers) == (512, 2)
    assert got.network.deviation_group == 4


PAPER = {  # network: batch, group, base, rate, gamma, EMA in kimg, mapping layers
    "stylegan2": (32, 4, 32768, 0.002, 10, 10, 8),
    "paper256": (64, 8, 16384, 0.0025, 1, 20, 8),
    "paper512": (64, 8, 32768, 0.0025, 0.5, 20, 8),
    "paper1024": (32, 4, 32768, 0.002, 2, 10, 8),
    "cifar": (64, 32, 32768, 0.0025, 0.01, 500, 2),
}


@pytest.mark.parametrize(("name", "numbers"), PAPER.items())
def test_a_preset_of_the_paper_has_its_numbers(name, numbers):
    got = resolved(name)
    net = got.network
    shape = (got.batch_size, net.deviation_group, net.channel_base, got.generator_rate)
    rest = (got.r1_gamma, got.ema_images / 1000, net.num_mapping_layers)
    assert shape + rest == numbers
    assert net.w_dim == net.z_dim == 512
    assert net.channel_min == 1
    is_cifar = name == "cifar"
    assert got.path_length_weight == (0 if is_cifar else 2)
    assert got.style_mixing == (0 if is_cifar else 0.9)
    assert got.ema_rampup == (0.05 if is_cifar else 0)
    assert net.residual != is_cifar


@pytest.mark.parametrize(
    ("name", "shape"),
    [("tiny", (64, 2, 512, 64)), ("small", (256, 4, 8192, 256)), ("full", (512, 8, 32768, 512))],
)
def test_a_size_of_this_project_has_its_numbers(name, shape):
    got = resolved(name)
    net = got.network
    assert (net.w_dim, net.num_mapping_layers, net.channel_base, net.channel_max) == shape
    assert net.channel_min == 8
    assert (got.batch_size, got.generator_rate, got.r1_gamma) == (32, 0.002, 10)
    assert (got.ema_images, got.ema_rampup, got.style_mixing) == (10_000, 0.05, 0.9)
    assert got.path_length_weight == (0 if name == "tiny" else 2)


def test_what_the_recipe_says_wins_over_the_preset_and_0_is_an_answer():
    said = {
        "batch_size": 12,
        "learning_rate": 0.01,
        "r1_gamma": 0.0,
        "path_length_weight": 0.0,
        "ema_kimg": 3.0,
        "ema_rampup": 0.0,
        "style_mixing": 0.0,
    }
    got = resolved("auto", **said)
    assert got.batch_size == 12
    assert got.generator_rate == got.discriminator_rate == 0.01
    assert got.ema_images == 3000
    assert got.r1_gamma == got.path_length_weight == got.ema_rampup == got.style_mixing == 0
    assert resolved("auto", discriminator_rate=0.03).discriminator_rate == 0.03


@given(batch=st.integers(2, 500))
def test_a_size_of_this_project_takes_any_batch_in_whole_groups(batch):
    assert batch % resolved("tiny", batch_size=batch).network.deviation_group == 0


def networks(kind, side_px=1024, **settings):
    train = section(kind, **settings)
    return network_params(train, resolution_px=side_px, channels=3, num_labels=0)


def test_the_zine_networks_halve_from_64_px_on():
    net = networks("progressive", network="zine")
    assert [net.features(side) for side in net.sides_px] == [128, 128, 128, 128, 64, 32, 16, 8, 4]
    assert net.z_dim == 128
    assert networks("progressive", network="zine", z_dim=7).z_dim == 7


def test_the_progressive_networks_of_the_paper_have_its_table_2():
    net = networks("progressive", network="paper")
    assert [net.features(s) for s in net.sides_px] == [512, 512, 512, 512, 256, 128, 64, 32, 16]
    assert net.z_dim == 512


def test_the_full_r3gan_has_the_widths_of_its_paper_at_256_px():
    net = networks("r3gan", 256, network="full")
    assert [net.features(side) for side in net.sides_px] == [768, 768, 768, 768, 384, 192, 96]


@pytest.mark.parametrize("name", ["tiny", "small", "full"])
def test_every_r3gan_splits_into_whole_groups(name):
    net = networks("r3gan", network=name)
    widths = [net.features(side) * net.expansion for side in net.sides_px]
    assert all(width % net.group_size == 0 for width in widths)


def test_a_dcgan_is_the_quilts_own_or_has_spectral_norm():
    assert networks("dcgan", 64, network="quilt").layout == "quilt"
    sane = networks("dcgan", 64, network="sane", z_dim=33)
    assert (sane.layout, sane.spectral_norm, sane.z_dim) == ("sane", True, 33)


def zine(**settings):
    recipe = {"network": "zine", "stage_steps": 10_000, "batch_size": 16, "batch_size_large": 4}
    return section("progressive", **{**recipe, **settings})


def test_the_zine_recipe_lasts_17_stages_with_smaller_batches_when_large():
    assert total_images(zine(), resolution_px=1024) == 11 * 160_000 + 6 * 40_000


def test_a_progressive_training_may_go_on_after_its_last_stage():
    train = zine(total_kimg=5000)
    assert total_images(train, resolution_px=1024) == 5_000_000
    assert total_images(zine(total_kimg=5), resolution_px=64) == 9 * 160_000


def test_a_default_tick_is_whole_batches_of_any_preset_and_a_set_one_is_as_set():
    assert tick_images(section(network="paper256"), resolution_px=256) == 62 * 64
    assert tick_images(section(network="full"), resolution_px=256) == 4000
    assert tick_images(section(tick_kimg=0.9), resolution_px=256) == 900


EVERY_NETWORK = [
    *(("stylegan2", name) for name in ("tiny", "small", "full", "auto", *PAPER)),
    *(("progressive", name) for name in ("zine", "paper", "tiny")),
    *(("dcgan", name) for name in ("quilt", "sane")),
    *(("r3gan", name) for name in ("tiny", "small", "full")),
]


@pytest.mark.parametrize(("kind", "name"), EVERY_NETWORK)
def test_every_preset_passes_its_own_checks(kind, name):
    train = section(kind, network=name)
    check_train(train, resolution_px=64, channels=3)
    assert batch_size(train, resolution_px=64) >= 2


REFUSALS = {
    "half a batch": ({"total_kimg": 8.01}, "total_kimg=8.01 .* batches of 32; .*: 8.0"),
    "a tick of less than a batch": ({"tick_kimg": 0.01}, "tick_kimg=0.01 .*: 0.032"),
    "a group cut by the batch": (
        {"network": "paper256", "batch_size": 20},
        "batch_size=20 .* groups of 8",
    ),
    "a micro-batch that leaves a rest": ({"micro_batch": 12}, "allowed: 4, 8, 16, 32"),
    "a stage above the pictures": (
        {"kind": "progressive", "first_resolution_px": 64},
        "first_resolution_px=64 is above shard.resolution_px=32",
    ),
    "large batches that do not divide": (
        {"kind": "progressive", "batch_size_large": 3, "large_from_px": 16},
        "batch_size_large=3 does not divide",
    ),
    "ada without a zero": (
        {"kind": "progressive", "loss": "wgan_gp", "augment": {"kind": "ada"}},
        "set train.augment.kind to fixed, or train.loss to logistic",
    ),
    "a split batch that is normalised": (
        {"kind": "dcgan", "batch_size": 32, "micro_batch": 16},
        "whole batches, so they can't be split",
    ),
    "half a batch of a stage": (
        {"kind": "progressive", "stage_kimg": 0.024},
        "stage_kimg=0.024 .* batches of 16; .*: 0.016",
    ),
}


@pytest.mark.parametrize(("settings", "message"), REFUSALS.values(), ids=REFUSALS)
def test_what_can_not_be_trained_is_refused_with_the_remedy(settings, message):
    with pytest.raises(ValueError, match=message):
        check_train(section(**settings), resolution_px=32, channels=3)


@pytest.mark.parametrize(("kind", "side_px"), [("stylegan2", 33), ("dcgan", 512), ("dcgan", 8)])
def test_a_side_that_no_network_has_is_refused(kind, side_px):
    with pytest.raises(ValueError, match=f"resolution_px={side_px}"):
        check_train(section(kind), resolution_px=side_px, channels=3)


def test_groups_of_a_progressive_deviation_divide_small_and_large_batches():
    assert networks("progressive", batch_size=12, batch_size_large=6).deviation_group == 3
    assert networks("progressive", 64, batch_size=12, batch_size_large=6).deviation_group == 4


def test_resolving_a_recipe_loads_no_torch():
    code = "import sys, wunderkammer.gan.settings; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
