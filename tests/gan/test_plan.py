import gc

import pytest
import torch
from pydantic import TypeAdapter

from wunderkammer.gan import device as device_module
from wunderkammer.gan.device import DeviceFacts, device_facts
from wunderkammer.gan.flops import image_flops
from wunderkammer.gan.networks.build import build_networks
from wunderkammer.gan.params import TrainParams
from wunderkammer.gan.plan import plan, starting_lines
from wunderkammer.gan.rehearsal import LiveMemory, rehearse
from wunderkammer.gan.settings import network_params

TRAIN = TypeAdapter(TrainParams)
PICTURE = {"resolution_px": 16, "channels": 3}
CPU = DeviceFacts(name="a CPU", kind="cpu", memory_bytes=2**33, flops_per_s=1e12)


def section(kind="stylegan2", **settings):
    if kind != "progressive":
        settings.setdefault("total_kimg", 25600)
    settings.setdefault("network", "tiny")
    return TRAIN.validate_python({"kind": kind, **settings}, strict=True)


def planned(train, *, device=CPU, num_images=4000, resolution_px=16, **changes):
    settings = {"channels": 3, "num_images": num_images, "device": device, **changes}
    return plan(train, resolution_px=resolution_px, **settings)


def value(made, name):
    (choice,) = [choice for choice in made.choices if choice.name == name]
    return choice


def test_memory_that_is_alive_is_counted_and_its_peak_kept():
    with LiveMemory() as memory:
        a = torch.zeros(1000)
        b = a + 1
        assert (memory.live, memory.peak) == (8000, 8000)
        del a
        gc.collect()
        assert (memory.live, memory.peak) == (4000, 8000)
        view = b.view(10, 100)
        assert memory.live == 4000
        del b
        assert memory.live == 4000
        del view
        assert memory.live == 0


def test_what_a_rehearsal_counts_on_no_device_is_what_a_cpu_holds():
    def step(device):
        with torch.device(device):
            layer = torch.nn.Conv2d(3, 8, 3)
            with LiveMemory() as memory:
                x = torch.ones(2, 3, 16, 16)
                y = torch.nn.functional.leaky_relu(layer(x)).square().sum()
                y.backward()
        return memory.peak

    assert step("meta") == step("cpu") > 2 * 8 * 14 * 14 * 4


@pytest.mark.parametrize(
    ("kind", "name"), [("stylegan2", "tiny"), ("progressive", "tiny"), ("r3gan", "tiny")]
)
def test_a_rehearsal_knows_the_weights_and_holds_less_with_fewer_samples(kind, name):
    train = section(kind, network=name, batch_size=16)
    whole = rehearse(train, **PICTURE, num_labels=0)
    part = rehearse(train, **PICTURE, num_labels=0, num_samples=4)
    net = network_params(train, **PICTURE, num_labels=0)
    counts = [sum(p.numel() for p in network.parameters()) for network in build_networks(net)]
    assert [whole.num_generator_weights, whole.num_discriminator_weights] == counts
    assert whole.state_bytes == 4 * (4 * counts[0] + 3 * counts[1])
    assert whole.step_bytes > 2 * part.step_bytes
    assert whole.peak_bytes == whole.state_bytes + whole.step_bytes


def test_the_augmented_and_conditional_are_rehearsed_too_and_16_bits_hold_less():
    train = section(augment={"kind": "ada"}, conditional=True, batch_size=8, r2_gamma=1.0)
    plain = rehearse(train, **PICTURE, num_labels=3)
    short = train.model_copy(update={"precision": "bfloat16"})
    assert plain.step_bytes > rehearse(short, **PICTURE, num_labels=3).step_bytes


def test_a_dcgan_is_rehearsed_whole():
    whole = rehearse(section("dcgan", network="sane"), **PICTURE, num_labels=0)
    assert (whole.num_samples, whole.smallest_part) == (128, 0)


def test_a_plan_names_where_each_number_comes_from():
    made = planned(section(network="auto", learning_rate=0.01), resolution_px=64)
    assert str(value(made, "batch")) == "batch: 32 (preset 'auto')"
    assert str(value(made, "learning rate")) == "learning rate: 0.01 (train.learning_rate)"
    assert str(value(made, "R1 gamma")) == "R1 gamma: 0.0256 (0.0002 · 64² / 32; every 16)"
    assert value(made, "length").reason.endswith("; each picture 6,400 times")
    assert value(made, "snapshots").value == "every 40 kimg"
    assert value(made, "memory").reason.startswith("forecast")
    assert value(made, "disk").reason.startswith("forecast; 5 checkpoints of")


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({}, "none"),
        ({"augment": {"kind": "ada"}}, "ada: bgc; target 0.6"),
        (
            {"augment": {"kind": "fixed", "p": 0.3, "transforms": ["hue", "noise"]}},
            "fixed: hue, noise; p 0.3",
        ),
        ({"augment": {"kind": "diffaugment"}}, "diffaugment: color, translation, cutout"),
    ],
)
def test_a_plan_tells_what_the_augmentation_does(settings, told):
    assert value(planned(section(**settings), is_rehearsed=False), "augmentation").value == told


