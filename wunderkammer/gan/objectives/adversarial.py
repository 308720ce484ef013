"""What the scores of fakes and reals cost generator and discriminator, each by its equation.

Shapes: N samples.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from torch import Tensor
from torch.nn.functional import relu, softplus


@dataclass(frozen=True)
class AdversarialLoss:
    """Both players' cost a sample, [N], from the scores [N] that the discriminator gave.

    `generator(fake_N, real_N)` ignores the reals (None will do) unless `pairs` is set.
    """

    generator: Callable[[Tensor, Tensor | None], Tensor]
    discriminator: Callable[[Tensor, Tensor], Tensor]
    pairs: bool = False


def drift(real_N: Tensor) -> Tensor:
    """D(x)², [N]: times 0.001 it keeps a Wasserstein critic near 0 (arXiv 1710.10196, A.1)."""
    return real_N.square()


def _likelihood_generator(fake_N: Tensor, _: Tensor | None) -> Tensor:
    """-log sigmoid(D(G(z))): arXiv 1406.2661, section 3, "rather than training G to minimize"."""
    return softplus(-fake_N)


def _likelihood_discriminator(real_N: Tensor, fake_N: Tensor) -> Tensor:
    """-log sigmoid(D(x)) - log(1 - sigmoid(D(G(z)))): arXiv 1406.2661, equation 1."""
    return softplus(-real_N) + softplus(fake_N)


def _hinge_discriminator(real_N: Tensor, fake_N: Tensor) -> Tensor:
    """max(0, 1 - D(x)) + max(0, 1 + D(G(z))): arXiv 1705.02894, section 3."""
    return relu(1.0 - real_N) + relu(1.0 + fake_N)


def _relativistic_generator(fake_N: Tensor, real_N: Tensor | None) -> Tensor:
    """-log sigmoid(D(G(z)) - D(x)): arXiv 1807.00734, section 4.1; 2501.05441, equation 2."""
    if real_N is None:
        raise ValueError("real_N=None: the relativistic loss pairs each fake's score with a real's")
    return softplus(real_N - fake_N)


def _relativistic_discriminator(real_N: Tensor, fake_N: Tensor) -> Tensor:
    """-log sigmoid(D(x) - D(G(z))): the same game from the other side."""
    return softplus(fake_N - real_N)


def _critic_generator(fake_N: Tensor, _: Tensor | None) -> Tensor:
    """-D(G(z)): arXiv 1701.07875, equation 3; 1705.02894 has the same beside its hinge."""
    return -fake_N


def _critic_discriminator(real_N: Tensor, fake_N: Tensor) -> Tensor:
    """D(G(z)) - D(x): arXiv 1701.07875, equation 2, to be minimised."""
    return fake_N - real_N


LOSSES: Mapping[str, AdversarialLoss] = MappingProxyType(
    {
        "non_saturating": AdversarialLoss(_likelihood_generator, _likelihood_discriminator),
        "hinge": AdversarialLoss(_critic_generator, _hinge_discriminator),
        "relativistic": AdversarialLoss(
            _relativistic_generator, _relativistic_discriminator, pairs=True
        ),
        "wasserstein": AdversarialLoss(_critic_generator, _critic_discriminator),
    }
)
