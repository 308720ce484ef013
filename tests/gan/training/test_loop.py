import json
import logging
import math

import numpy as np
import pytest
import torch
from safetensors.numpy import save
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from wunderkammer.gan.checkpoints.archive import Archive
from wunderkammer.gan.checkpoints.published import check_checkpoint, load_generator
from wunderkammer.gan.checkpoints.state import capture, restore
from wunderkammer.gan.params import HealthParams
from wunderkammer.gan.training import loop
from wunderkammer.gan.training.loader import TrainingImages
from wunderkammer.gan.training.loop import Surroundings, new_state, run_training
from wunderkammer.gan.training.methods import build
from wunderkammer.gan.training.methods.stylegan2 import StyleGan2Method
from wunderkammer.gan.training.step import train_step
from wunderkammer.storage.store import Store

CPU = torch.device("cpu")


class Watch:
    """Collects ticks; asks for a stop after `stop_after` steps."""

    def __init__(self, stop_after=None):
        self.reports = []
        self.left = stop_after

    def tick(self, report):
        self.reports.append(report)

    def should_stop(self):
        if self.left is None:
            return False
        self.left -= 1
        return self.left <= 0


@pytest.fixture
def run(tmp_path, pictures):
    def go(name, params, *, stop_after=None, tensorboard=None, start=None, score=None):
        watch = Watch(stop_after)
        around = Surroundings(
            archive=Archive(Store(str(tmp_path / name)), "run"),
            device=CPU,
            on_tick=watch.tick,
            should_stop=watch.should_stop,
            tensorboard=tensorboard,
            score=score,
        )
        outcome = run_training(TrainingImages.of(pictures), params, around=around, start=start)
        return outcome, watch

    return go


def without_times(facts):
    return [(tick.num_images, tick.measures) for tick in facts.ticks]


@pytest.mark.parametrize("stops", [[1], [2, 1, 4], [5]])
def test_a_training_stopped_at_any_step_ends_bit_for_bit_like_one_that_was_not(run, recipe, stops):
    straight, _ = run("straight", recipe())
    assert straight.is_complete
    for stop_after in stops:
        part, _ = run("stopped", recipe(), stop_after=stop_after)
        assert not part.is_complete
    resumed, _ = run("stopped", recipe())
    assert resumed.is_complete
    assert resumed.facts.digest == straight.facts.digest
    assert without_times(resumed.facts) == without_times(straight.facts)


def test_a_killed_training_goes_on_from_its_last_snapshot(run, recipe, monkeypatch):
    straight, _ = run("straight", recipe())

    class KilledError(BaseException):
        pass

    def die(report):
        if report.tick.num_images == 32:
            raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(Watch, "tick", lambda self, report: die(report))
        with pytest.raises(KilledError):
            run("killed", recipe())
    resumed, watch = run("killed", recipe())
    assert [report.tick.num_images for report in watch.reports] == [32, 48]
    assert resumed.facts.digest == straight.facts.digest


def test_a_seed_makes_a_training_its_own(run, recipe):
    digests = {
        run(f"seed {seed}, {again}", recipe(seed=seed, total_kimg=0.016))[0].facts.digest
        for seed in (0, 1)
        for again in (0, 1)
    }
    assert len(digests) == 2


def test_raising_the_total_goes_on_and_lowering_it_takes_an_earlier_checkpoint(run, recipe):
    run("raised", recipe(total_kimg=0.032))
    raised, watch = run("raised", recipe())
    straight, _ = run("straight", recipe())
    assert [report.tick.num_images for report in watch.reports] == [48]
    assert raised.facts.digest == straight.facts.digest
    lowered, watch = run("raised", recipe(total_kimg=0.016))
    assert lowered.facts.num_images == 16
    assert watch.reports == []