def test_a_plan_tells_what_is_held_out_and_what_is_not_known_yet():
    train = section(held_out=0.05)
    unknown = planned(train, num_images=None, is_rehearsed=False)
    told = "pictures: not known yet (told once deduped_shards is built)"
    assert str(value(unknown, "pictures")) == told
    assert value(unknown, "held out").value == "0.05 of all, 1,000 pictures at most"
    known = planned(train, num_images=3800, num_held_out=200, is_rehearsed=False)
    assert value(known, "held out").value == "200 more pictures"
    assert value(planned(section(), is_rehearsed=False), "held out").value == "none"


@pytest.mark.parametrize(
    ("total_kimg", "told"),
    [
        (1, "not every picture is shown"),
        (4, "each picture once"),
        (6.4, "each picture 2 times"),
    ],
)
def test_a_short_training_shows_few_pictures_and_has_a_snapshot_at_its_end(total_kimg, told):
    made = planned(section(total_kimg=total_kimg), is_rehearsed=False)
    assert value(made, "length").reason.endswith(f"; {told}")
    assert value(made, "snapshots").value == "one, at the end"


def test_the_time_is_the_compute_over_what_the_device_was_measured_at():
    train = section()
    made = planned(train)
    flops = image_flops(train, **PICTURE, num_labels=0)
    assert made.s_per_kimg == pytest.approx(1000 * flops / 1e12)
    assert value(made, "time").reason == "forecast; 1,000 GFLOP/s measured on a CPU"
    unmeasured = planned(train, device=DeviceFacts("a CPU", "cpu", 2**33))
    assert unmeasured.s_per_kimg is None
    assert value(unmeasured, "time").value == "told with the first tick"


def test_a_batch_too_large_for_the_memory_is_split_into_whole_groups():
    train = section(batch_size=32)
    small = rehearse(train, **PICTURE, num_labels=0, num_samples=8)
    device = DeviceFacts("small", "cpu", int(small.peak_bytes / 0.89))
    made = planned(train, device=device)
    assert made.micro_batch == 8
    assert str(value(made, "micro-batch")) == "micro-batch: 8 (what fits; the result is the same)"
    assert made.peak_bytes == small.peak_bytes
    assert planned(train).micro_batch == 32


@pytest.mark.parametrize(
    ("train", "remedy"),
    [
        (section(batch_size=32), "set train.micro_batch"),
        (section("dcgan", network="sane"), "lower train.batch_size"),
    ],
)
def test_what_does_not_fit_at_all_is_said_with_the_remedy(train, remedy):
    made = planned(train, device=DeviceFacts("tiny", "cpu", 2**20))
    assert remedy in made.lines[-1]


def test_pictures_that_stay_on_a_gpu_count_as_memory():
    gpu = DeviceFacts("a GPU", "cuda", 2**33, torch.bfloat16)
    train = section()
    pictures = planned(train, device=gpu, num_images=100_000).peak_bytes
    assert pictures - planned(train, device=gpu, num_images=None).peak_bytes == 76_800_000
    assert value(planned(train, device=gpu), "precision").value == "bfloat16"


ADVICE = [
    ({}, 1000, ["known by heart", "start from trained weights"]),
    ({"augment": {"kind": "ada"}}, 1000, ["start from trained weights"]),
    ({"augment": {"kind": "ada"}}, 60_000, ["need little augmentation"]),
    ({}, 60_000, []),
    ({}, None, []),
]


@pytest.mark.parametrize(("settings", "num_images", "told"), ADVICE)
def test_advice_follows_from_the_number_of_pictures(settings, num_images, told):
    made = planned(section(**settings), num_images=num_images, is_rehearsed=False)
    assert len(made.advice) == len(told)
    for text, words in zip(made.advice, told, strict=True):
        assert words in text


def test_a_log_begins_with_the_plan_at_no_cost(monkeypatch):
    monkeypatch.setattr(device_module, "measured_flops", None)
    counts = {"num_images": 4000, "num_held_out": 0, "num_labels": 0}
    lines = starting_lines(section(), **PICTURE, **counts, device=torch.device("cpu"))
    assert lines[0] == "images: 16 px, 3 channels (shard.resolution_px, shard.channels)"
    assert "time: told with the first tick (the device was not measured)" in lines
    assert not any(line.startswith("memory") for line in lines)


@pytest.mark.parametrize(("kind", "name"), [("stylegan2", "tiny"), ("dcgan", "sane")])
def test_a_cpu_is_measured_with_the_networks_in_question_at_a_side_that_is_quick(
    monkeypatch, kind, name
):
    sides = []

    def build(network):
        sides.append(network.resolution_px)
        return build_networks(network)

    monkeypatch.setattr(device_module, "MEASURED_S", 0.01)
    monkeypatch.setattr(device_module, "build_networks", build)
    monkeypatch.setitem(device_module.CALIBRATION_FLOPS, "cpu", 1e8)
    before = torch.random.get_rng_state()
    facts = device_facts(
        section(kind, network=name), resolution_px=64, channels=3, device=torch.device("cpu")
    )
    assert facts.flops_per_s > 1e6
    assert facts.memory_bytes > 2**20
    assert sides[0] < 64
    assert torch.equal(torch.random.get_rng_state(), before)
