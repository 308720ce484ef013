"""Settings that follow the images shown or the size of the pictures. Nothing here needs torch."""

import math


def cosine(first: float, last: float, *, num_images: float, over_images: float) -> float:
    """From `first` to `last` along half a cosine over `over_images`, then `last`.

    R3GAN's schedule of rates, weights and betas (arXiv 2501.05441, appendix on hyper-parameters).
    """
    share = min(max(num_images / over_images, 0.0), 1.0)
    return last + (first - last) * 0.5 * (1.0 + math.cos(math.pi * share))


def heuristic_gamma(*, resolution_px: int, batch_size: int) -> float:
    """R1's weight where none is known: 0.0002 · pixels / batch (arXiv 2006.06676, appendix C)."""
    return 0.0002 * resolution_px**2 / batch_size
