"""Filters of the symlet family, from their definition (Daubechies, Ten Lectures on Wavelets, 1992).

An orthonormal low-pass filter H(z) of 2N taps with N vanishing moments satisfies, for
y = (2 - z - 1/z) / 4,

    H(z) H(1/z) = 2 (1 - y)^N P(y),   P(y) = sum_k C(N - 1 + k, k) y^k,   k = 0 … N - 1.

A root of P gives two roots z and 1/z, of which H takes one; the symlet is the least asymmetric
choice.
"""

from functools import cache
from itertools import chain, product
from math import comb, sqrt

import numpy as np
from numpy.polynomial import polynomial
from numpy.typing import NDArray

Taps = NDArray[np.float64]


@cache
def symlet(num_moments: int) -> Taps:
    """The low-pass filter with so many vanishing moments: 2 * num_moments taps, their sum √2.

    Of the filter and its mirror image, the one with more energy in its first half.
    """
    roots_y = polynomial.polyroots([comb(num_moments - 1 + k, k) for k in range(num_moments)])
    pairs = [_roots_z(y) for y in roots_y if y.imag >= 0]  # a conjugate comes with the other
    choices = [_taps(num_moments, roots) for roots in product(*pairs)]
    energies = [np.square(taps).reshape(2, -1).sum(axis=1) for taps in choices]
    leading = [taps for taps, (first, last) in zip(choices, energies, strict=True) if first >= last]
    return min(leading, key=lambda taps: float(np.abs(taps - taps[::-1]).sum()))


def _roots_z(y: complex) -> list[list[complex]]:
    """The two choices that a root of P leaves: z or 1/z, each with its conjugate if it has one."""
    both = polynomial.polyroots([1.0, 4.0 * y - 2.0, 1.0])
    return [[z] if y.imag == 0 else [z, z.conjugate()] for z in both]


def _taps(num_moments: int, roots: tuple[list[complex], ...]) -> Taps:
    zeros_at_nyquist = [-1.0] * num_moments
    taps = polynomial.polyfromroots([*zeros_at_nyquist, *chain(*roots)]).real
    return np.asarray(taps * (sqrt(2.0) / taps.sum()), dtype=np.float64)


@cache
def filter_bank() -> Taps:
    """Zero-phase filters [4, 43] of the octaves 0 to π/8, to π/4, to π/2, to π; their sum is 1.

    The undecimated bands of sym2 (arXiv 2006.06676, appendix B): with the half-band pair
    L(z) = H(z) H(1/z) / 2 and M(z) = 1 - L(z) they are L(z) L(z²) L(z⁴), L(z) L(z²) M(z⁴),
    L(z) M(z²) and M(z).
    """
    low = np.convolve(symlet(2), symlet(2)[::-1]) / 2.0
    high = _centred([1.0], len(low)) - low
    low_2, high_2, low_4, high_4 = (_spread(taps, by) for by in (2, 4) for taps in (low, high))
    below_quarter = np.convolve(low, low_2)
    bands = [
        np.convolve(below_quarter, low_4),
        np.convolve(below_quarter, high_4),
        np.convolve(low, high_2),
        high,
    ]
    return np.stack([_centred(taps, len(bands[0])) for taps in bands])


def _spread(taps: Taps, by: int) -> Taps:
    """H(z) to H(z^by)."""
    spread = np.zeros(by * (len(taps) - 1) + 1)
    spread[::by] = taps
    return spread


def _centred(taps: Taps | list[float], length: int) -> Taps:
    """With zeros on both sides."""
    return np.pad(taps, (length - len(taps)) // 2)
