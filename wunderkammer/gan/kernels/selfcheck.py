"""Whether kernels compute what torch's own operations do, on the device at hand.

Shapes: N samples, C channels, H rows, W columns.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from wunderkammer.gan.kernels import filters
from wunderkammer.gan.kernels.implementation import PLAIN, Kernels
from wunderkammer.gan.kernels.plain import Activation

# The largest error over the largest value; sums in 16 bits are off by some of their last bits.
TOLERANCES = {torch.float64: 1e-12, torch.float32: 1e-5, torch.bfloat16: 3e-2, torch.float16: 4e-3}


@dataclass(frozen=True)
class Case:
    """Numbers and layout to check with.

    Rounded to 16 bits a value may reach the clamp, where the derivative jumps: no error of ours, so
    the clamp is checked with more bits.
    """

    dtype: torch.dtype
    memory_format: torch.memory_format
    clamp: float | None


CASES = (
    Case(torch.float32, torch.contiguous_format, clamp=1.5),
    Case(torch.bfloat16, torch.channels_last, clamp=None),
)

_Operation = Callable[[Kernels, list[Tensor]], Tensor]


@torch.inference_mode(False)  # the first use on a device may be a mere drawing of samples
def find_difference(
    kernels: Kernels,
    device: torch.device,
    *,
    cases: tuple[Case, ...] = CASES,
) -> str | None:
    """What of `kernels` differs from the plain operations in float64, in words; None if nothing.

    Compared are values, gradients and gradients of gradients of every operation on small tensors.
    """
    for case in cases:
        limit = TOLERANCES[case.dtype]
        for name, operation, shapes in _operations(case.clamp):
            inputs = _inputs(shapes, case, device)
            found = _results(operation, kernels, inputs)
            wanted = _results(operation, PLAIN, [x.double() for x in inputs])
            for part in wanted:
                error = _relative_error(found[part], wanted[part])
                if not error <= limit:  # a NaN is a difference as well
                    return (
                        f"{part} of {name} in {case.dtype} differs by {error:.1e} of the largest "
                        f"value, limit {limit:.0e}"
                    )
    return None


def _operations(
    clamp: float | None,
) -> Iterator[tuple[str, _Operation, tuple[tuple[int, ...], ...]]]:
    x, scale, bias = (2, 3, 6, 4), (2, 3, 1, 1), (3,)
    activation = Activation(slope=0.2, gain=1.4, clamp=clamp)
    for padding, noise in ((None, (2, 1, 6, 4)), (1, (2, 1, 5, 3))):

        def bias_act(by: Kernels, inputs: list[Tensor], padding: int | None = padding) -> Tensor:
            return by.bias_act(
                inputs[0],
                scale_NC11=inputs[1],
                bias_C=inputs[2],
                noise_N1HW=inputs[3],
                activation=activation,
                blur_padding=padding,
            )

        yield f"bias_act with blur {padding}", bias_act, (x, scale, bias, noise)
    for stride in (1, 2):

        def correlate(by: Kernels, inputs: list[Tensor], stride: int = stride) -> Tensor:
            by_filters = by.filters
            return filters.correlate(inputs[0], stride=stride, padding=1, gain=2.0, by=by_filters)

        def spread(by: Kernels, inputs: list[Tensor], stride: int = stride) -> Tensor:
            by_filters = by.filters
            return filters.spread(inputs[0], stride=stride, padding=1, gain=2.0, by=by_filters)

        yield f"correlate with stride {stride}", correlate, (x,)
        yield f"spread with stride {stride}", spread, (x,)


def _inputs(shapes: tuple[tuple[int, ...], ...], case: Case, device: torch.device) -> list[Tensor]:
    # With this seed no sum is so near 0 that rounding to 16 bits could turn its sign.
    random = torch.Generator().manual_seed(4)
    drawn = [torch.randn(shape, generator=random).to(device, case.dtype) for shape in shapes]
    return [drawn[0].contiguous(memory_format=case.memory_format), *drawn[1:]]


def _results(operation: _Operation, kernels: Kernels, inputs: list[Tensor]) -> dict[str, Tensor]:
    """Value, gradients (as in training, and as under a penalty) and gradients of their sum."""
    inputs = [x.detach().requires_grad_() for x in inputs]
    with torch.enable_grad():
        y = operation(kernels, inputs)
        weights = torch.linspace(-1.0, 2.0, y.numel(), device=y.device).to(y.dtype).view_as(y)
        weights.requires_grad_()
        once = torch.autograd.grad(y, inputs, weights, retain_graph=True)
        first = torch.autograd.grad(y, inputs, weights, create_graph=True)
        power = sum((gradient.double().square().sum() for gradient in first), torch.tensor(0.0))
        twice = torch.autograd.grad(power, [weights, *inputs], allow_unused=True)
    results = {"the value": y.detach()}
    for kind, gradients in (("gradient", once), ("graph's gradient", first), ("second", twice)):
        results |= {
            f"{kind} {i}": gradient.detach()
            for i, gradient in enumerate(gradients)
            if gradient is not None
        }
    return results


def _relative_error(found: Tensor, wanted: Tensor) -> float:
    return float((found.double() - wanted).abs().max() / wanted.abs().max().clamp(min=1e-12))
