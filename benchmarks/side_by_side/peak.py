"""What the device can do: the rate of a large matrix product, and the time that a training needs.

The floor is that of `wunderkammer.gan.flops` at this rate.
"""

import time

import torch

from benchmarks.side_by_side.setting import Setting
from wunderkammer.gan.flops import stylegan2_image_flops

NUM_LOW_PRECISION = 4  # resolutions
_SIDE = {"cpu": 2048, "cuda": 8192}
_REPEATS = {"cpu": 3, "cuda": 20}


def matmul_rates(device: torch.device) -> dict[str, float]:
    """FLOP/s by type of number: float32 on a CPU, bfloat16 and TF32 on a GPU."""
    if device.type == "cpu":
        return {"float32": _rate(device, torch.float32)}
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = True
    rates = {"tf32": _rate(device, torch.float32), "bfloat16": _rate(device, torch.bfloat16)}
    torch.backends.cuda.matmul.allow_tf32 = before
    return rates


def _rate(device: torch.device, dtype: torch.dtype) -> float:
    side = _SIDE[device.type]
    random = torch.Generator(device).manual_seed(0)
    a, b = (torch.randn(side, side, generator=random, device=device).to(dtype) for _ in range(2))
    fastest = float("inf")
    for _ in range(_REPEATS[device.type]):
        _wait(device)
        start_s = time.perf_counter()
        torch.mm(a, b)
        _wait(device)
        fastest = min(fastest, time.perf_counter() - start_s)
    return 2.0 * side**3 / fastest


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def floor_s_per_kimg(setting: Setting, rates: dict[str, float]) -> float:
    """Seconds that 1,000 images take where nothing but matrix products takes time.

    On a GPU the four highest resolutions count at the rate of bfloat16, those below at TF32's.
    """
    numbers = setting.numbers
    flops = stylegan2_image_flops(numbers)
    if "float32" in rates:
        return 1000.0 * flops / rates["float32"]
    low_px = max(numbers.network.resolution_px // 2**NUM_LOW_PRECISION, 4)
    below = numbers.network.model_copy(update={"resolution_px": low_px})
    low_flops = stylegan2_image_flops(numbers.model_copy(update={"network": below}))
    return 1000.0 * ((flops - low_flops) / rates["bfloat16"] + low_flops / rates["tf32"])
