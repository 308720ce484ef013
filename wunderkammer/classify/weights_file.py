"""The tensors in a file of weights: data only, never code."""

import hashlib
import io
import pickle
import re
import struct
import warnings
from collections.abc import Mapping
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from wunderkammer.classify.errors import NetworkFileError
from wunderkammer.classify.settings import SAFETENSORS, NetworkSettings

MAX_WEIGHTS_MB = 4000
MAX_SHOWN_CHARS = 300
# Where training scripts put the weights in what they save, and what wrappers put before the names.
WRAPPERS = ("state_dict", "model_state_dict", "model_ema", "model")
PREFIXES = ("module.", "model.", "backbone.")
# The published weights of DenseNet are of a time when a name could hold such a dot.
OLD_NAME = re.compile(r"(denselayer\d+\.(?:norm|conv))\.([12])\.")
# What torch raises for a damaged file, or one with more than tensors in it.
TORCH_ERRORS = (
    pickle.UnpicklingError,
    AssertionError,
    AttributeError,
    EOFError,
    IndexError,
    KeyError,
    MemoryError,
    OverflowError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
)


def read_weights(settings: NetworkSettings) -> dict[str, Tensor]:
    """The tensors by their names, in float32 where they are numbers with a point.

    Raises:
        NetworkFileError: the file is damaged or too large, holds more than tensors, or is not the
            one of the settings any more.
    """
    path = settings.path
    size = path.stat().st_size
    if size > MAX_WEIGHTS_MB * 1_000_000:
        raise NetworkFileError(
            f"{path.name} has {size / 1e6:.0f} MB, the limit is {MAX_WEIGHTS_MB}; take a smaller "
            f"network"
        )
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != settings.sha256:
        raise NetworkFileError(
            f"{path.name} was replaced by another file during the run; run it again"
        )
    try:
        found = _loaded(content, is_safetensors=path.suffix == SAFETENSORS)
    except (SafetensorError, *TORCH_ERRORS) as error:
        raise NetworkFileError(
            f"{path.name} holds no weights that are safe to read: {brief(error)}; save it as "
            f"safetensors, or as torch.save(network.state_dict(), ...)"
        ) from error
    return _plain(found, name=path.name)


def brief(error: Exception) -> str:
    """What an error of torch says, on one line; it may list every tensor of a network."""
    return " ".join(str(error).split())[:MAX_SHOWN_CHARS]


def _loaded(content: bytes, *, is_safetensors: bool) -> Any:
    if is_safetensors:
        return safetensors.torch.load(content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch, about what is then refused
        return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)


def _plain(found: Any, *, name: str) -> dict[str, Tensor]:
    while isinstance(found, Mapping):
        inner = [found[key] for key in WRAPPERS if isinstance(found.get(key), Mapping)]
        if not inner or any(isinstance(value, Tensor) for value in found.values()):
            break
        found = inner[0]
    if not isinstance(found, Mapping):
        raise NetworkFileError(f"{name} holds no tensors by name; save network.state_dict()")
    tensors = {
        OLD_NAME.sub(r"\1\2.", str(key)): value.float() if value.is_floating_point() else value
        for key, value in found.items()
        if isinstance(value, Tensor)
    }
    if not tensors:
        raise NetworkFileError(f"{name} holds no tensors by name; save network.state_dict()")
    for prefix in PREFIXES:
        if all(key.startswith(prefix) for key in tensors):
            tensors = {key.removeprefix(prefix): value for key, value in tensors.items()}
    return tensors
