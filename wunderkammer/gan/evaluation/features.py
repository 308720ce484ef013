"""Features of pictures from fixed random convolutions: no weights file, the same for a seed.

They serve to notice that something changed (a regression test) and to find look-alikes; they know
nothing of what people see, so a distance in them is **no claim of quality**.

Shapes: N pictures, C channels, H rows, W columns, D features.
"""

from contextlib import AbstractContextManager

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from wunderkammer.gan.evaluation.pictures import Floats, Pictures

WIDTHS = (16, 32, 64, 128)
MAX_SIDE_PX = 64
MIN_SIDE_PX = 4
SLOPE = 0.2
PICTURES_AT_ONCE = 64


class RandomFeatures(nn.Module):
    """Four random 3 by 3 convolutions, the side halved between them.

    uint8 [N, C, H, W] to [N, 480]: mean and root mean square of what each gives. The weights are
    of N(0, 2 / fan-in) (arXiv 1502.01852), of stream `seed`.
    """

    def __init__(self, channels: int, *, seed: int) -> None:
        super().__init__()
        random = torch.Generator().manual_seed(seed)
        self.weights = nn.ParameterList()
        for width_in, width_out in zip((channels, *WIDTHS), WIDTHS, strict=False):
            weight = torch.randn(width_out, width_in, 3, 3, generator=random)
            self.weights.append(weight * (2 / (9 * width_in)) ** 0.5)
        self.requires_grad_(False)

    def forward(self, images_NCHW: Tensor) -> Tensor:
        """Features [N, D]."""
        x_NCHW = images_NCHW.float() / 127.5 - 1
        if x_NCHW.shape[-1] > MAX_SIDE_PX:
            x_NCHW = functional.interpolate(x_NCHW, size=MAX_SIDE_PX, mode="area")
        found = []
        for weight in self.weights:
            x_NCHW = functional.leaky_relu(functional.conv2d(x_NCHW, weight, padding=1), SLOPE)
            found += [x_NCHW.mean((2, 3)), x_NCHW.square().mean((2, 3)).sqrt()]
            if x_NCHW.shape[-1] > MIN_SIDE_PX:
                x_NCHW = functional.avg_pool2d(x_NCHW, 2)
        return torch.cat(found, dim=1)


def exact_kernels() -> AbstractContextManager[None]:
    """Full float32 and deterministic convolutions on a GPU, whatever is set for the training."""
    kernels: AbstractContextManager[None] = torch.backends.cudnn.flags(
        enabled=True, benchmark=False, deterministic=True, allow_tf32=False
    )
    return kernels


@torch.inference_mode()
def features_of(images_NCHW: Pictures, network: nn.Module, *, device: torch.device) -> Floats:
    """What `network` (on `device`) gives for pictures, uint8: float32 [N, D]."""
    found = []
    for start in range(0, len(images_NCHW), PICTURES_AT_ONCE):
        block = np.ascontiguousarray(images_NCHW[start : start + PICTURES_AT_ONCE])
        with exact_kernels():
            found.append(network(torch.from_numpy(block).to(device)).float().cpu().numpy())
    return np.concatenate(found)
