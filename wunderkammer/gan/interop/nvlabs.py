"""NVlabs StyleGAN2-ADA networks as ours: the same outputs from the same latents.

Two things are not tensors and differ. A mapping layer's stored weight is W / lr, so a file with
another learning rate than ours has its weights scaled by lr / 0.01 and its biases likewise. And
groups of the mini-batch standard deviation are successive samples here, interleaved ones there,
which shows in batches larger than a group only.
"""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from wunderkammer.gan.interop.errors import UnreadablePickleError, UnsupportedNetworkError
from wunderkammer.gan.interop.nvlabs_names import discriminator_names, generator_names
from wunderkammer.gan.interop.nvlabs_settings import (
    TAPS,
    discriminator_settings,
    generator_settings,
    joint_params,
)
from wunderkammer.gan.interop.pickle_reader import NvlabsPickle, PickledNetwork
from wunderkammer.gan.interop.portable import Portable, expected_tensors
from wunderkammer.gan.networks.layers import MAPPING_LR_MULTIPLIER

_PREFIXES = {"G_ema": "average", "G": "generator", "D": "discriminator"}


def convert(pickle: NvlabsPickle, *, generator_only: bool = False) -> Portable:
    """The networks of an NVlabs file as ours, in float32.

    Args:
        generator_only: take neither the discriminator nor the generator without averaging.

    Raises:
        UnsupportedNetworkError: a network has parts that we do not have.
        UnreadablePickleError: a tensor is missing, of another shape, or has numbers that are not
            finite.
    """
    networks = dict(pickle.networks)
    if "G_ema" not in networks:
        raise UnreadablePickleError("holds no network G_ema, the one that draws")
    if generator_only:
        networks = {"G_ema": networks["G_ema"]}
    fields, rates = {}, {}
    for name, network in networks.items():
        read = discriminator_settings if name == "D" else generator_settings
        fields[name], rates[name] = read(network)
    if "G" in fields and fields["G"] != fields["G_ema"]:
        raise UnsupportedNetworkError("G and G_ema have other settings: take the generator only")
    params = joint_params(fields["G_ema"], fields.get("D"))
    tensors: dict[str, Tensor] = {}
    for name, network in networks.items():
        prefix = _PREFIXES[name]
        names = discriminator_names(params) if name == "D" else generator_names(params)
        expected = expected_tensors(params, prefix)
        taken = _take(network, names, expected, rate=rates[name])
        tensors |= {f"{prefix}.{ours}": tensor for ours, tensor in taken.items()}
    provenance = {"from": "nvlabs-stylegan2-ada-pytorch", "sha256": pickle.sha256}
    return Portable(params, tensors, provenance)


def _take(
    network: PickledNetwork,
    names: Mapping[str, str],
    expected: Mapping[str, Tensor],
    *,
    rate: float,
) -> dict[str, Tensor]:
    left = dict(network.tensors)
    taken: dict[str, Tensor] = {}
    for ours, theirs in names.items():
        array = left.pop(theirs, None)
        if array is None or array.shape != tuple(expected[ours].shape):
            found = "missing" if array is None else f"of shape {array.shape}"
            shape = tuple(expected[ours].shape)
            raise UnreadablePickleError(f"the tensor {theirs} is {found}; {shape} is expected")
        tensor = torch.from_numpy(np.array(array, dtype=np.float32, order="C"))
        if not bool(tensor.isfinite().all()):
            raise UnreadablePickleError(f"the tensor {theirs} has numbers that are not finite")
        if ours.startswith("mapping.layers."):
            tensor *= rate / MAPPING_LR_MULTIPLIER
        taken[ours] = tensor
    _check_rest(left)
    return taken


def _check_rest(left: Mapping[str, np.ndarray]) -> None:
    """Nothing but filters is left, and they are the one that we have."""
    taps = np.array(TAPS, np.float32)
    ours = np.outer(taps, taps) / taps.sum() ** 2
    for name, array in left.items():
        if not name.endswith("resample_filter"):
            raise UnsupportedNetworkError(f"the tensor {name[:80]} has no counterpart here")
        if array.shape != ours.shape or not np.allclose(array, ours, atol=1e-6):
            raise UnsupportedNetworkError(f"{name[:80]} is not the filter {list(TAPS)}")
