"""The training itself, for real, on squares of 64 px."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch
from training_kit import TINY, TWO_HEADS, squares, stops_after, work

from wunderkammer.detect.detector_file import write_detector
from wunderkammer.detect.training import yolo
from wunderkammer.detect.training.evaluate import evaluate
from wunderkammer.detect.training.state import STATE_FILE, read_state
from wunderkammer.detect.training.yolo import StoppedError, default_learning_rate, train
from wunderkammer.storage.store import Store


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Ten epochs on 48 squares, and the store with those that were held out."""
    root = tmp_path_factory.mktemp("trained")
    store = Store(str(root / "data"))
    job, epochs = work(store, root / "run", num=48, epochs=10)
    return train(job), epochs, store


def examine(detector, store, seeds=range(1000, 1008)):
    return evaluate(
        detector,
        squares(store, seeds),
        store=store,
        image_size_px=64,
        batch_size=4,
        device=torch.device("cpu"),
    )


@pytest.mark.slow
def test_a_detector_learns_squares_that_it_has_never_seen(trained):
    done, _, store = trained
    found = examine(done.detector, store, range(2000, 2024))
    assert found.map50 > 0.7
    assert found.classes["square"].num_boxes == 24
    assert 0 < found.map50_95 < found.map50
    untrained = {name: np.zeros_like(array) for name, array in done.detector.tensors.items()}
    assert examine(replace(done.detector, tensors=untrained), store).map50 < 0.1


@pytest.mark.slow
def test_its_course_is_told_epoch_by_epoch(trained):
    done, epochs, _ = trained
    assert epochs == done.history
    assert [epoch["epoch"] for epoch in epochs] == list(range(1, 11))
    assert epochs[-1]["train/box_loss"] < epochs[0]["train/box_loss"]
    best = max(epochs, key=lambda epoch: (epoch["mAP50-95"], epoch["epoch"]))
    assert done.best_epoch == best["epoch"]
    assert {"mAP50", "precision", "recall", "val/cls_loss"} <= set(epochs[0])


@pytest.mark.slow
@pytest.mark.parametrize("architecture", [TINY, TWO_HEADS], ids=["one head", "two heads"])
def test_a_training_that_was_stopped_twice_ends_with_the_same_bits(architecture, store, tmp_path):
    job, _ = work(store, tmp_path / "whole", architecture=architecture)
    whole = train(job)
    for num_batches in (3, 1):  # of 2 an epoch: within the second epoch, then at its beginning
        stop = stops_after(num_batches)
        job, _ = work(store, tmp_path / "cut", architecture=architecture, should_stop=stop)
        with pytest.raises(StoppedError, match="stopped in epoch 2; the epochs before it are kept"):
            train(job)
    job, epochs = work(store, tmp_path / "cut", architecture=architecture)
    resumed = train(job)
    assert write_detector(resumed.detector) == write_detector(whole.detector)
    assert resumed.history == whole.history
    assert [epoch["epoch"] for epoch in epochs] == [2, 3]


@pytest.mark.slow
def test_a_finished_training_is_not_repeated_and_a_damaged_state_begins_anew(
    store, tmp_path, monkeypatch
):
    job, _ = work(store, tmp_path / "run", epochs=1)
    first = train(job)
    monkeypatch.setattr(yolo, "training_class", lambda: pytest.fail("trained again"))
    assert train(job).history == first.history
    monkeypatch.undo()
    state = tmp_path / "run" / STATE_FILE
    state.write_bytes(state.read_bytes()[:1000])
    assert read_state(tmp_path / "run") is None
    assert train(job).history == first.history


@pytest.mark.slow
def test_weights_to_start_from_are_taken_over_where_they_fit(trained, store, tmp_path):
    done, _, _ = trained
    job, fresh = work(store, tmp_path / "fresh", epochs=1)
    train(job)
    job, started = work(store, tmp_path / "started", epochs=1, start=done.detector)
    train(job)
    assert started[0]["mAP50"] > fresh[0]["mAP50"] + 0.3


@pytest.mark.slow
def test_a_training_ends_when_so_many_epochs_brought_nothing_better(
    trained, store, tmp_path, monkeypatch
):
    settings = {"epochs": 9, "patience": 2, "learning_rate": 1e-9, "start": trained[0].detector}
    job, epochs = work(store, tmp_path / "run", **settings)
    done = train(job)
    fitness = [epoch["mAP50-95"] for epoch in epochs]
    best = fitness.index(max(fitness)) + 1
    assert len(epochs) == min(best + 2, 9)
    monkeypatch.setattr(yolo, "training_class", lambda: pytest.fail("went on"))
    assert train(job).history == done.history


@pytest.mark.slow
def test_a_loss_that_is_no_number_ends_the_training_with_a_remedy(store, tmp_path, monkeypatch):
    job, _ = work(store, tmp_path / "run", epochs=2)
    monkeypatch.setattr(
        yolo.ResumableTraining, "_look_for_stop", lambda self: self.loss.data.fill_(float("nan"))
    )
    with pytest.raises(FloatingPointError, match=r"epoch 1: .*lower detector\.learning_rate"):
        train(job)


def test_the_learning_rate_falls_with_the_number_of_classes():
    assert default_learning_rate(1) == 0.002
    assert default_learning_rate(6) == 0.001


def test_pictures_can_be_handed_to_the_processes_that_prepare_them_for_a_gpu(store, tmp_path):
    job, _ = work(store, tmp_path / "run", num=4)
    training = yolo.training_class()(job, None)
    pictures = training.build_dataset("train", mode="train", batch=2)
    copy = pickle.loads(pickle.dumps(pictures))
    assert copy.im_files == pictures.im_files
    assert copy[0]["img"].shape == (3, 64, 64)
    assert type(copy) is yolo.pictures_class()
