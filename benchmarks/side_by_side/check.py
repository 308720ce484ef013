"""That all contestants train the same networks: same weights in, same losses and gradients out."""

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.side_by_side.contestant import Contestant
from benchmarks.side_by_side.setting import Setting


def count(network: nn.Module) -> int:
    """Numbers that it learns."""
    return sum(parameter.numel() for parameter in network.parameters())


def fingerprint(contestant: Contestant, setting: Setting) -> dict[str, float]:
    """Each loss of the first step and the norm of its gradients, on one seeded batch.

    Without augmentation, noise and style mixing, whose random numbers no two have in common.
    """
    torch.backends.cudnn.benchmark = False  # one pass is not worth the search
    shape = setting.numbers.network
    random = torch.Generator().manual_seed(0)
    num, side_px = shape.deviation_group, shape.resolution_px

    def draw(*sizes: int) -> Tensor:
        return torch.randn(sizes, generator=random).to(setting.device)

    z_NZ, y_NCHW = draw(num, shape.z_dim), draw(num, 3, side_px, side_px)
    reals_NCHW = draw(num, 3, side_px, side_px).tanh()
    values: dict[str, float] = {
        "G parameters": count(contestant.generator),
        "D parameters": count(contestant.discriminator),
    }
    losses: dict[str, tuple[nn.Module, Any]] = {
        "G main": (contestant.generator, lambda: _generator_loss(contestant, z_NZ)),
        "G reg": (contestant.generator, lambda: _path_length(contestant, z_NZ, y_NCHW)),
        "D main": (contestant.discriminator, lambda: _real_loss(contestant, reals_NCHW)),
        "D reg": (contestant.discriminator, lambda: _r1(contestant, reals_NCHW)),
    }
    for name, (network, loss) in losses.items():
        values[f"{name} loss"], values[f"{name} gradient"] = _measure(contestant, network, loss)
    return values


def _measure(contestant: Contestant, network: nn.Module, loss: Any) -> tuple[float, float]:
    contestant.generator.requires_grad_(False)
    contestant.discriminator.requires_grad_(False)
    network.requires_grad_(True)
    value: Tensor = loss()
    named = dict(network.named_parameters())
    slopes = torch.autograd.grad(value, list(named.values()), allow_unused=True)
    squares = [
        slope.double().square().sum()
        for name, slope in zip(named, slopes, strict=True)
        if slope is not None and "noise_strength" not in name
    ]
    network.requires_grad_(False)
    return float(value.detach()), math.sqrt(float(torch.stack(squares).sum()))


def _generator_loss(contestant: Contestant, z_NZ: Tensor) -> Tensor:
    return functional.softplus(-contestant.score(contestant.generate(z_NZ)[0])).mean()


def _real_loss(contestant: Contestant, reals_NCHW: Tensor) -> Tensor:
    return functional.softplus(-contestant.score(reals_NCHW)).mean()


def _r1(contestant: Contestant, reals_NCHW: Tensor) -> Tensor:
    images_NCHW = reals_NCHW.clone().requires_grad_()
    total = contestant.score(images_NCHW).sum()
    (slope_NCHW,) = torch.autograd.grad(total, images_NCHW, create_graph=True)
    return slope_NCHW.square().sum() / len(reals_NCHW)


def _path_length(contestant: Contestant, z_NZ: Tensor, y_NCHW: Tensor) -> Tensor:
    images_NCHW, w_NLD = contestant.generate(z_NZ)
    (slope_NLD,) = torch.autograd.grad((images_NCHW * y_NCHW).sum(), w_NLD, create_graph=True)
    return slope_NLD.square().sum() / y_NCHW.numel()
