"""Runs the Triton kernels through Triton's interpreter and prints what was found, as JSON.

A program of its own: the interpreter must be asked for before Triton is imported.
"""

import json
import os

os.environ["TRITON_INTERPRET"] = "1"

import torch

from wunderkammer.gan.kernels import dispatch, launch
from wunderkammer.gan.kernels.filters import correlate, spread
from wunderkammer.gan.kernels.fused import FUSED
from wunderkammer.gan.kernels.implementation import PLAIN
from wunderkammer.gan.kernels.plain import Activation
from wunderkammer.gan.kernels.selfcheck import CASES, Case, find_difference
from wunderkammer.gan.networks.layers import EqualizedConv, StyledConv, ToImage

CPU = torch.device("cpu")
LEAKY = Activation(slope=0.2, gain=2**0.5, clamp=1.5)
random = torch.Generator().manual_seed(0)


def normal(*shape):
    return torch.randn(shape, generator=random, dtype=torch.float64)


def largest_difference(operation, inputs):
    """Of values and gradients between the fused and the plain operation."""
    results = []
    for kernels in (FUSED, PLAIN):
        leaves = [x.detach().requires_grad_() for x in inputs]
        y = operation(kernels, *leaves)
        y.sum().backward()  # an expanded gradient
        results.append([y.detach(), *(x.grad for x in leaves)])
    return max(float((a - b).abs().max()) for a, b in zip(*results, strict=True))


def bias_act(kernels, x, *, scale=None, bias=None, noise=None, activation=LEAKY, padding=None):
    return kernels.bias_act(
        x,
        scale_NC11=scale,
        bias_C=bias,
        noise_N1HW=noise,
        activation=activation,
        blur_padding=padding,
    )


def parts():
    x = normal(2, 3, 4, 5)
    yield "scale alone", lambda k, x, s: bias_act(k, x, scale=s), [x, normal(2, 3, 1, 1)]
    yield "bias alone", lambda k, x, b: bias_act(k, x, bias=b), [x, normal(3)]
    yield "shared noise alone", lambda k, x, n: bias_act(k, x, noise=n), [x, normal(4, 5)]
    yield "nothing to add", bias_act, [x]
    yield "blur and bias", lambda k, x, b: bias_act(k, x, bias=b, padding=2), [x, normal(3)]


def layouts():
    sliced = normal(2, 6, 4, 5)[:, ::2]
    yield "sliced channels", lambda k, x, b: bias_act(k, x, bias=b), [sliced, normal(3)]
    turned = normal(2, 3, 5, 4).transpose(2, 3)
    settings = {"padding": 1, "gain": 4.0}
    yield (
        "transposed sides",
        lambda k, x: correlate(x, stride=1, by=k.filters, **settings),
        [turned],
    )
    flat = normal(2, 1, 1, 1)
    yield "one pixel", lambda k, x: spread(x, stride=2, by=k.filters, **settings), [flat]


def tiles():
    inputs = [normal(2, 70, 9, 8), normal(2, 70, 1, 1), normal(70), normal(2, 1, 9, 8)]
    for memory_format in (torch.contiguous_format, torch.channels_last):
        inputs[0] = inputs[0].contiguous(memory_format=memory_format)

        def operation(k, x, s, b, n):
            return bias_act(k, x, scale=s, bias=b, noise=n)

        yield f"many tiles, {memory_format}", operation, inputs


def difference_of_layers():
    """Of values and parameters' gradients, through layers that go up, down and to an image."""
    torch.manual_seed(0)
    up = StyledConv(3, 4, w_dim=5, resolution_px=8, up=True).double()
    down = EqualizedConv(4, 3, size=3, down=True, clamp=0.5).double()
    out = ToImage(3, 2, w_dim=5).double()
    with torch.no_grad():
        up.noise_strength.fill_(0.3)
    parameters = [p for layer in (up, down, out) for p in layer.parameters()]
    x, w = normal(2, 3, 4, 4), normal(2, 5)
    results = []
    for kernels in (FUSED, PLAIN):
        dispatch.fused_or_plain = lambda _, kernels=kernels: kernels
        images = out(down(up(x, w, noise_mode="const", draws=None)), w)
        results.append([images.detach(), *torch.autograd.grad(images.square().sum(), parameters)])
    return max(float((a - b).abs().max()) for a, b in zip(*results, strict=True))


def cut_off_slopes():
    """The gradients, in 16 bits, of values beyond a limit that 16 bits do not have."""
    found = {}
    for dtype in (torch.bfloat16, torch.float16):
        x = torch.tensor([-5e3, -3.0, 3.0, 5e3], dtype=dtype).view(1, 1, 2, 2).requires_grad_()
        activation = Activation(slope=1.0, gain=1.0, clamp=256 * 0.5**0.5)
        bias_act(FUSED, x, activation=activation).sum().backward()
        found[str(dtype)] = x.grad.flatten().tolist()
    return found


def keeps_nan():
    x = torch.full((1, 1, 1, 1), float("nan"))
    return bool(bias_act(FUSED, x, activation=LEAKY).isnan().all())


def layouts_of_results():
    x = torch.zeros(2, 3, 4, 4).contiguous(memory_format=torch.channels_last)
    results = [launch.correlate(x, 2, 1, 1.0), launch.spread(x, 2, 1, 1.0)]
    results.append(bias_act(FUSED, x))
    return all(y.is_contiguous(memory_format=torch.channels_last) for y in results)


def main():
    torch.set_num_threads(1)
    exact = Case(torch.float64, torch.contiguous_format, clamp=1.5)
    report = {
        "selfcheck": {
            str(case.dtype): find_difference(FUSED, CPU, cases=(case,))
            for case in (exact, *CASES)
            if case.dtype != torch.float32  # what 64 bits do but rounded
        },
        "differences": {
            name: largest_difference(operation, inputs)
            for cases in (parts, layouts, tiles)
            for name, operation, inputs in cases()
        },
        "difference_of_layers": difference_of_layers(),
        "cut_off_slopes": cut_off_slopes(),
        "keeps_nan": keeps_nan(),
        "keeps_layout": layouts_of_results(),
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main()
