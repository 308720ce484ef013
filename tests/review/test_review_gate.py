import pyarrow as pa
import pytest
from review_decisions import decision
from review_kit import SUBJECT

from wunderkammer.review.crop_table import WINDOW, CropTable
from wunderkammer.review.gate import ReviewNeededError, check_sample, sample_rows, sample_state
from wunderkammer.review.params import ReviewParams


def crops_of(pictures, windows=None):
    edges = windows or [(0, 0, 50, 50)] * len(pictures)
    columns = dict(zip(WINDOW, zip(*edges, strict=True), strict=True))
    return CropTable("v", pa.table({"sha256": pictures, **columns}))


def sampled(crops, **params):
    rows = sample_rows(crops, ReviewParams(gate="sample", **params))
    return {crops.column("sha256")[row] for row in rows}


def params(**changes):
    return ReviewParams(gate="sample", **changes)


def test_only_the_gate_sample_draws_one():
    crops = crops_of(["a", "b"])
    assert sample_rows(crops, ReviewParams(gate="all")) == []
    assert sample_rows(crops, ReviewParams(gate="none")) == []
    assert sample_rows(crops, params(sample_size=9)) == [0, 1]


def test_another_order_of_the_crops_draws_the_same_sample():
    pictures = [f"picture {n}" for n in range(50)]
    drawn = sampled(crops_of(pictures), sample_size=10)
    assert len(drawn) == 10
    assert sampled(crops_of(pictures[::-1]), sample_size=10) == drawn
    assert sampled(crops_of(pictures), sample_size=10, seed=1) != drawn


def test_a_larger_sample_holds_the_smaller_one():
    crops = crops_of([f"picture {n}" for n in range(50)])
    assert sampled(crops, sample_size=10) < sampled(crops, sample_size=20)


def test_new_pictures_displace_no_more_of_the_sample_than_there_are():
    pictures = [f"picture {n}" for n in range(50)]
    before = sampled(crops_of(pictures), sample_size=20)
    after = sampled(crops_of([*pictures, "new 1", "new 2"]), sample_size=20)
    assert len(before - after) <= 2


def test_windows_that_move_leave_the_sample_as_it_is():
    pictures = ["two"] * 2 + [f"picture {n}" for n in range(20)]
    windows = [(0, 0, 40, 40), (60, 0, 100, 40)] + [(0, 0, 50, 50)] * 20
    moved = [(x0 + 2, y0, x1 + 2, y1) for x0, y0, x1, y1 in windows]
    before = sample_rows(crops_of(pictures, windows), params(sample_size=8))
    assert sample_rows(crops_of(pictures, moved), params(sample_size=8)) == before


def test_every_crop_is_drawn_about_as_often():
    crops = crops_of([f"picture {n}" for n in range(40)])
    counts = [0] * 40
    for seed in range(400):
        for row in sample_rows(crops, params(sample_size=10, seed=seed)):
            counts[row] += 1
    # Binomial(400, 1/4): five standard deviations are 43.
    assert min(counts) >= 57
    assert max(counts) <= 143


def test_a_sample_that_is_not_decided_stops_with_what_to_run():
    decisions = [decision(), None, None]
    with pytest.raises(ReviewNeededError, match=r"2 of the 3 .* wunderkammer review quilt"):
        check_sample([0, 1, 2], decisions, subject=SUBJECT, params=params())


def test_a_sample_of_which_too_little_is_accepted_stops_with_the_reasons():
    decisions = [decision(), decision("reject", reason="blurred"), decision("reject")]
    with pytest.raises(ReviewNeededError) as stopped:
        check_sample([0, 1, 2], decisions, subject=SUBJECT, params=params(min_accept_rate=0.5))
    assert "33.3%, below review.min_accept_rate 50.0%" in str(stopped.value)
    assert "rejected: 1 blurred, 1 no reason" in str(stopped.value)


def test_a_sample_at_the_very_rate_passes():
    decisions = [decision(), decision("reject")]
    state = check_sample([0, 1], decisions, subject=SUBJECT, params=params(min_accept_rate=0.5))
    assert state.accept_rate == 0.5
    assert sample_state([], decisions).accept_rate == 0.0
