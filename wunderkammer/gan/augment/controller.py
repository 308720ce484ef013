"""How ADA finds its p (arXiv 2006.06676, section 3.1)."""

import torch
from torch import Tensor


def validation_heuristic(train: Tensor, held_out: Tensor, generated: Tensor) -> Tensor:
    """r_v = (E[D(train)] - E[D(held out)]) / (E[D(train)] - E[D(generated)]) (equation 1).

    Args:
        train: scores of training images, or their mean; so for the others.
        held_out: of real images that are never trained on.
        generated: of generated images.

    Returns:
        A scalar; 0 while training images do not score above generated ones.
    """
    gap = train.mean() - generated.mean()
    is_told_apart = gap > 0
    share = (train.mean() - held_out.mean()) / torch.where(is_told_apart, gap, 1.0)
    return torch.where(is_told_apart, share, 0.0)


def adapt_p(
    p: Tensor, signal: Tensor, *, target: float, num_images: int, speed_images: float
) -> Tensor:
    """p one step on: up where the heuristic is above `target`, down where it is below.

    Args:
        p: probability, a scalar.
        signal: a heuristic over the images since the last step.
        target: of the heuristic.
        num_images: real images since the last step.
        speed_images: real images in which p can go from 0 to 1.

    Returns:
        The next p, within 0 and 1.
    """
    step = (signal - target).sign() * (num_images / speed_images)
    return (p + step).clamp(0.0, 1.0)
