"""How fast a training goes, when it will end, and how busy its device is.

Nothing here touches the networks, and nothing here may stop a training: a driver that gives no
answer is logged once, and its numbers are missing from then on.
"""

import logging
from collections.abc import Mapping
from typing import Protocol

import psutil
import pynvml  # type: ignore[import-untyped]
import torch

from wunderkammer.gan.checkpoints.archive import Tick
from wunderkammer.gan.training.speed import speed_of

log = logging.getLogger(__name__)

MIB = 2**20


class Gauge(Protocol):
    """Something that tells how busy a device is."""

    def read(self) -> dict[str, float]:
        """Numbers by name, since the last reading where they are means."""


class CpuGauge:
    """This process: CPU use (100 is one core kept busy) and resident memory."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._process.cpu_percent()  # the first call only starts the clock

    def read(self) -> dict[str, float]:
        """Use in percent since the last reading, memory in MiB."""
        return {
            "cpu/use_percent": self._process.cpu_percent(),
            "cpu/memory_mb": self._process.memory_info().rss / MIB,
        }


class GpuGauge:
    """One GPU as nvidia-smi sees it, whoever uses it.

    Raises:
        pynvml.NVMLError: the driver does not know it.
    """

    def __init__(self, uuid: str) -> None:
        pynvml.nvmlInit()
        self._handle = pynvml.nvmlDeviceGetHandleByUUID(uuid)
        self._last_us = 0
        self._use_percent()  # what the driver has noted of the time before is no use of ours

    def read(self) -> dict[str, float]:
        """Use in percent since the last reading, memory in MiB, power in W, temperature in °C.

        Raises:
            pynvml.NVMLError: the driver gave no answer.
        """
        memory = pynvml.nvmlDeviceGetMemoryInfo(self._handle)
        celsius = pynvml.nvmlDeviceGetTemperature(self._handle, pynvml.NVML_TEMPERATURE_GPU)
        return {
            "gpu/use_percent": self._use_percent(),
            "gpu/memory_mb": memory.used / MIB,
            "gpu/memory_total_mb": memory.total / MIB,
            "gpu/power_w": pynvml.nvmlDeviceGetPowerUsage(self._handle) / 1000,
            "gpu/temperature_c": float(celsius),
        }

    def _use_percent(self) -> float:
        """The mean of what the driver has noted since the last reading (it keeps some seconds)."""
        kind = pynvml.NVML_GPU_UTILIZATION_SAMPLES
        try:
            _, samples = pynvml.nvmlDeviceGetSamples(self._handle, kind, self._last_us)
        except (pynvml.NVMLError_NotSupported, pynvml.NVMLError_NotFound):
            samples = []
        if not samples:
            return float(pynvml.nvmlDeviceGetUtilizationRates(self._handle).gpu)
        self._last_us = max(sample.timeStamp for sample in samples)
        return float(sum(sample.sampleValue.uiVal for sample in samples)) / len(samples)


class Telemetry:
    """What is told of each tick beside its losses."""

    def __init__(self, gauge: Gauge, *, last_image: int) -> None:
        self._gauge: Gauge | None = gauge
        self._last_image = last_image

    @classmethod
    def of(cls, device: torch.device, *, last_image: int) -> "Telemetry":
        """That of a training on `device`; where the driver knows no such GPU, of this process."""
        gauge: Gauge = CpuGauge()
        if device.type == "cuda":
            try:
                gauge = GpuGauge(f"GPU-{torch.cuda.get_device_properties(device).uuid}")
            except pynvml.NVMLError as error:
                log.warning("GPU use is not shown: %s", error)
        return cls(gauge, last_image=last_image)

    def read(self, tick: Tick) -> Mapping[str, float]:
        """The speed of `tick`, and the use of the device since the last reading."""
        return {**speed_of(tick, last_image=self._last_image), **self._use()}

    def _use(self) -> dict[str, float]:
        if self._gauge is None:
            return {}
        try:
            return self._gauge.read()
        except (pynvml.NVMLError, psutil.Error) as error:
            log.warning("the use of the device is not shown any more: %s", error)
            self._gauge = None
            return {}
