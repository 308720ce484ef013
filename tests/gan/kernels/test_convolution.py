import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck
from torch.nn import functional

from wunderkammer.gan.kernels import convolution
from wunderkammer.gan.kernels.convolution import (
    convolve,
    convolve_transposed,
    input_gradient,
)

STEPS = [(1, 1), (1, 0), (2, 0)]


def drawn(*shape, dtype=torch.float64):
    return torch.randn(shape, dtype=dtype, requires_grad=True)


def second_order(operation, inputs):
    """The gradients by the inputs of a function that holds first derivatives squared."""
    y = operation(*inputs).sin().sum()
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


def test_an_input_gradient_has_the_derivatives_by_weights_that_torch_finds():
    x, first, second = drawn(2, 2, 5, 5), drawn(3, 2, 3, 3), drawn(3, 2, 3, 3)

    def penalty(operation, transposed, gradient):
        y = transposed(operation(x, first).tanh(), second)
        return gradient(y.sin().sum(), x).square().sum()

    def plain_gradient(y, x):
        return torch.autograd.grad(y, x, create_graph=True)[0]

    own = penalty(convolve, convolve_transposed, input_gradient)
    plain = penalty(functional.conv2d, functional.conv_transpose2d, plain_gradient)
    own_gradients = torch.autograd.grad(own, (first, second))
    torch.testing.assert_close(own_gradients, torch.autograd.grad(plain, (first, second)))


def test_an_input_gradient_computes_no_gradient_of_weights(monkeypatch):
    asked = []
    computed = convolution._weight_gradient
    monkeypatch.setattr(
        convolution, "_weight_gradient", lambda *a: (asked.append(1), computed(*a))[1]
    )
    x, weight = drawn(1, 2, 4, 4), drawn(2, 2, 3, 3)
    gradient = input_gradient(convolve(x, weight, padding=1).sin().sum(), x)
    assert asked == []
    gradient.square().sum().backward()
    assert len(asked) == 2
    assert weight.grad is not None


def test_an_input_gradient_that_fails_leaves_weights_their_gradients():
    with pytest.raises(RuntimeError, match="does not require grad"):
        input_gradient(torch.zeros(()), torch.zeros(()))
    weight = drawn(2, 2, 3, 3)
    convolve(torch.randn(1, 2, 4, 4, dtype=torch.float64), weight).sum().backward()
    assert weight.grad is not None


def test_gradients_keep_the_order_of_memory_of_their_images():
    x = torch.randn(2, 4, 6, 6).to(memory_format=torch.channels_last).requires_grad_()
    y = convolve(x, torch.randn(3, 4, 3, 3), padding=1)
    (gradient,) = torch.autograd.grad(y, x, torch.randn(2, 3, 6, 6))
    assert gradient.is_contiguous(memory_format=torch.channels_last)
