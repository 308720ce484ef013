"""Losses and the weight average, each by its equation.

Shapes: N samples, C channels, H rows, W columns.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional


def generator_loss(fake_N: Tensor) -> Tensor:
    """Each sample's -log sigmoid(D(G(z))) = softplus(-D(G(z))), [N].

    The non-saturating loss (arXiv 1406.2661, section 3).
    """
    return functional.softplus(-fake_N)


def discriminator_loss(real_N: Tensor, fake_N: Tensor) -> Tensor:
    """Each pair's -log sigmoid(D(x)) - log(1 - sigmoid(D(G(z)))), [N].

    arXiv 1406.2661, equation 1.
    """
    return functional.softplus(-real_N) + functional.softplus(fake_N)


def r1_penalty(critic: Callable[[Tensor], Tensor], real_NCHW: Tensor) -> Tensor:
    """Each sample's ‖∇ₓ D(x)‖², [N], differentiable (arXiv 1801.04406, equation 9).

    The loss is gamma / 2 times its mean; done once in k steps, k times that (lazy regularisation,
    arXiv 1912.04958, section 3.1).
    """
    images = real_NCHW.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(critic(images).sum(), images, create_graph=True)
    return gradient.square().sum(dim=(1, 2, 3))


def lazy_adam(
    learning_rate: float, betas: tuple[float, float], *, interval: int
) -> tuple[float, tuple[float, float]]:
    """Adam's rate and betas for k + 1 updates where k are meant: λ' = c λ, β' = β^c, c = k/(k+1).

    arXiv 1912.04958, appendix B, "lazy regularization".
    """
    c = interval / (interval + 1)
    return learning_rate * c, (betas[0] ** c, betas[1] ** c)


def ema_beta(*, batch_size: int, num_images: int, ema_images: float, rampup: float | None) -> float:
    """The weight of the old average: 0.5^(batch / half-life), the half-life counted in images.

    Early on the half-life is at most `rampup` times the images shown (arXiv 2006.06676, appendix
    C.1), so that the average does not keep its random start.
    """
    half_life = ema_images if rampup is None else min(ema_images, num_images * rampup)
    return 0.5 ** (batch_size / half_life) if half_life > 0 else 0.0


@torch.no_grad()
def update_ema(average: nn.Module, source: nn.Module, *, beta: float) -> None:
    """Move the parameters of `average` towards those of `source` and copy its buffers."""
    own: list[Tensor] = list(average.parameters())
    torch._foreach_lerp_(own, list(source.parameters()), 1.0 - beta)
    for kept, fresh in zip(average.buffers(), source.buffers(), strict=True):
        kept.copy_(fresh)
