"""16-bit arithmetic in the blocks of the highest resolutions; parameters stay in 32 bits.

There are most activations and least to lose (arXiv 2006.06676, appendix D.1).
"""

import torch
from torch import Tensor, nn

# Activations beyond it are cut off in float16, whose largest number is 65504 (appendix D.1 there).
FLOAT16_CLAMP = 256.0


class Block(nn.Module):
    """What one resolution of a network computes. `dtype` None is the type of its parameters."""

    def __init__(self, side_px: int) -> None:
        super().__init__()
        self.side_px = side_px
        self.dtype: torch.dtype | None = None

    def enter(self, x_NCHW: Tensor) -> Tensor:
        """Activations as this block computes with them."""
        return x_NCHW.to(self.dtype or next(self.parameters()).dtype)


def set_precision(
    network: nn.Module, dtype: torch.dtype | None, *, num_highest_resolutions: int = 4
) -> None:
    """Let the blocks of the highest resolutions compute in `dtype`, the others in 32 bits.

    None puts all of them back to the type of their parameters.

    Raises:
        ValueError: the network has no blocks that could.
    """
    blocks = [module for module in network.modules() if isinstance(module, Block)]
    if not blocks and dtype is not None:
        raise ValueError(
            f"{type(network).__name__} computes in 32 bits only: set train.precision to float32"
        )
    sides_px = sorted({block.side_px for block in blocks})
    low = sides_px[max(len(sides_px) - num_highest_resolutions, 0) :]
    for block in blocks:
        block.dtype = dtype if block.side_px in low else None


def has_fast_bfloat16(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 numbers by itself, at twice the rate of 32 bits.

    On a CPU that needs AVX-512 BF16 or AMX. No CPU does so for float16 to any avail.
    """
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    has = torch.cpu.get_capabilities()
    return device.type == "cpu" and bool(has.get("avx512_bf16") or has.get("amx_bf16"))
