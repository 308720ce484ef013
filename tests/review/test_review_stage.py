import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from recipes import subject
from review_decisions import decision
from review_kit import SUBJECT, WEIGHTS, decide, fill, session, wish
from segmenter_samples import bright_segmenter

from wunderkammer.build import StageInputs
from wunderkammer.manifests import kept
from wunderkammer.review.gate import ReviewNeededError
from wunderkammer.review.journal import Journal
from wunderkammer.review.stage import review_crops
from wunderkammer.stages import FILTERED_CROPS
from wunderkammer.storage.blobs import Blobs
from wunderkammer.storage.store import Store

NUM_CROPS = 6
WINDOW = {"x0": 20.0, "y0": 20.0, "x1": 84.0, "y1": 84.0}


@pytest.fixture
def store(tmp_path):
    store = Store(str(tmp_path))
    fill(store, NUM_CROPS)
    return store


@pytest.fixture(autouse=True)
def _in_this_process(monkeypatch):
    """Crops are cut without worker processes, whose start takes seconds."""

    def here(fn, items, *, workers):
        yield [(item, fn(item)) for item in items]

    monkeypatch.setattr("wunderkammer.ledger_map.guarded_map", here)


def build(store, *, folder=None, **changes):
    """The draft of the stage by a recipe with these settings."""
    recipe = subject(SUBJECT, filter__size_px=32, filter__min_side_px=20, **changes)
    recipe = replace(recipe, folder=folder or recipe.folder)
    inputs = StageInputs(recipe, store, {}, "fingerprint")
    current = inputs.versions.current(SUBJECT, FILTERED_CROPS.name)
    return review_crops(StageInputs(recipe, store, {FILTERED_CROPS.name: current}, "fingerprint"))


def reviews(draft):
    return draft.manifest["review"].to_pylist()


def test_without_a_gate_all_crops_go_on_but_those_that_a_person_rejected(store):
    assert build(store).manifest["decision"].to_pylist() == ["kept"] * NUM_CROPS
    decide(session(store), wish(0), wish(1, "reject", reason="blurred"), wish(2, "reject"))
    draft = build(store)
    assert reviews(draft) == ["accepted", "rejected", "rejected", *["undecided"] * 3]
    assert draft.summary.num_out == 4
    assert draft.summary.rejections == {"rejected_by_person: blurred": 1, "rejected_by_person": 1}
    assert draft.summary.measures["accept_rate"] == 0.3333


def test_the_manifest_says_who_proposed_and_who_approved_each_crop(store):
    decide(session(store, reviewer="bob"), wish(3))
    row = build(store).manifest.to_pylist()[3]
    assert (row["proposed_by"], row["reviewer"], row["review"]) == (WEIGHTS, "bob", "accepted")
    assert row["reviewed_at"].startswith("20")
    assert "author" not in row


def test_of_all_only_what_is_accepted_goes_on(store):
    with pytest.raises(ReviewNeededError, match=r"6 not_reviewed.*wunderkammer review quilt"):
        build(store, review__gate="all")
    decide(session(store), wish(0), wish(1, "reject"))
    draft = build(store, review__gate="all")
    assert draft.summary.num_out == 1
    assert draft.summary.rejections == {"not_reviewed": 4, "rejected_by_person": 1}


def test_a_sample_must_be_decided_before_the_rest_goes_on(store):
    gate = {"review__gate": "sample", "review__sample_size": 2, "review__min_accept_rate": 0.5}
    with pytest.raises(ReviewNeededError, match="2 of the 2 crops sampled"):
        build(store, **gate)
    ann = session(store, gate="sample", sample_size=2)
    first, second = ann.deck().sample
    decide(ann, wish(first))
    with pytest.raises(ReviewNeededError, match="1 of the 2 crops sampled"):
        build(store, **gate)
    decide(ann, wish(second, "reject"))
    draft = build(store, **gate)
    assert draft.summary.num_out == NUM_CROPS - 1
    assert draft.manifest["in_sample"].to_pylist().count(True) == 2
    with pytest.raises(ReviewNeededError, match=r"50\.0%, below review\.min_accept_rate 75\.0%"):
        build(store, **{**gate, "review__min_accept_rate": 0.75})


