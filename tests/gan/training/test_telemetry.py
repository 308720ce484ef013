import logging
from types import SimpleNamespace

import pynvml
import pytest
import torch

from wunderkammer.gan.checkpoints.archive import Tick
from wunderkammer.gan.training import telemetry
from wunderkammer.gan.training.speed import ETA_S, S_PER_KIMG, duration
from wunderkammer.gan.training.telemetry import CpuGauge, GpuGauge, Telemetry


def tick(num_images=2000, images_per_s=50.0):
    return Tick(
        num_images=num_images,
        measures={},
        elapsed_s=1.0,
        images_per_s=images_per_s,
        memory_mb=1.0,
    )


class FakeDriver:
    """One GPU, idle at first and then 20 and 60 % busy."""

    def __init__(self, **answers):
        self.answers = answers
        self.since = []

    def __getattr__(self, name):
        def answer(*arguments):
            value = self.answers.get(name, 0)
            if isinstance(value, Exception):
                raise value
            return value(*arguments) if callable(value) else value

        return answer

    def samples(self, _handle, _kind, since):
        """Idle before the first call; a call later, busier."""
        self.since.append(since)
        noted = [(1_000, 0)] if not since else [(1_000, 0), (2_000, 20), (3_000, 60)]
        return 0, [
            SimpleNamespace(timeStamp=time, sampleValue=SimpleNamespace(uiVal=value))
            for time, value in noted
            if time > since
        ]


@pytest.fixture
def driver(monkeypatch):
    def install(**answers):
        fake = FakeDriver(
            nvmlDeviceGetMemoryInfo=SimpleNamespace(used=3 * 2**30, total=8 * 2**30),
            nvmlDeviceGetTemperature=51,
            nvmlDeviceGetPowerUsage=350_500,
            nvmlDeviceGetUtilizationRates=SimpleNamespace(gpu=77),
            **answers,
        )
        fake.answers.setdefault("nvmlDeviceGetSamples", fake.samples)
        names = [*fake.answers, "nvmlInit", "nvmlDeviceGetHandleByUUID"]
        for name in names:
            monkeypatch.setattr(pynvml, name, getattr(fake, name))
        return fake

    return install


def test_speed_and_the_time_to_the_end_follow_from_the_tick():
    read = Telemetry(CpuGauge(), last_image=12_000).read(tick())
    assert read[S_PER_KIMG] == 20
    assert read[ETA_S] == 200
    assert Telemetry(CpuGauge(), last_image=1000).read(tick())[ETA_S] == 0


def test_on_a_cpu_the_use_is_that_of_this_process():
    use = CpuGauge()
    sum(range(3_000_000))
    read = use.read()
    assert read["cpu/use_percent"] > 0
    assert 10 < read["cpu/memory_mb"] < 100_000


def test_a_gpus_use_is_the_mean_since_the_last_reading(driver):
    fake = driver()
    gauge = GpuGauge("GPU-1")
    read = gauge.read()
    assert read["gpu/use_percent"] == 40
    assert (read["gpu/memory_mb"], read["gpu/memory_total_mb"]) == (3072, 8192)
    assert (read["gpu/power_w"], read["gpu/temperature_c"]) == (350.5, 51)
    gauge.read()
    assert fake.since == [0, 1_000, 3_000]


@pytest.mark.parametrize(
    "answer", [pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED), (0, [])], ids=["no", "none"]
)
def test_without_notes_of_the_driver_the_present_use_is_taken(driver, answer):
    def samples(*_):
        if isinstance(answer, Exception):
            raise answer
        return answer

    driver(nvmlDeviceGetSamples=samples)
    assert GpuGauge("GPU-1").read()["gpu/use_percent"] == 77


def test_a_driver_that_fails_is_logged_once_and_the_speed_is_still_told(driver, caplog):
    driver()
    told = Telemetry(GpuGauge("GPU-1"), last_image=4000)
    driver(nvmlDeviceGetSamples=pynvml.NVMLError(pynvml.NVML_ERROR_GPU_IS_LOST))
    with caplog.at_level(logging.WARNING):
        assert set(told.read(tick())) == {S_PER_KIMG, ETA_S}
        assert set(told.read(tick())) == {S_PER_KIMG, ETA_S}
    assert caplog.text.count("is not shown any more: GPU is lost") == 1


def test_a_gpu_that_the_driver_does_not_know_leaves_the_use_of_the_process(
    driver, monkeypatch, caplog
):
    driver(nvmlInit=pynvml.NVMLError(pynvml.NVML_ERROR_LIBRARY_NOT_FOUND))
    properties = SimpleNamespace(uuid="1-2")
    monkeypatch.setattr(telemetry.torch.cuda, "get_device_properties", lambda _: properties)
    read = Telemetry.of(torch.device("cuda"), last_image=4000).read(tick())
    assert "cpu/memory_mb" in read
    assert "GPU use is not shown" in caplog.text


def test_a_gpu_is_asked_for_by_the_name_that_both_torch_and_the_driver_know(driver, monkeypatch):
    asked = []
    driver(nvmlDeviceGetHandleByUUID=asked.append)
    properties = SimpleNamespace(uuid="1-2")
    monkeypatch.setattr(telemetry.torch.cuda, "get_device_properties", lambda _: properties)
    assert "gpu/power_w" in Telemetry.of(torch.device("cuda"), last_image=4000).read(tick())
    assert asked == ["GPU-1-2"]


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0 s"),
        (89, "89 s"),
        (600, "10 min"),
        (3599, "1 h 00 min"),
        (11_100, "3 h 05 min"),
        (187_200, "2 d 4 h"),
    ],
)
def test_a_duration_reads_well(seconds, shown):
    assert duration(seconds) == shown
