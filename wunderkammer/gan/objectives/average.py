"""The weight average, and Adam's settings under lazy regularisation."""

import torch
from torch import Tensor, nn


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
