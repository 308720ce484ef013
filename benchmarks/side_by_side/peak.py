"""What the device can do: the rate of its fastest large operation, and the floor it makes.

The floor is that of `wunderkammer.gan.flops` at this rate.
"""

import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.side_by_side.setting import Setting
from wunderkammer.gan.flops import stylegan2_image_flops

NUM_LOW_PRECISION = 4  # resolutions
BITS_32, BITS_16 = "in 32 bits", "in 16 bits"
_SIDE = {"cpu": 1024, "cuda": 8192}
_IMAGES = {"cpu": 4, "cuda": 64}  # of 512 channels, 32 px
_REPEATS = 20


def peak_rates(device: torch.device) -> dict[str, float]:
    """FLOP/s of a large matrix product or 3 by 3 convolution, whichever is faster.

    16 bits are bfloat16; 32 are float32 on a CPU and TF32 on a GPU.
    """
    torch.backends.cuda.matmul.allow_tf32 = True
    torch.backends.cudnn.allow_tf32 = True
    with torch.no_grad():
        return {
            BITS_32: _rate(device, torch.float32),
            BITS_16: _rate(device, torch.bfloat16),
        }


def _rate(device: torch.device, dtype: torch.dtype) -> float:
    random = torch.Generator(device).manual_seed(0)

    def draw(*sizes: int) -> Tensor:
        drawn = torch.randn(sizes, generator=random, device=device).to(dtype)
        return drawn.contiguous(memory_format=torch.channels_last) if len(sizes) == 4 else drawn

    side, num = _SIDE[device.type], _IMAGES[device.type]
    a, b = draw(side, side), draw(side, side)
    x, weight = draw(num, 512, 32, 32), draw(512, 512, 3, 3)
    product = 2.0 * side**3 / _fastest_s(device, lambda: torch.mm(a, b))
    flops = 2.0 * x[0, 0].numel() * num * weight.numel()
    return max(product, flops / _fastest_s(device, lambda: functional.conv2d(x, weight, padding=1)))


def _fastest_s(device: torch.device, run: Callable[[], Any]) -> float:
    fastest = float("inf")
    for _ in range(_REPEATS):
        _wait(device)
        start_s = time.perf_counter()
        run()
        _wait(device)
        fastest = min(fastest, time.perf_counter() - start_s)
    return fastest


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def floor_s_per_kimg(setting: Setting, rates: dict[str, float]) -> float:
    """Seconds that 1,000 images take where nothing but multiply-adds takes time.

    The four highest resolutions count in 16 bits where that is faster, those below in 32.
    """
    numbers = setting.numbers
    low_px = max(numbers.network.resolution_px // 2**NUM_LOW_PRECISION, 4)
    below = numbers.network.model_copy(update={"resolution_px": low_px})
    low_flops = stylegan2_image_flops(numbers.model_copy(update={"network": below}))
    high_flops = stylegan2_image_flops(numbers) - low_flops
    return 1000.0 * (high_flops / max(rates.values()) + low_flops / rates[BITS_32])
