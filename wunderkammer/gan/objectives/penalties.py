"""Penalties on gradients, a value a sample [N], differentiable once more.

Shapes: N samples, C channels, H rows, W columns, L layers that take a w of D numbers.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from wunderkammer.gan.kernels.convolution import input_gradient

Critic = Callable[[Tensor], Tensor]


def r1_penalty(critic: Critic, real_NCHW: Tensor) -> Tensor:
    """‖∇ₓ D(x)‖² at the reals, [N] (arXiv 1801.04406, equation 9).

    The loss is gamma / 2 times its mean; done once in k steps, k times that (lazy regularisation,
    arXiv 1912.04958, section 3.1).
    """
    return _critic_gradient(critic, real_NCHW).square().flatten(1).sum(dim=1)


def r2_penalty(critic: Critic, fake_NCHW: Tensor) -> Tensor:
    """‖∇ₓ D(x)‖² at the fakes, [N] (arXiv 1801.04406, equation 10); weighed like R1."""
    return _critic_gradient(critic, fake_NCHW).square().flatten(1).sum(dim=1)


def gradient_penalty(critic: Critic, real_NCHW: Tensor, fake_NCHW: Tensor, mix_N: Tensor) -> Tensor:
    """(‖∇ D(x̂)‖ - 1)² at x̂ = ε x + (1 - ε) G(z), [N] (arXiv 1704.00028, equation 3).

    `mix_N` is each pair's ε from [0, 1).
    """
    mixed_NCHW = torch.lerp(fake_NCHW, real_NCHW, mix_N[:, None, None, None].to(real_NCHW.dtype))
    gradient_NCHW = _critic_gradient(critic, mixed_NCHW)
    norm_N: Tensor = torch.linalg.vector_norm(gradient_NCHW.flatten(1), dim=1)
    return (norm_N - 1.0).square()


def path_lengths(images_NCHW: Tensor, w_NLD: Tensor, noise_NCHW: Tensor) -> Tensor:
    """‖J_wᵀ y‖ of images made from `w_NLD`, y ~ N(0, 1/HW), [N] (1912.04958, section 3.2).

    `noise_NCHW` is from N(0, 1). Where layers have a w each, the squared norm is their mean.

    Raises:
        RuntimeError: the images do not depend on `w_NLD`, or it does not require gradients.
    """
    num_rows, num_columns = images_NCHW.shape[2:]
    y_NCHW = noise_NCHW / math.sqrt(num_rows * num_columns)
    gradient_NLD = input_gradient((images_NCHW * y_NCHW).sum(), w_NLD)
    norm_N: Tensor = torch.linalg.vector_norm(gradient_NLD.flatten(1), dim=1)
    return norm_N / math.sqrt(w_NLD.shape[1])


def path_length_penalty(lengths_N: Tensor, mean: Tensor) -> Tensor:
    """(‖J_wᵀ y‖ - a)², [N], around the decaying mean a (1912.04958, equation 4)."""
    return (lengths_N - mean).square()


def decay_mean(mean: Tensor, lengths_mean: Tensor, *, decay: float = 0.01) -> Tensor:
    """The mean a after a batch: a + decay · (its mean length - a) (1912.04958, appendix B)."""
    return torch.lerp(mean, lengths_mean.detach(), decay)


def _critic_gradient(critic: Critic, images_NCHW: Tensor) -> Tensor:
    images = images_NCHW.detach().requires_grad_()
    return input_gradient(critic(images).sum(), images)
