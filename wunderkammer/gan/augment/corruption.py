"""ADA's image-space filter, noise and cutout (arXiv 2006.06676, appendix B), and a blur.

A filter of a picture is a product with a matrix of its side from both sides; the reflection at
the edges is in the matrix.

Shapes: N samples, C channels, S px of a side, B frequency bands.
"""

from functools import cache

import numpy as np
import torch
from torch import Tensor

from wunderkammer.gan.augment.wavelets import Taps, filter_bank
from wunderkammer.gan.draws import Draws

# The share of the bands in the power of pictures, which falls as 1 / frequency.
EXPECTED_POWER = (10 / 13, 1 / 13, 1 / 13, 1 / 13)


def amplify_bands(images_NCSS: Tensor, octaves_NB: Tensor) -> Tensor:
    """Amplify each frequency band by 2^octaves, and all together back to the expected power.

    A band of share λ amplified t-fold costs all of them 1 / √(1 + λ (t² - 1)).
    """
    side = images_NCSS.shape[-1]
    bands_BSS, powers_B = _bands(side, images_NCSS.dtype, images_NCSS.device)
    gains_NB = octaves_NB.to(images_NCSS.dtype).exp2()
    losses_NB = (1.0 + powers_B * (gains_NB.square() - 1.0)).rsqrt()
    changes_NB = gains_NB * losses_NB.prod(dim=1, keepdim=True) - 1.0
    # The bands sum to the identity; written so, gains of 1 give exactly it.
    identity_SS = torch.eye(side, dtype=images_NCSS.dtype, device=images_NCSS.device)
    return filter_both_ways(images_NCSS, torch.tensordot(changes_NB, bands_BSS, 1) + identity_SS)


def blur(images_NCSS: Tensor, sigma_N: Tensor) -> Tensor:
    """A Gaussian of standard deviation `sigma_N` px; images with 0 come out bit for bit."""
    side = images_NCSS.shape[-1]
    place = torch.arange(side, dtype=images_NCSS.dtype, device=images_NCSS.device)
    reflections = (place, -place, 2.0 * (side - 1) - place)
    # An edge pixel is its own reflection and counts once.
    counts = (torch.ones_like(place), (place > 0).to(place), (place < side - 1).to(place))
    inverse_N11 = 1.0 / sigma_N.to(place).clamp_min(1e-3).view(-1, 1, 1)
    matrix_NSS = torch.zeros_like(inverse_N11)
    for reflection, count in zip(reflections, counts, strict=True):
        distance_NSS = (place[:, None] - reflection) * inverse_N11
        matrix_NSS = matrix_NSS + (-0.5 * distance_NSS.square()).exp() * count
    return filter_both_ways(images_NCSS, matrix_NSS / matrix_NSS.sum(dim=2, keepdim=True))


def filter_both_ways(images_NCSS: Tensor, matrix_NSS: Tensor) -> Tensor:
    """Down the columns and along the rows."""
    return matrix_NSS[:, None] @ images_NCSS @ matrix_NSS[:, None].mT


def add_noise(images_NCSS: Tensor, sigma_N: Tensor, draws: Draws) -> Tensor:
    """Gaussian noise, independent in every pixel and channel, of standard deviation |sigma|."""
    noise_NCSS = draws.normal(*images_NCSS.shape[1:]).to(images_NCSS.dtype)
    return images_NCSS + noise_NCSS * sigma_N.abs().to(images_NCSS.dtype).view(-1, 1, 1, 1)


def cut_out(images_NCSS: Tensor, size_N: Tensor, x_N: Tensor, y_N: Tensor) -> Tensor:
    """Set a square to 0: its size and the place of its middle from 0 to 1 in sides of the picture.

    A pixel is cut out if its middle is.
    """
    side = images_NCSS.shape[-1]
    place_S = (torch.arange(side, device=images_NCSS.device) + 0.5) / side
    in_columns_NS, in_rows_NS = (
        (place_S - middle_N[:, None]).abs() < size_N[:, None] / 2 for middle_N in (x_N, y_N)
    )
    is_out_N1SS = (in_rows_NS[:, :, None] & in_columns_NS[:, None, :])[:, None]
    return images_NCSS.masked_fill(is_out_N1SS, 0.0)


@cache
def _bands(side: int, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
    """The filters as matrices [B, S, S], and their share of power. Kept: made in slow Python."""
    with torch.inference_mode(False):  # what is kept must serve training too
        return (
            torch.tensor(_reflected_matrices(filter_bank(), side), dtype=dtype, device=device),
            torch.tensor(EXPECTED_POWER, dtype=dtype, device=device),
        )


def _reflected_matrices(taps_BK: Taps, side: int) -> Taps:
    """Each filter as a matrix; what it reaches beyond the edges is reflected at the edge pixels."""
    num_bands, num_taps = taps_BK.shape
    period = 2 * (side - 1)
    matrices = np.zeros((num_bands, side, side))
    rows = np.arange(side)
    for tap in range(num_taps):
        places = (rows + tap - num_taps // 2) % period
        columns = np.minimum(places, period - places)
        matrices[:, rows, columns] += taps_BK[:, tap, None]
    return matrices
