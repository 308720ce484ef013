import io

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure
from PIL import Image

from wunderkammer.manifests import RAW
from wunderkammer.sources.growth_plot import MAX_POINTS, cumulated, growth_plot

SECONDS = st.lists(st.integers(0, 10**7), min_size=1, max_size=900)


def collection(*rows: tuple[str | None, str]) -> pa.Table:
    plain = [{"source": source, "fetched_at": at, "decision": "kept"} for source, at in rows]
    return pa.Table.from_pylist(plain, schema=RAW)


@pytest.fixture
def curves(monkeypatch):
    """Draws, and tells each curve's last count and its name."""

    def draw(table: pa.Table) -> dict[str, list[float]]:
        kept: list[Figure] = []
        save = Figure.savefig
        monkeypatch.setattr(
            Figure, "savefig", lambda self, *a, **k: (kept.append(self), save(self, *a, **k))
        )
        with Image.open(io.BytesIO(growth_plot(table, kind="folder"))) as image:
            assert image.format == "PNG"
            assert image.size == (680, 300)
        (axes,) = kept[-1].axes
        return {line.get_label(): list(line.get_ydata()) for line in axes.lines}

    return draw


def test_each_source_grows_in_its_own_curve_up_to_the_last_moment(curves):
    found = curves(
        collection(
            ("met", "2026-11-20T03:00:00+00:00"),
            (None, "2026-11-20T03:00:00+00:00"),
            ("met", "2026-11-21T03:00:00+00:00"),
            ("met", "2026-11-21T03:00:00+00:00"),
        )
    )
    assert found == {"met: 3": [1, 3, 3], "folder: 1": [1, 1]}


def test_one_moment_and_no_picture_are_drawn_without_complaint(curves):
    assert curves(collection(("met", "2026-11-20T03:00:00+00:00"))) == {"met: 1": [1, 1]}
    assert curves(collection()) == {}


def test_what_a_source_is_called_is_no_formula_and_hides_nothing(curves):
    at = "2026-11-20T03:00:00+00:00"
    assert list(curves(collection(("_a $x$ b", at), ("$", at)))) == ["\\$: 1", "a \\$x\\$ b: 1"]


def test_many_sources_share_a_curve(curves):
    rows = [(f"s{k}", "2026-11-20T03:00:00+00:00") for k in range(20)]
    assert "all others: 12" in curves(collection(*rows))


@given(SECONDS)
def test_a_thinned_curve_still_tells_the_truth(seconds):
    times = np.array(seconds, "datetime64[s]")
    points, counts = cumulated(times)
    assert len(points) <= MAX_POINTS
    assert counts[-1] == len(seconds)
    for point, count in zip(points[::7], counts[::7], strict=True):
        assert count == (times <= point).sum()
