"""The device of a training: which one, its memory, its types of number, and how fast it is.

Shapes: N samples, Z numbers of z.
"""

import os
import re
from dataclasses import dataclass
from time import perf_counter

import psutil
import torch
from torch import Tensor, nn

from wunderkammer.gan.flops import discriminator_flops, generator_flops
from wunderkammer.gan.networks.build import build_networks
from wunderkammer.gan.networks.params import NetworkParams
from wunderkammer.gan.networks.precision import set_precision
from wunderkammer.gan.params import StyleGan2Params, TrainParams
from wunderkammer.gan.settings import batch_size, network_params
from wunderkammer.gan.training.methods.build import precision

# A pass of a calibration costs about this much: a second or two on a CPU, less on a GPU.
CALIBRATION_FLOPS = {"cpu": 2e11, "cuda": 2e13}
MEASURED_S = 1.0
DEVICE = r"auto|cpu|cuda(:\d+)?"
NUM_WARMING = 2


@dataclass(frozen=True)
class DeviceFacts:
    """A device as a plan needs it.

    `dtype` is the type of number of the large images; `flops_per_s` is what the networks in
    question reach there, None if nobody has measured.
    """

    name: str
    kind: str
    memory_bytes: int
    dtype: torch.dtype = torch.float32
    flops_per_s: float | None = None


def choose_device(name: str) -> torch.device:
    """The device of that name; "auto" is a GPU if there is one.

    Of several processes on one machine each takes its own GPU.

    Raises:
        ValueError: there is no such device, or not here.
    """
    if not re.fullmatch(DEVICE, name):  # torch knows more of them, which can not train
        raise ValueError(f"device {name!r} is not allowed: one of auto, cpu, cuda, cuda:<number>")
    num_gpus = torch.cuda.device_count()
    if name == "auto":
        name = "cuda" if num_gpus else "cpu"
    device = torch.device(name)
    if name == "cuda":  # CUDA wants it by its number
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    if device.type == "cuda" and (device.index or 0) >= num_gpus:
        raise ValueError(f"device {str(device)!r} of {num_gpus} GPUs here; use 'auto' or 'cpu'")
    return device


def limit_threads(train: TrainParams) -> None:
    """Let tiny networks use one thread only.

    Their kernels are too short to share: two are no faster and take twice the CPU time.
    """
    if isinstance(train, StyleGan2Params) and train.network == "tiny":
        torch.set_num_threads(1)


def device_facts(
    train: TrainParams,
    *,
    resolution_px: int,
    channels: int,
    device: torch.device,
    is_calibrated: bool = True,
) -> DeviceFacts:
    """What a plan needs to know of this machine's `device`; with a calibration of some seconds."""
    dtype = precision(train, device) or torch.float32
    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        name, memory_bytes = str(properties.name), int(properties.total_memory)
    else:
        num_threads = torch.get_num_threads()
        name = f"CPU, {num_threads} thread{'s' * (num_threads > 1)}"
        memory_bytes = psutil.virtual_memory().available
    flops_per_s = None
    if is_calibrated:
        picture = {"resolution_px": resolution_px, "channels": channels, "num_labels": 0}
        flops_per_s = measured_flops(
            network_params(train, **picture),
            num_samples=batch_size(train, resolution_px=resolution_px),
            device=device,
            dtype=dtype,
        )
    return DeviceFacts(
        name=name,
        kind=device.type,
        memory_bytes=memory_bytes,
        dtype=dtype,
        flops_per_s=flops_per_s,
    )


def measured_flops(
    network: NetworkParams, *, num_samples: int, device: torch.device, dtype: torch.dtype
) -> float:
    """FLOP/s that a generator's step reaches: both networks forward, back to the weights of one.

    What would take too long is measured with fewer samples, or at a smaller side.
    """
    network = _quick(network, budget=CALIBRATION_FLOPS[device.type])
    affordable = int(CALIBRATION_FLOPS[device.type] / _pass_flops(network))
    num = max(min(affordable, num_samples), 1)
    with torch.random.fork_rng(devices=[]):
        generator, discriminator = (part.to(device) for part in build_networks(network))
        z_NZ = torch.randn(num, network.z_dim, device=device)
    if dtype != torch.float32:
        set_precision(generator, dtype)
        set_precision(discriminator, dtype)
    discriminator.requires_grad_(False)
    for _ in range(NUM_WARMING):
        _pass(generator, discriminator, z_NZ)
    num_passes, start_s, passed_s = 0, perf_counter(), 0.0
    while passed_s < MEASURED_S:
        _pass(generator, discriminator, z_NZ)
        num_passes, passed_s = num_passes + 1, perf_counter() - start_s
    return num_passes * num * _pass_flops(network) / passed_s


def _pass(generator: nn.Module, discriminator: nn.Module, z_NZ: Tensor) -> None:
    generator.zero_grad(set_to_none=True)
    discriminator(generator(z_NZ)).sum().backward()
    if z_NZ.device.type == "cuda":
        torch.cuda.synchronize(z_NZ.device)


def _pass_flops(network: NetworkParams) -> float:
    return 3.0 * generator_flops(network) + 2.0 * discriminator_flops(network)


def _quick(network: NetworkParams, *, budget: float) -> NetworkParams:
    """The network at the largest side, up to its own, of which a sample costs at most `budget`."""
    while _pass_flops(network) > budget and network.resolution_px > 16:
        network = network.model_copy(update={"resolution_px": network.resolution_px // 2})
    return network
