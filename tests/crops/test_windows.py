import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wunderkammer.crops.centre import centre_candidates, centre_cuts, size_cut
from wunderkammer.crops.cuts import judge
from wunderkammer.crops.params import SquareParams, WholeParams
from wunderkammer.crops.proposals import with_sizes
from wunderkammer.crops.windows import centre_squares

SIDES = st.integers(1, 100_000)


def verdicts_of(widths, heights, params):
    table = with_sizes(centre_candidates(np.array(widths), np.array(heights)))
    return judge(table, [size_cut(params), *centre_cuts(params)])


def judged(width, height, params):
    verdicts = verdicts_of([width], [height], params)
    return (
        verdicts.reason[0].as_py(),
        verdicts.measured[0].as_py(),
        verdicts.limit[0].as_py(),
        verdicts.detail[0].as_py(),
    )


@given(SIDES, SIDES)
def test_a_window_is_the_largest_square_inside_the_picture_and_centred(width, height):
    window = centre_squares(np.array([width]), np.array([height]))
    x0, y0, x1, y1 = (int(edge[0]) for edge in (window.x0, window.y0, window.x1, window.y1))
    assert x1 - x0 == y1 - y0 == min(width, height)
    assert min(x0, y0) >= 0
    assert (x1 <= width, y1 <= height) == (True, True)
    assert 0 <= (width - x1) - x0 <= 1
    assert 0 <= (height - y1) - y0 <= 1


@given(SIDES, SIDES, st.floats(1, 8), st.floats(1, 5), st.integers(8, 4096))
def test_a_passing_picture_is_never_enlarged_nor_elongated_beyond_the_limits(
    width, height, max_upsample, max_aspect, size_px
):
    params = WholeParams(
        kind="whole", size_px=size_px, max_upsample=max_upsample, max_aspect=max_aspect
    )
    reason, measured, limit, _ = judged(width, height, params)
    short, long = sorted((width, height))
    if reason is None:
        assert (measured, limit) == (None, None)
        assert short * max_upsample >= size_px - 1e-5
        assert long <= max_aspect * short * (1 + 1e-12)
    elif reason == "too_small":
        assert measured == short < limit
        assert short * max_upsample < size_px
    else:
        assert reason == "too_elongated"
        assert measured == pytest.approx(long / short)
        assert measured > limit == max_aspect


@pytest.mark.parametrize(("side_px", "reason"), [(199, "too_small"), (200, None), (201, None)])
def test_a_square_of_exactly_the_minimum_passes(side_px, reason):
    params = SquareParams(kind="square", min_side_px=200, size_px=64)
    assert judged(side_px, 300, params)[0] == reason


def test_the_stricter_of_two_size_limits_is_named():
    by_side = SquareParams(kind="square", min_side_px=200, size_px=64)
    by_size = SquareParams(kind="square", min_side_px=20, size_px=64, max_upsample=2.0)
    assert judged(100, 100, by_side)[1:3] == (100.0, 200.0)
    assert "filter.min_side_px" in judged(100, 100, by_side)[3]
    assert judged(31, 40, by_size)[1:3] == (31.0, 32.0)
    assert "filter.size_px" in judged(31, 40, by_size)[3]


def test_rounding_costs_no_pixel():
    params = WholeParams(kind="whole", size_px=256, max_upsample=1.28)
    assert size_cut(params).limit == 200


def test_pictures_are_judged_in_columns():
    params = WholeParams(kind="whole", size_px=10, max_aspect=2.0)
    verdicts = verdicts_of([5, 40, 10, 21], [50, 10, 20, 10], params)
    assert verdicts.reason.to_pylist() == ["too_small", "too_elongated", None, "too_elongated"]
    assert verdicts.measured.to_pylist() == [5.0, 4.0, None, 2.1]
