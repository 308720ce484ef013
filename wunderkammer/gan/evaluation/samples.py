"""Pictures that a generator draws for its measures.

Shapes: N pictures, Z numbers of z, L labels, C channels, H rows, W columns.
"""

import numpy as np
import torch
from torch.nn import functional

from wunderkammer.gan.evaluation.features import exact_kernels
from wunderkammer.gan.evaluation.pictures import Indices, Pictures
from wunderkammer.gan.networks.interface import GeneratorNetwork

MIN_AT_ONCE = 16
PIXELS_AT_ONCE = 2**18


class NotFiniteError(RuntimeError):
    """The generator drew pixels that are not numbers."""


@torch.inference_mode()
def draw_pictures(
    generator: GeneratorNetwork, num: int, *, labels_N: Indices | None, seed: int
) -> Pictures:
    """`num` pictures of the generator, on the device where it is: uint8 [N, C, H, W].

    Untruncated z of the stream `seed`, fixed noise; a conditional one draws the label numbers
    `labels_N`.

    Raises:
        NotFiniteError: pixels are NaN or infinite.
    """
    device = next(generator.parameters()).device
    random = torch.Generator().manual_seed(seed)
    side = generator.resolution_px
    drawn_NCHW = np.empty((num, generator.channels, side, side), np.uint8)
    at_once = max(MIN_AT_ONCE, PIXELS_AT_ONCE // side**2)
    for start in range(0, num, at_once):
        rows = slice(start, min(start + at_once, num))
        size = rows.stop - rows.start
        z_NZ = torch.randn(size, generator.z_dim, generator=random).to(device)
        labels_NL = None
        if labels_N is not None:
            numbers = torch.from_numpy(labels_N[rows]).to(device)
            labels_NL = functional.one_hot(numbers, generator.num_labels).float()
        with exact_kernels():
            image_NCHW = generator(z_NZ, labels_NL)
        if not bool(image_NCHW.isfinite().all()):
            raise NotFiniteError(
                f"the generator draws pixels that are not finite (pictures {start} to "
                f"{rows.stop - 1}); its training has diverged, lower train.learning_rate or raise "
                f"train.r1_gamma and train again"
            )
        levels_NCHW = ((image_NCHW.float() + 1) * 127.5).round().clamp(0, 255)
        drawn_NCHW[rows] = levels_NCHW.to(torch.uint8).cpu().numpy()
    return drawn_NCHW
