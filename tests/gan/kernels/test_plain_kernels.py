import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wunderkammer.gan.kernels import plain
from wunderkammer.gan.kernels.dispatch import bias_act, conv_act, correlate, spread
from wunderkammer.gan.kernels.plain import Activation

LEAKY = Activation(slope=0.2, gain=2**0.5)


def _normal(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def _leaves():
    shapes = ((2, 3, 4, 2), (2, 3, 1, 1), (3,), (2, 1, 4, 2))
    return [_normal(*shape, seed=i).requires_grad_() for i, shape in enumerate(shapes)]


def _all_parts(x, scale, bias, noise, *, activation, blur_padding=None):
    return bias_act(
        x,
        scale_NC11=scale,
        bias_C=bias,
        noise_N1HW=noise,
        activation=activation,
        blur_padding=blur_padding,
    )


def test_bias_act_is_the_activation_of_the_scaled_and_shifted_input():
    x, scale, bias, noise = _leaves()
    u = x * scale + bias[:, None, None] + noise
    wanted = (torch.where(u > 0, u, 0.2 * u) * 2**0.5).clamp(-0.5, 0.5)
    activation = Activation(slope=0.2, gain=2**0.5, clamp=0.5)
    torch.testing.assert_close(_all_parts(x, scale, bias, noise, activation=activation), wanted)


@pytest.mark.parametrize("present", [(0,), (1,), (2,), (0, 2), (1, 2)])
def test_what_is_left_out_of_bias_act_counts_as_nothing(present):
    x, *parts = _leaves()
    neutral = [torch.ones_like(parts[0]), torch.zeros_like(parts[1]), torch.zeros_like(parts[2])]
    kept = [part if i in present else None for i, part in enumerate(parts)]
    filled = [part if i in present else neutral[i] for i, part in enumerate(parts)]
    torch.testing.assert_close(
        _all_parts(x, *kept, activation=LEAKY), _all_parts(x, *filled, activation=LEAKY)
    )


def test_bias_act_of_nothing_is_the_input():
    x = _normal(1, 2, 3, 3)
    assert torch.equal(bias_act(x), x)


def test_one_noise_may_serve_all_samples():
    x, noise = _normal(2, 3, 4, 4), _normal(4, 4, seed=1)
    torch.testing.assert_close(bias_act(x, noise_N1HW=noise), x + noise)


def test_a_blur_before_is_a_blur_before():
    x, scale, bias, noise = _leaves()
    noise = noise[:, :, :3, :1]
    blurred = correlate(x, stride=1, padding=1, gain=1.0)
    torch.testing.assert_close(
        _all_parts(x, scale, bias, noise, activation=LEAKY, blur_padding=1),
        _all_parts(blurred, scale, bias, noise, activation=LEAKY),
    )


def test_sixteen_bits_stay_sixteen_bits_under_wider_parameters():
    x, *parts = _leaves()
    y = _all_parts(x.bfloat16(), *(part.float() for part in parts), activation=LEAKY)
    assert y.dtype == torch.bfloat16
    exact = _all_parts(x, *parts, activation=LEAKY)
    torch.testing.assert_close(y.double(), exact, rtol=0.03, atol=0.03)


@pytest.mark.parametrize("blur_padding", [None, 2])
def test_derivatives_of_bias_act_are_those_of_finite_differences(blur_padding):
    x, scale, bias, noise = _leaves()
    if blur_padding is not None:
        noise = _normal(2, 1, 5, 3).requires_grad_()

    def operation(*inputs):
        return _all_parts(*inputs, activation=LEAKY, blur_padding=blur_padding)

    assert torch.autograd.gradcheck(operation, (x, scale, bias, noise))
    assert torch.autograd.gradgradcheck(operation, (x, scale, bias, noise))


@settings(max_examples=25, deadline=None)
@given(
    st.integers(1, 3).map(lambda n: 2 * n),
    st.integers(1, 3).map(lambda n: 2 * n),
    st.sampled_from([(1, 1), (1, 2), (2, 1)]),
)
def test_spread_is_the_adjoint_of_correlate(height, width, sizes):
    stride, padding = sizes
    x = _normal(1, 2, height, width)
    filtered = correlate(x, stride=stride, padding=padding, gain=3.0)
    other = _normal(*filtered.shape, seed=1)
    returned = spread(other, stride=stride, padding=padding, gain=3.0)
    torch.testing.assert_close((filtered * other).sum(), (x * returned).sum())


def test_the_filter_is_binomial_and_its_gain_its_sum():
    pulse = torch.zeros(1, 1, 7, 7, dtype=torch.float64)
    pulse[0, 0, 3, 3] = 1.0
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0], dtype=torch.float64)
    wanted = torch.outer(taps, taps) * (2.0 / 64.0)
    found = plain.correlate(pulse, 1, 3, 2.0)
    torch.testing.assert_close(found[0, 0, 3:7, 3:7], wanted)
    assert float(found.sum()) == pytest.approx(2.0)


@pytest.mark.parametrize("operation", [correlate, spread])
@pytest.mark.parametrize("stride", [1, 2])
def test_derivatives_of_the_filters_are_those_of_finite_differences(operation, stride):
    x = _normal(1, 2, 4, 6).requires_grad_()

    def squared(x):
        return operation(x, stride=stride, padding=1, gain=2.0).square()

    assert torch.autograd.gradcheck(squared, (x,))
    assert torch.autograd.gradgradcheck(squared, (x,))


@pytest.mark.parametrize("stride", [1, 2])
def test_an_export_leaves_nothing_behind_for_later_filters(stride):
    class Filtered(torch.nn.Module):
        def forward(self, x):
            return correlate(x, stride=stride, padding=1, gain=1.5)

    x = torch.ones(1, 1, 8, 8)
    torch.export.export(Filtered(), (x,), strict=False)
    assert correlate(x, stride=stride, padding=1, gain=1.5)[0, 0, 1, 1].item() == 1.5


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("stride", [1, 2])
def test_a_convolution_with_its_activation_is_both_in_turn(bias, stride):
    x, weight = _normal(2, 3, 6, 6), _normal(4, 3, 3, 3, seed=1)
    offset = _normal(4, seed=2) if bias else None
    y = torch.nn.functional.conv2d(x, weight, offset, stride=stride, padding=1)
    found = conv_act(x, weight, offset, stride=stride, padding=1, activation=LEAKY)
    torch.testing.assert_close(found, torch.nn.functional.leaky_relu(y, 0.2) * 2**0.5)
