import pytest
import torch
from pydantic import TypeAdapter
from torch.utils._python_dispatch import TorchDispatchMode

from wunderkammer.gan.flops import (
    discriminator_flops,
    generator_flops,
    image_flops,
    stylegan2_image_flops,
)
from wunderkammer.gan.networks.build import build_networks
from wunderkammer.gan.params import TrainParams
from wunderkammer.gan.settings import network_params, stylegan2_settings

TRAIN = TypeAdapter(TrainParams)

FLOOR = {  # network, side: GFLOP of G, of D, and TFLOP of a training image (design notes)
    ("stylegan2", 1024): (148.5, 153.3, 1.990),
    ("stylegan2", 512): (119.3, 123.2, 1.598),
    ("stylegan2", 256): (90.2, 93.1, 1.208),
    ("auto", 256): (29.8, 30.8, 0.399),
    ("auto", 128): (22.5, 23.2, 0.302),
    ("auto", 64): (15.3, 15.7, 0.204),
}


def section(kind="stylegan2", **settings):
    if kind != "progressive":
        settings.setdefault("total_kimg", 25600)
    return TRAIN.validate_python({"kind": kind, **settings}, strict=True)


def networks(train, side_px, num_labels=0):
    return network_params(train, resolution_px=side_px, channels=3, num_labels=num_labels)


@pytest.mark.parametrize(("which", "numbers"), FLOOR.items())
def test_stylegan2_costs_what_its_floor_says(which, numbers):
    name, side_px = which
    train = section(network=name)
    net = networks(train, side_px)
    image = image_flops(train, resolution_px=side_px, channels=3, num_labels=0)
    g, d, total = numbers
    assert generator_flops(net) / 1e9 == pytest.approx(g, abs=0.051)
    assert discriminator_flops(net) / 1e9 == pytest.approx(d, abs=0.051)
    assert image / 1e12 == pytest.approx(total, abs=0.001)
    assert image == 4.75 * generator_flops(net) + 8.375 * discriminator_flops(net)


def test_a_penalty_that_is_off_costs_nothing_and_one_at_every_step_all_of_it():
    def cost(**settings):
        train = section(network="tiny", **settings)
        return stylegan2_image_flops(
            stylegan2_settings(train, resolution_px=32, channels=3, num_labels=0)
        )

    net = networks(section(network="tiny"), 32)
    g, d = generator_flops(net), discriminator_flops(net)
    bare = cost(r1_gamma=0.0)
    assert bare == 4 * g + 8 * d
    assert cost(r1_interval=1) == bare + 6 * d
    assert cost(r1_gamma=0.0, r2_gamma=1.0, r1_interval=1) == bare + 6 * d + g
    assert cost(r1_gamma=0.0, path_length_weight=2.0, path_length_interval=1) == bare + 3 * g


class Counter(TorchDispatchMode):
    """FLOP of the products that torch is asked for, without those of depthwise filters."""

    def __init__(self):
        super().__init__()
        self.flops = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        if func is torch.ops.aten.convolution.default:
            weight, is_transposed = args[1], args[6]
            if weight.shape[1] > 1 or args[8] == 1:
                pixels = (args[0] if is_transposed else out).shape[-2:].numel()
                self.flops += 2 * weight.numel() * pixels
        elif func in (torch.ops.aten.mm.default, torch.ops.aten.addmm.default):
            *_, a, b = args
            self.flops += 2 * a.shape[0] * b.numel()
        return out


def counted(network, *inputs):
    with torch.no_grad(), Counter() as counter:
        network.eval()(*inputs)
    return counter.flops


EVERY = [
    ("stylegan2", "tiny", 64),
    ("stylegan2", "auto", 128),
    ("stylegan2", "cifar", 32),
    ("progressive", "zine", 128),
    ("progressive", "tiny", 64),
    ("dcgan", "quilt", 64),
    ("dcgan", "sane", 64),
    ("r3gan", "tiny", 64),
    ("r3gan", "full", 128),
]


@pytest.mark.parametrize("num_labels", [0, 5])
@pytest.mark.parametrize(("kind", "name", "side_px"), EVERY)
def test_the_networks_themselves_ask_for_no_less_and_little_more(kind, name, side_px, num_labels):
    net = networks(section(kind, network=name), side_px, num_labels)
    with torch.device("meta"):
        generator, discriminator = build_networks(net)
        z_NZ = torch.zeros(1, net.z_dim)
        labels_NL = torch.zeros(1, num_labels) if num_labels else None
        image_NCHW = torch.zeros(1, 3, side_px, side_px)
        made = counted(generator, z_NZ, labels_NL)
        judged = counted(discriminator, image_NCHW, labels_NL)
    assert 1 <= made / generator_flops(net) < 1.02
    assert 1 <= judged / discriminator_flops(net) < 1.02


def test_a_progressive_image_is_cheaper_than_one_of_the_last_stage():
    def cost(**settings):
        train = section("progressive", network="zine", **settings)
        return image_flops(train, resolution_px=64, channels=3, num_labels=0)

    net = networks(section("progressive", network="zine"), 64)
    last = 4 * generator_flops(net) + 11 * discriminator_flops(net)
    assert cost() < last
    assert cost(first_resolution_px=64) == pytest.approx(last)
    assert cost(first_resolution_px=64, critic_steps=2) == pytest.approx(
        last + generator_flops(net) + 9 * discriminator_flops(net)
    )
    assert cost(first_resolution_px=64, loss="wgan_gp") == pytest.approx(
        last + 3 * discriminator_flops(net)
    )


@pytest.mark.parametrize(("kind", "times"), [("dcgan", 8), ("r3gan", 15)])
def test_families_without_lazy_penalties_cost_the_same_at_every_step(kind, times):
    train = section(kind)
    net = networks(train, 64)
    cost = image_flops(train, resolution_px=64, channels=3, num_labels=0)
    assert cost == 4 * generator_flops(net) + times * discriminator_flops(net)