@pytest.mark.parametrize("num_steps", [2, 4])
def test_lowering_the_total_to_where_a_run_was_stopped_completes_it(
    run, recipe, tmp_path, num_steps
):
    kimg = num_steps * 4 / 1000
    run("lowered", recipe(snapshot_ticks=99), stop_after=num_steps)
    lowered, watch = run("lowered", recipe(total_kimg=kimg, tick_kimg=kimg))
    straight, _ = run("straight", recipe(total_kimg=kimg, tick_kimg=kimg))
    assert lowered.is_complete
    assert watch.reports == []
    assert lowered.facts.digest == straight.facts.digest
    assert without_times(lowered.facts) == without_times(straight.facts)
    assert Archive(Store(str(tmp_path / "lowered")), "run").has_grid(num_steps * 4)


def test_how_often_one_looks_does_not_shape_the_weights(run, recipe):
    often, _ = run("often", recipe(tick_kimg=0.004))
    seldom, watch = run("seldom", recipe(tick_kimg=0.02, snapshot_ticks=9, keep_last=1))
    assert often.facts.digest == seldom.facts.digest
    assert [report.tick.num_images for report in watch.reports] == [20, 40, 48]


def test_a_finished_training_run_again_does_nothing(run, recipe):
    first, _ = run("done", recipe())
    second, watch = run("done", recipe())
    assert second == first
    assert watch.reports == []


def test_ticks_tell_every_measure_and_snapshots_carry_a_small_grid(run, recipe):
    _, watch = run("ticks", recipe(snapshot_ticks=2))
    assert [report.tick.num_images for report in watch.reports] == [16, 32, 48]
    assert [report.grid_jpeg is not None for report in watch.reports] == [False, True, True]
    assert len(watch.reports[1].grid_jpeg) <= 200_000
    assert set(watch.reports[0].tick.measures) == {
        "loss/discriminator",
        "loss/generator",
        "loss/r1",
        "health/diversity",
        "health/unsound_losses",
        "scores/r1_penalty",
        "scores/fake_sign",
        "scores/real_sign",
    }
    assert all(math.isfinite(v) for v in watch.reports[0].tick.measures.values())
    assert "kimg" in watch.reports[0].line


def test_a_tick_without_an_r1_step_says_nothing_of_r1(run, recipe):
    _, watch = run("no r1", recipe(r1_gamma=0.0, total_kimg=0.016))
    assert "loss/r1" not in watch.reports[0].tick.measures


def spoil(monkeypatch, *, after):
    """Make the discriminator's loss unsound from image `after` on, once the rate is full."""
    sound = StyleGan2Method._discriminator_loss
    begin = StyleGan2Method.begin_step

    def note(self, num_images):
        self.num_images = num_images
        begin(self, num_images)

    def loss(self, batch):
        loss_N, rows = sound(self, batch)
        broken = self.num_images >= after and self.rate_scale == 1.0
        return (loss_N * math.nan if broken else loss_N), rows

    monkeypatch.setattr(StyleGan2Method, "begin_step", note)
    monkeypatch.setattr(StyleGan2Method, "_discriminator_loss", loss)


def test_an_unsound_loss_ends_the_training_at_the_tick_with_a_remedy(
    run, recipe, monkeypatch, tmp_path
):
    spoil(monkeypatch, after=20)
    with pytest.raises(FloatingPointError, match=r"unsound_losses.*lower the learning rate"):
        run("nan", recipe())
    assert Archive(Store(str(tmp_path / "nan")), "run").newest(at_most=48).facts.num_images == 16


def test_no_checkpoint_is_written_of_a_broken_state_in_the_middle_of_a_tick(
    run, recipe, monkeypatch, tmp_path
):
    spoil(monkeypatch, after=20)
    with pytest.raises(FloatingPointError):
        run("stopped", recipe(), stop_after=6)
    archive = Archive(Store(str(tmp_path / "stopped")), "run")
    assert archive.newest(at_most=48).facts.num_images == 16


