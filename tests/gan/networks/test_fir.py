import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

from wunderkammer.gan.networks.fir import blur, downsample, upsample


def test_upsampling_keeps_a_constant_image_constant_away_from_the_border():
    image = torch.full((2, 3, 6, 6), 0.7)
    assert torch.allclose(upsample(image)[:, :, 1:-1, 1:-1], torch.tensor(0.7), atol=1e-6)


def test_downsampling_keeps_a_constant_image_constant_away_from_the_border():
    image = torch.full((2, 3, 12, 12), 0.7)
    assert torch.allclose(downsample(image)[:, :, 1:-1, 1:-1], torch.tensor(0.7), atol=1e-6)


@pytest.mark.parametrize(("padding", "side"), [(1, 11), (2, 13)])
def test_blurring_a_point_gives_the_binomial_filter(padding, side):
    image = torch.zeros(1, 1, 12, 12)
    image[0, 0, 6, 6] = 64.0
    blurred = blur(image, padding=padding)
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0])
    assert blurred.shape == (1, 1, side, side)
    start = 6 + padding - 3
    window = blurred[0, 0, start : start + 4, start : start + 4]
    assert torch.allclose(window, torch.outer(taps, taps))
    assert blurred.sum() == pytest.approx(64.0)


def test_upsampling_is_four_times_the_adjoint_of_downsampling():
    large, small = torch.randn(1, 2, 8, 8), torch.randn(1, 2, 4, 4)
    left = (downsample(large) * small).sum()
    right = (large * upsample(small) / 4.0).sum()
    assert torch.allclose(left, right, atol=1e-5)


@pytest.mark.parametrize("padding", [1, 2])
def test_first_and_second_derivatives_of_the_blur_are_exact(padding):
    x = torch.randn(1, 2, 6, 6, dtype=torch.float64, requires_grad=True)
    assert gradcheck(lambda t: blur(t, padding=padding).sin(), (x,))
    assert gradgradcheck(lambda t: blur(t, padding=padding).sin(), (x,))


@pytest.mark.parametrize("resample", [upsample, downsample])
def test_first_and_second_derivatives_of_resampling_are_exact(resample):
    x = torch.randn(1, 2, 4, 4, dtype=torch.float64, requires_grad=True)
    assert gradcheck(lambda t: resample(t).sin(), (x,))
    assert gradgradcheck(lambda t: resample(t).sin(), (x,))
