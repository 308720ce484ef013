import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck
from torch.nn import functional

from wunderkammer.gan.kernels.convolution import convolve, convolve_transposed

STEPS = [(1, 1), (1, 0), (2, 0)]


def drawn(*shape, dtype=torch.float64):
    return torch.randn(shape, dtype=dtype, requires_grad=True)


def second_order(convolution, inputs):
    """The gradients by the inputs of a function that holds first derivatives squared."""
    y = convolution(*inputs).sin().sum()
    firsts = torch.autograd.grad(y, inputs, create_graph=True)
    return torch.autograd.grad(sum(first.square().sum() for first in firsts), inputs)


@pytest.mark.parametrize(("stride", "padding"), STEPS)
def test_first_and_second_derivatives_of_a_convolution_are_exact(stride, padding):
    inputs = drawn(2, 2, 5, 5), drawn(3, 2, 3, 3), drawn(3)

    def run(x, weight, bias):
        return convolve(x, weight, bias, stride=stride, padding=padding).sin()

    assert gradcheck(run, inputs)
    assert gradgradcheck(run, inputs)


@pytest.mark.parametrize(("stride", "padding"), STEPS)
def test_first_and_second_derivatives_of_a_transposed_convolution_are_exact(stride, padding):
    inputs = drawn(2, 3, 3, 3), drawn(3, 2, 3, 3)

    def run(x, weight):
        return convolve_transposed(x, weight, stride=stride, padding=padding).sin()

    assert gradcheck(run, inputs)
    assert gradgradcheck(run, inputs)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("stride", "padding"), STEPS)
def test_second_derivatives_are_those_of_torch(dtype, stride, padding):
    inputs = drawn(3, 6, 9, 9, dtype=dtype), drawn(5, 6, 3, 3, dtype=dtype), drawn(5, dtype=dtype)
    channels_last = [inputs[0].to(memory_format=torch.channels_last), *inputs[1:]]
    own = second_order(
        lambda x, w, b: convolve(x, w, b, stride=stride, padding=padding), channels_last
    )
    plain = second_order(
        lambda x, w, b: functional.conv2d(x, w, b, stride=stride, padding=padding), inputs
    )
    torch.testing.assert_close(
        own,
        plain,
        rtol=1e-4 if dtype == torch.float32 else 1e-10,
        atol=1e-3 if dtype == torch.float32 else 1e-10,
    )


def test_a_transposed_convolution_is_the_adjoint_of_the_convolution():
    x, y = torch.randn(2, 3, 9, 9), torch.randn(2, 4, 4, 4)
    weight = torch.randn(4, 3, 3, 3)
    left = (convolve(x, weight, stride=2) * y).sum()
    right = (x * convolve_transposed(y, weight, stride=2)).sum()
    assert torch.allclose(left, right, rtol=1e-4, atol=1e-4)


def test_what_needs_no_gradient_gets_none():
    x, weight = torch.randn(1, 2, 4, 4), torch.randn(2, 2, 3, 3, requires_grad=True)
    convolve(x, weight, padding=1).sum().backward()
    assert x.grad is None
    assert weight.grad is not None