def test_a_rollback_goes_on_from_the_last_healthy_checkpoint_with_a_smaller_step(
    run, recipe, monkeypatch, tmp_path
):
    spoil(monkeypatch, after=20)
    params = recipe(health=HealthParams(rollback=True, rate_factor=0.25))
    outcome, watch = run("rolled", params)
    assert outcome.is_complete
    assert [report.tick.num_images for report in watch.reports] == [16, 32, 48]
    (done,) = outcome.facts.interventions
    assert (done.num_images, done.back_to_images, done.rate_factor) == (32, 16, 0.25)
    assert "unsound" in done.reason
    run("stopped", params, stop_after=9)
    resumed, _ = run("stopped", params)
    assert resumed.facts.digest == outcome.facts.digest
    assert resumed.facts.interventions == outcome.facts.interventions


def test_without_a_healthy_checkpoint_a_broken_training_ends(run, recipe, monkeypatch):
    spoil(monkeypatch, after=0)
    with pytest.raises(FloatingPointError, match="no healthy checkpoint"):
        run("hopeless", recipe(health=HealthParams(rollback=True)))


def test_a_training_that_breaks_down_again_and_again_is_given_up(
    run, recipe, monkeypatch, tmp_path
):
    spoil(monkeypatch, after=20)
    health = HealthParams(rollback=True, rate_factor=1.0, max_rollbacks=2)
    with pytest.raises(FloatingPointError, match="unsound_losses"):
        run("again", recipe(health=health))
    saved = Archive(Store(str(tmp_path / "again")), "run").newest(at_most=48)
    assert saved.facts.num_images == 16
    assert len(saved.facts.interventions) == 2


def test_a_collapse_warns_and_with_rollback_goes_back(run, recipe, monkeypatch, caplog):
    """The images are alike from the third tick on, until the rate is lower."""
    real = loop._Run._extra_measures

    def measures(self):
        is_collapsed = self.state.num_images > 32 and self.state.method.rate_scale == 1.0
        return {**real(self), "health/diversity": 0.01 if is_collapsed else 0.9}

    monkeypatch.setattr(loop._Run, "_extra_measures", measures)
    run("warned", recipe(total_kimg=0.096, health=HealthParams(patience_ticks=2)))
    assert sum("repeats itself" in text for text in caplog.messages) == 3  # of 4 such ticks
    health = HealthParams(patience_ticks=2, rollback=True)
    outcome, watch = run("rolled back", recipe(total_kimg=0.096, health=health))
    assert [report.tick.num_images for report in watch.reports] == [16, 32, 48, 48, 64, 80, 96]
    assert [(i.num_images, i.back_to_images) for i in outcome.facts.interventions] == [(64, 32)]


def test_the_best_snapshot_is_kept_though_it_is_old(run, recipe, tmp_path):
    scores = iter([1.0, 3.0, 2.0])
    params = recipe(keep_last=1, keep_best=1)
    outcome, watch = run("best", params, score=lambda generator: next(scores))
    archive = Archive(Store(str(tmp_path / "best")), "run")
    assert archive.best(at_most=48).facts.num_images == 16
    assert archive.find(32) is None
    assert archive.newest(at_most=48).facts == outcome.facts
    shown = [report.tick.measures["distance/sliced_wasserstein"] for report in watch.reports]
    assert shown == [1.0, 3.0, 2.0]


def test_resuming_shows_no_point_twice_in_tensorboard(run, recipe, tmp_path):
    folder = tmp_path / "board"
    run("board", recipe(tick_kimg=0.008, snapshot_ticks=2), stop_after=7, tensorboard=folder)
    run("board", recipe(tick_kimg=0.008, snapshot_ticks=2), tensorboard=folder)
    steps, tags = points(folder)
    assert steps == [8, 16, 24, 32, 40, 48]
    assert tags == {"samples", "training images"}


def test_a_cleared_scratch_folder_gets_the_history_again(run, recipe, tmp_path):
    run("moved", recipe(), stop_after=9, tensorboard=tmp_path / "first")
    run("moved", recipe(), tensorboard=tmp_path / "second")
    assert points(tmp_path / "second")[0] == [16, 32, 48]


def points(folder):
    events = EventAccumulator(str(folder))
    events.Reload()
    steps = [event.step for event in events.Scalars("loss/generator")]
    return steps, set(events.Tags()["images"])


