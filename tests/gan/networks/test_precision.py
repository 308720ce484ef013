import pytest
import torch
from torch import nn

from wunderkammer.gan.networks.build import build_networks
from wunderkammer.gan.networks.precision import Block, has_fast_bfloat16, set_precision

CPU = torch.device("cpu")


@pytest.fixture
def pair(tiny_networks):
    return build_networks(tiny_networks(64))


def results(generator, discriminator, z):
    images = generator(z)
    scores = discriminator(images)
    scores.sum().backward()
    return images.detach(), scores.detach()


def test_the_highest_resolutions_alone_compute_in_16_bits(pair):
    for network in pair:
        set_precision(network, torch.bfloat16, num_highest_resolutions=2)
        types = {b.side_px: b.dtype for b in network.modules() if isinstance(b, Block)}
        assert types == {8: None, 16: None, 32: torch.bfloat16, 64: torch.bfloat16}


def test_sixteen_bits_come_near_to_32_and_none_comes_back_to_them(pair):
    z = torch.randn(4, 8)
    exact = results(*pair, z)
    for network in pair:
        set_precision(network, torch.bfloat16)
    near = results(*pair, z)
    for network in pair:
        set_precision(network, None)
    for before, rounded, after in zip(exact, near, results(*pair, z), strict=True):
        assert rounded.dtype == torch.float32
        assert torch.allclose(before, rounded, atol=0.05 * float(before.abs().max()))
        assert not torch.equal(before, rounded)
        assert torch.equal(before, after)


@torch.no_grad()
def test_float16_comes_nearer_than_bfloat16(pair):
    generator, _ = pair
    z = torch.randn(4, 8)
    exact = generator(z)
    errors = {}
    for dtype in (torch.float16, torch.bfloat16):
        set_precision(generator, dtype)
        errors[dtype] = float((generator(z) - exact).abs().max())
    assert errors[torch.float16] < errors[torch.bfloat16] / 2


def test_weights_and_their_gradients_keep_32_bits(pair):
    for network in pair:
        set_precision(network, torch.bfloat16)
    results(*pair, torch.randn(4, 8))
    for network in pair:
        for parameter in network.parameters():
            assert parameter.dtype == torch.float32
            assert parameter.grad is None or parameter.grad.dtype == torch.float32


@torch.no_grad()
def test_a_huge_style_does_not_overflow_float16(pair):
    generator, _ = pair
    for block in generator.synthesis.blocks:
        block.conv_up.conv.affine.bias.fill_(1e4)
        block.conv.conv.weight.mul_(1e4)
    exact = generator(torch.zeros(1, 8))
    set_precision(generator, torch.float16)
    assert torch.allclose(generator(torch.zeros(1, 8)), exact, atol=0.05 * float(exact.abs().max()))


@torch.no_grad()
def test_float16_is_cut_off_at_256(pair):
    generator, _ = pair
    generator.synthesis.blocks[-1].conv.bias.fill_(1e3)
    seen = []
    last = generator.synthesis.blocks[-1].conv
    last.register_forward_hook(lambda _module, _inputs, y: seen.append(float(y.max())))
    generator(torch.zeros(1, 8))
    set_precision(generator, torch.float16)
    generator(torch.zeros(1, 8))
    assert seen[0] > 1e3
    assert seen[1] == 256.0


def test_a_network_without_such_blocks_is_refused_with_the_remedy():
    with pytest.raises(ValueError, match=r"Linear .* set train.precision to float32"):
        set_precision(nn.Linear(2, 2), torch.bfloat16)
    set_precision(nn.Linear(2, 2), None)


@pytest.mark.parametrize(
    ("has", "is_fast"), [({}, False), ({"avx512_bf16": True}, True), ({"amx_bf16": True}, True)]
)
def test_a_cpu_is_fast_in_16_bits_if_it_has_the_instructions(has, is_fast, monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: has)
    assert has_fast_bfloat16(CPU) is is_fast
