"""A network at work: from frames to probabilities of classes, or to embeddings.

Shapes: N crops, K numbers a crop.
"""

from typing import Protocol

import numpy as np
import numpy.typing as npt

from wunderkammer.classify.errors import NetworkFileError
from wunderkammer.classify.settings import ONNX, NetworkSettings

Floats = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]

MAX_CLASSES = 100_000
MAX_EMBEDDING = 16_384


class Network(Protocol):
    """An open network."""

    @property
    def name(self) -> str:
        """What runs where, for the log."""

    def run(self, x_NCHW: Floats) -> Floats:
        """The rows of numbers of normalised pictures: probabilities, or embeddings as they come.

        Raises:
            NetworkFileError: it fails, or gives something else.
        """


def open_network(settings: NetworkSettings, *, input_px: int) -> Network:
    """The network of a file, ready to run at that size.

    Raises:
        NetworkFileError: the file is damaged, asks for more than data, or holds another network.
    """
    # Each runtime is loaded only for a file that needs it.
    if settings.path.suffix == ONNX:
        from wunderkammer.classify.onnx_network import OnnxNetwork

        return OnnxNetwork(settings)
    from wunderkammer.classify.torch_network import TorchNetwork

    return TorchNetwork(settings, input_px=input_px)


def normalised(x_NHWC: Bytes, settings: NetworkSettings) -> Floats:
    """Frames as a network takes them: NCHW."""
    mean = np.array(settings.mean, np.float32)
    std = np.array(settings.std, np.float32)
    scaled_NHWC = (x_NHWC.astype(np.float32) / np.float32(255) - mean) / std
    return np.ascontiguousarray(scaled_NHWC.transpose(0, 3, 1, 2))


def softmax(logits_NK: Floats) -> Floats:
    """Probabilities: exp(x) / sum exp(x), without overflow."""
    shifted_NK = logits_NK.astype(np.float64)
    shifted_NK = np.exp(shifted_NK - shifted_NK.max(axis=1, keepdims=True))
    return np.asarray(shifted_NK / shifted_NK.sum(axis=1, keepdims=True), np.float32)


def as_rows(output: npt.NDArray[np.float32], *, settings: NetworkSettings, num: int) -> Floats:
    """A network's output as a row a crop.

    Of embeddings (N, K, h, w) the mean of the pixels is taken, of (N, tokens, K) the first token,
    which sums up the picture in the transformers that have one.

    Raises:
        NetworkFileError: it has another shape.
    """
    shape = output.shape
    if settings.head == "embedding" and output.ndim == 4:
        output = output.mean(axis=(2, 3))
    elif settings.head == "embedding" and output.ndim == 3:
        output = output[:, 0]
    elif output.ndim == 4 and shape[2:] == (1, 1):
        output = output[:, :, 0, 0]
    limit = MAX_CLASSES if settings.head == "classes" else MAX_EMBEDDING
    least = 2 if settings.head == "classes" else 1
    if output.ndim != 2 or len(output) != num or not least <= output.shape[1] <= limit:
        raise NetworkFileError(
            f"{settings.path.name} gives numbers of the shape {shape} for {num} crops, allowed: "
            f"{least} to {limit} for each; take a network that ends in such, or name another of "
            f"its outputs"
        )
    return output.astype(np.float32)
