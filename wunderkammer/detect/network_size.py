"""What a network would take, found on torch's `meta` device: shapes without memory for them."""

import warnings
from collections.abc import Mapping
from copy import deepcopy
from math import prod
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from wunderkammer.detect.errors import DetectorFileError
from wunderkammer.detect.ultralytics_offline import ultralytics_module

# The largest detectors that ultralytics ships have tensors of 10 million numbers.
MAX_NUMBERS = 1 << 26
# As large as the picture that ultralytics runs each new network on.
SIDE_PX = 256


class _Bounded(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Stops at the first tensor that no detector has."""

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        for part in tree_leaves(result):
            if isinstance(part, Tensor) and part.numel() > MAX_NUMBERS:
                raise DetectorFileError(
                    f"the architecture has a tensor of {tuple(part.shape)}, {part.numel()} "
                    f"numbers; allowed: {MAX_NUMBERS}. It is no detector's, or a damaged one"
                )
        return result


def num_weights(architecture: Mapping[str, Any]) -> int:
    """How many numbers the layers of a checked architecture hold.

    Raises:
        DetectorFileError: a tensor of the network, or of a picture on its way, is beyond all use.
    """
    tasks = ultralytics_module("nn.tasks")
    bounded = _Bounded()  # type: ignore[no-untyped-call]
    with warnings.catch_warnings(), torch.device("meta"), bounded, torch.inference_mode():
        warnings.simplefilter("ignore")
        layers, _ = tasks.parse_model(deepcopy(dict(architecture)), ch=3, verbose=False)
        x_NCHW: Any = torch.zeros(1, 3, SIDE_PX, SIDE_PX)
        results: list[Any] = []
        # The last finds the boxes, which takes no more than what comes to it.
        for layer in layers.eval()[:-1]:
            if layer.f != -1:
                sources = layer.f if isinstance(layer.f, list) else [layer.f]
                found = [x_NCHW if source == -1 else results[source] for source in sources]
                x_NCHW = found if isinstance(layer.f, list) else found[0]
            x_NCHW = layer(x_NCHW)
            results.append(x_NCHW)
    return sum(prod(weight.shape) for weight in layers.state_dict().values())