def test_a_corrected_window_is_cut_anew_and_the_others_are_left_alone(store):
    before = build(store)
    decide(session(store), wish(2, window=WINDOW))
    draft = build(store)
    row = draft.manifest.to_pylist()[2]
    assert row["review"] == "corrected"
    assert [row[f"box_{edge}"] for edge in ("x0", "y0", "x1", "y1")] == [20, 20, 84, 84]
    assert row["decision"] == "kept"
    blobs = Blobs(store)
    crop = np.asarray(Image.open(io.BytesIO(blobs.get(row["crop_sha256"]))))
    whole = Image.open(io.BytesIO(blobs.get(row["sha256"]))).crop((20, 20, 84, 84))
    expected = np.asarray(whole.resize((32, 32), Image.Resampling.LANCZOS))
    assert crop.shape == (32, 32, 3)
    assert np.abs(crop.astype(int) - expected.astype(int)).mean() < 4
    others = [0, 1, 3, 4, 5]
    assert draft.manifest.select(["crop_sha256", "sharpness"]).take(others) == (
        before.manifest.select(["crop_sha256", "sharpness"]).take(others)
    )
    assert draft.data_version != before.data_version


def test_a_corrected_window_of_a_padded_page_keeps_the_share_that_is_padding(store):
    shown = {"shown_width": [40] * NUM_CROPS, "shown_height": [60] * NUM_CROPS}
    fill(store, NUM_CROPS, **shown)
    decide(session(store), wish(2, window=WINDOW))
    row = build(store, filter__background=(255, 0, 255)).manifest.to_pylist()[2]
    assert (row["shown_width"], row["shown_height"]) == (43, 64)
    crop_HWC = np.asarray(Image.open(io.BytesIO(Blobs(store).get(row["crop_sha256"]))), float)
    # 43 of 64 px are shown: 5 of 32 columns at each side are the background.
    is_padding_HW = np.abs(crop_HWC - [255, 0, 255]).max(axis=2) < 40
    assert is_padding_HW[:, [0, 3, -4, -1]].all()
    assert not is_padding_HW[:, 7:-7].any()


def test_a_corrected_object_alone_cuts_nothing_anew(store):
    before = build(store)
    decide(session(store), wish(2, object_box=WINDOW))
    draft = build(store)
    assert reviews(draft)[2] == "corrected"
    assert draft.manifest["crop_sha256"] == before.manifest["crop_sha256"]


def test_a_corrected_crop_is_masked_like_the_others(store, tmp_path):
    bright_segmenter(tmp_path / "bright.onnx")
    mask = {"model": "bright.onnx", "preset": "plain", "colour": (0, 0, 255), "max_area": 1.0}
    decide(session(store), wish(2, window=WINDOW))
    plain = build(store).manifest.to_pylist()[2]
    row = build(store, folder=tmp_path, filter__mask=mask).manifest.to_pylist()[2]
    assert row["crop_sha256"] != plain["crop_sha256"]
    assert Image.open(io.BytesIO(Blobs(store).get(row["mask_sha256"]))).size == (32, 32)


def test_a_window_too_small_for_the_crop_is_rejected_with_the_limit(store):
    decide(session(store), wish(2, window={"x0": 20, "y0": 20, "x1": 40, "y1": 40}))
    draft = build(store)
    row = draft.manifest.to_pylist()[2]
    assert (row["decision"], row["reason"]) == ("rejected", "too_small")
    assert (row["measured"], row["limit"]) == (20.0, 32.0)


def test_a_picture_that_cannot_be_cut_anew_is_rejected_with_the_reason(store):
    deck = session(store).deck()
    about = deck.crops.proposal(2).model_copy(update={"width": 999})
    Journal(store, SUBJECT).append([decision(about=about, window=about.object_box)])
    row = build(store).manifest.to_pylist()[2]
    assert (row["decision"], row["reason"]) == ("rejected", "size_changed")


def test_equal_decisions_give_an_equal_data_version_and_an_undo_the_one_before(store):
    ann = session(store)
    before = build(store).data_version
    rejected = wish(0, "reject")
    decide(ann, rejected)
    after = build(store).data_version
    assert after != before
    assert build(store).data_version == after
    decide(ann, wish(0, "undo", undoes=rejected["id"]))
    assert build(store).data_version == before


def test_contact_sheets_show_what_went_on_and_what_was_held_back(store):
    decide(session(store), wish(0), wish(1, "reject", reason="several"))
    files = build(store).files
    assert all(files[name][:2] == b"\xff\xd8" for name in ("kept.jpg", "rejected.jpg"))
    assert kept(build(store).manifest).num_rows == 5
