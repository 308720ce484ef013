import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wunderkammer.gan.objectives.schedules import cosine, heuristic_gamma


def test_the_cosine_starts_at_the_first_value_and_stays_at_the_last():
    def at(num_images):
        return cosine(150.0, 15.0, num_images=num_images, over_images=1000)

    assert at(0) == 150.0
    assert at(500) == pytest.approx(82.5)
    assert at(250) == pytest.approx(15.0 + 135.0 * (1 + 0.5**0.5) / 2)
    assert at(1000) == at(10**9) == 15.0


@given(st.floats(0, 2000), st.floats(0, 2000))
def test_the_cosine_never_turns_back(one, other):
    early, late = sorted((one, other))
    values = [cosine(0.9, 0.99, num_images=n, over_images=1000) for n in (early, late)]
    assert values[0] <= values[1] + 1e-12


@pytest.mark.parametrize(
    ("resolution_px", "batch_size", "gamma"),
    [(64, 32, 0.0256), (128, 32, 0.1024), (256, 16, 0.8192), (512, 8, 6.5536), (1024, 4, 52.4288)],
)
def test_gamma_grows_with_the_pixels_and_falls_with_the_batch(resolution_px, batch_size, gamma):
    found = heuristic_gamma(resolution_px=resolution_px, batch_size=batch_size)
    assert found == pytest.approx(gamma)


def test_the_schedules_do_not_load_torch():
    code = "import sys, wunderkammer.gan.objectives.schedules; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
