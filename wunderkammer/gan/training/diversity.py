"""How much images differ from each other.

Shapes: N samples, C channels, H rows, W columns.
"""

import math

from torch import Tensor
from torch.nn import functional


def diversity(images_NCHW: Tensor) -> Tensor:
    """The mean distance of two of the images, as a root mean square over values (no dimensions).

    Of fakes, divided by that of as many reals, it is near 1 in health and near 0 in a collapse.

    Raises:
        ValueError: fewer than 2 images.
    """
    if len(images_NCHW) < 2:
        raise ValueError(f"{len(images_NCHW)} images have no distance; give at least 2")
    values_NV = images_NCHW.float().flatten(1)
    distances: Tensor = functional.pdist(values_NV)
    return distances.mean() / math.sqrt(values_NV.shape[1])