def test_the_weight_average_is_what_a_checkpoint_draws_with(recipe, pictures):
    params = recipe(total_kimg=0.016)
    state = new_state(TrainingImages.of(pictures), params, device=CPU)
    for _ in range(4):
        train_step(state)
    facts, tensors = capture(state)
    content = save_bytes(tensors)
    generator = load_generator(content, json.loads(facts.networks.model_dump_json()))
    z = torch.randn(2, generator.z_dim)
    assert not generator.training
    with torch.no_grad():
        assert torch.allclose(generator(z), state.method.average(z), atol=1e-6)
        assert not torch.allclose(generator(z), state.method.generator(z), atol=1e-3)


def save_bytes(tensors):
    return save({name: np.asarray(array, order="C") for name, array in tensors.items()})


def test_a_checkpoint_of_other_networks_is_refused(run, recipe, pictures, tmp_path):
    run("other", recipe(total_kimg=0.016))
    saved = Archive(Store(str(tmp_path / "other")), "run").newest(at_most=16)
    state = new_state(TrainingImages.of(pictures), recipe(network="small"), device=CPU)
    with pytest.raises(ValueError, match="remove run/checkpoints"):
        restore(state, saved)


def test_another_kind_of_device_seeds_the_noise_anew_and_says_so(
    run, recipe, pictures, tmp_path, caplog
):
    run("device", recipe(total_kimg=0.016))
    saved = Archive(Store(str(tmp_path / "device")), "run").newest(at_most=16)
    moved = type(saved)(saved.facts.model_copy(update={"device": "cuda"}), saved.content)
    streams = []
    for checkpoint in (saved, moved, moved):
        state = new_state(TrainingImages.of(pictures), recipe(), device=CPU)
        with caplog.at_level(logging.WARNING):
            restore(state, checkpoint)
        streams.append(torch.randn(3, generator=state.random).tolist())
    assert streams[0] != streams[1] == streams[2]
    assert "was on cuda" in caplog.text


def test_a_sound_checkpoint_passes_and_broken_ones_are_told_apart(recipe, pictures):
    params = recipe()
    state = new_state(TrainingImages.of(pictures), params, device=CPU)
    train_step(state)
    facts, tensors = capture(state)
    config = json.loads(facts.networks.model_dump_json())

    def verdict(**changes):
        return check_checkpoint(save_bytes({**tensors, **changes}), config, pictures[:4])

    assert verdict() is None
    bias = np.full_like(tensors["average.synthesis.to_image.bias"], np.nan)
    assert "not finite" in verdict(**{"average.synthesis.to_image.bias": bias})
    bias = np.full_like(tensors["discriminator.score.bias"], np.inf)
    assert "loss is inf" in verdict(**{"discriminator.score.bias": bias})
    assert "does not load" in verdict(**{"average.synthesis.to_image.bias": np.zeros(7, "f4")})


def test_the_loop_leaves_the_global_settings_of_torch_as_they_were(run, recipe):
    torch.manual_seed(7)
    wanted = torch.randn(2)
    torch.manual_seed(7)
    run("global", recipe(total_kimg=0.016))
    assert torch.equal(torch.randn(2), wanted)
    assert not torch.are_deterministic_algorithms_enabled()


@pytest.mark.parametrize(
    ("network", "is_fast", "expected"),
    [
        ("small", True, torch.bfloat16),
        ("small", False, None),
        ("tiny", True, None),
    ],
)
def test_precision_auto_is_16_bits_where_they_are_fast_and_layers_are_long(
    recipe, monkeypatch, network, is_fast, expected
):
    monkeypatch.setattr(build, "has_fast_bfloat16", lambda device: is_fast)
    assert build.precision(recipe(network=network), CPU) == expected


def test_float16_on_a_cpu_is_refused_with_the_remedy(recipe):
    with pytest.raises(ValueError, match="bfloat16, float32 or auto"):
        build.precision(recipe(precision="float16"), CPU)
