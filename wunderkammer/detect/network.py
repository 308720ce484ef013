"""A detector's network, built by ultralytics from an architecture that was checked.

Shapes: N images, H rows, W columns, C channels, A places of the detector's grids.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from wunderkammer.detect.boxes import HeadFacts
from wunderkammer.detect.detector_file import Detector
from wunderkammer.detect.errors import DetectorFileError
from wunderkammer.detect.network_size import num_weights
from wunderkammer.detect.ultralytics_offline import ultralytics_module

# What ultralytics and torch raise for layers that don't fit each other.
BUILD_ERRORS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    MemoryError,
    NameError,
    RuntimeError,
    TypeError,
    ValueError,
)


def new_network(architecture: Mapping[str, Any], *, max_weights: int | None = None) -> Any:
    """Ultralytics' `DetectionModel` of a checked architecture, with random weights.

    Raises:
        DetectorFileError: no network can be made of it, or one beyond all use or `max_weights`.
    """
    tasks = ultralytics_module("nn.tasks")
    try:
        with torch.random.fork_rng(devices=[]):
            needed = num_weights(architecture)
        if max_weights is not None and needed > max_weights:
            raise _others(f"it has {needed} numbers, the file {max_weights}")
        return tasks.DetectionModel(dict(architecture), verbose=False)
    except DetectorFileError:
        raise
    except BUILD_ERRORS as error:
        detail = f"{type(error).__name__}: {str(error)[:400]}"
        raise DetectorFileError(f"no network can be made of the architecture: {detail}") from error


def build_network(detector: Detector) -> Any:
    """Ultralytics' `DetectionModel` with the detector's weights, in float32, in eval mode.

    Raises:
        DetectorFileError: no network can be made of the architecture, or the weights are not those
            of it.
    """
    num_given = sum(array.size for array in detector.tensors.values())
    with torch.random.fork_rng(devices=[]):
        network = new_network(detector.architecture, max_weights=num_given)
    weights = {name: torch.tensor(array) for name, array in detector.tensors.items()}
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise _others(str(error)[:400]) from error
    network.names = dict(enumerate(detector.names))
    return network.float().eval()


def _others(detail: str) -> DetectorFileError:
    return DetectorFileError(
        f"the weights are not those of the architecture (of layers that were fused, take the file "
        f"from before): {detail}"
    )


class RawDetector(nn.Module):
    """A network from uint8 pictures to the numbers of its head, before any box is made.

    Boxes are made from them in `boxes.py`, for sure places only and always in float32.
    """

    def __init__(self, network: Any) -> None:
        super().__init__()
        with torch.inference_mode(False), torch.no_grad():
            self.network = network.fuse(verbose=False).requires_grad_(False)
        head = network.model[-1]
        self.facts = HeadFacts(
            strides_px=tuple(int(stride) for stride in head.stride),
            num_bins=int(head.reg_max),
            num_classes=int(head.nc),
        )
        self.eval()
        # In training mode the head gives its plain numbers; its layers stay in eval mode.
        head.training = True

    def forward(self, x_NHWC: Tensor) -> tuple[Tensor, Tensor]:
        """Distances (N, 4·bins, A) and class logits (N, classes, A) of RGB pictures."""
        x_NCHW = x_NHWC.permute(0, 3, 1, 2).float() / 255
        found: Any = self.network(x_NCHW)
        found = found.get("one2many", found)
        distances, logits = found["boxes"], found["scores"]
        return distances, logits
