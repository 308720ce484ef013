"""What an implementation of the kernels offers, and the plain one.

Shapes: N samples, C channels, H rows, W columns.
"""

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from wunderkammer.gan.kernels import filters, plain
from wunderkammer.gan.kernels.filters import Filters
from wunderkammer.gan.kernels.plain import Activation


class BiasAct(Protocol):
    """The activation of x · scale + bias + noise; see `dispatch.bias_act`."""

    def __call__(
        self,
        x_NCHW: Tensor,
        *,
        scale_NC11: Tensor | None,
        bias_C: Tensor | None,
        noise_N1HW: Tensor | None,
        activation: Activation,
        blur_padding: int | None,
    ) -> Tensor:
        """With derivatives of every order."""


@dataclass(frozen=True)
class Kernels:
    """All operations by one implementation."""

    bias_act: BiasAct
    filters: Filters


def _bias_act(
    x_NCHW: Tensor,
    *,
    scale_NC11: Tensor | None,
    bias_C: Tensor | None,
    noise_N1HW: Tensor | None,
    activation: Activation,
    blur_padding: int | None,
) -> Tensor:
    if blur_padding is not None:
        by = PLAIN.filters
        x_NCHW = filters.correlate(x_NCHW, stride=1, padding=blur_padding, gain=1.0, by=by)
    return plain.bias_act(
        x_NCHW, scale_NC11=scale_NC11, bias_C=bias_C, noise_N1HW=noise_N1HW, activation=activation
    )


PLAIN = Kernels(_bias_act, filters.PLAIN)
