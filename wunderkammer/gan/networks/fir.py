"""Resampling with the binomial filter [1, 3, 3, 1] (arXiv 1912.04958, appendix B).

Shapes: N samples, C channels, H rows, W columns.
"""

from torch import Tensor

from wunderkammer.gan.kernels.dispatch import correlate, spread


def blur(x_NCHW: Tensor, *, padding: int) -> Tensor:
    """Filter with gain 1 and zero padding; a side of H becomes H + 2 * padding - 3."""
    return correlate(x_NCHW, stride=1, padding=padding, gain=1.0)


def downsample(x_NCHW: Tensor) -> Tensor:
    """Halve both (even) sides, gain 1."""
    return correlate(x_NCHW, stride=2, padding=1, gain=1.0)


def upsample(x_NCHW: Tensor) -> Tensor:
    """Double both sides, gain 1: the adjoint of `downsample` times 4, the zeros put in between."""
    return spread(x_NCHW, stride=2, padding=1, gain=4.0)
