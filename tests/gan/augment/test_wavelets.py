from math import sqrt

import numpy as np
import pytest

from wunderkammer.gan.augment.wavelets import filter_bank, symlet


@pytest.mark.parametrize("num_moments", [1, 2, 3, 4, 6, 8])
def test_a_symlet_is_orthonormal_to_its_even_shifts_and_its_moments_vanish(num_moments):
    taps = symlet(num_moments)
    shifts = [taps[2 * k :] @ taps[: len(taps) - 2 * k] for k in range(num_moments)]
    np.testing.assert_allclose(shifts, [1.0] + [0.0] * (num_moments - 1), atol=1e-9)
    places = np.linspace(-1.0, 1.0, len(taps))
    signs = (-1.0) ** np.arange(len(taps))
    moments = [taps @ (signs * places**m) for m in range(num_moments)]
    np.testing.assert_allclose(moments, 0.0, atol=1e-9)


def test_sym2_is_the_closed_form_of_daubechies():
    root = sqrt(3.0)
    expected = np.array([1 + root, 3 + root, 3 - root, 1 - root]) / (4 * sqrt(2.0))
    np.testing.assert_allclose(symlet(2), expected, atol=1e-12)


def test_sym6_is_the_published_one():
    np.testing.assert_allclose(
        symlet(6)[3:7],
        [-0.048311742586, 0.491055941927, 0.787641141030, 0.337929421728],
        atol=1e-11,
    )


def test_the_bands_sum_to_the_identity_and_have_no_phase():
    bank = filter_bank()
    assert bank.shape == (4, 43)
    np.testing.assert_allclose(bank.sum(axis=0), np.eye(43)[21], atol=1e-15)
    np.testing.assert_allclose(bank, bank[:, ::-1], atol=1e-15)


@pytest.mark.parametrize("band", range(4))
def test_a_band_passes_the_middle_of_its_octave_and_the_others_hardly(band):
    angle = np.pi * (0.0 if band == 0 else 2.0 ** (band - 4) * 1.5)
    response = filter_bank() @ np.cos(angle * np.arange(-21, 22))
    assert response[band] > 0.65
    assert np.abs(np.delete(response, band)).max() < 0.35
