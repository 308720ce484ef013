"""A pickle of our StyleGAN2 networks that the tools of StyleGAN2-ADA-PyTorch load.

Those tools take a network as `torch_utils.persistence` wrote it: the source code of its class, and
its state. The code written here is `REBUILD` below, this project's own: it has the checkout that
loads the file construct its own networks, and puts the tensors in. So the file works wherever
`training/networks.py` (or StyleGAN3's `training/networks_stylegan2.py`) can be imported, and the
networks are that checkout's from then on, to be saved again like any other.

The file is written opcode by opcode, of protocol 3 (the opcodes: Python's `pickletools`); a tensor
is a storage of PyTorch's legacy format (see `wunderkammer.gan.interop.pickled_tensors`).
"""

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from wunderkammer.gan.interop.errors import UnsupportedNetworkError
from wunderkammer.gan.interop.nvlabs_names import discriminator_names, generator_names
from wunderkammer.gan.interop.pickle_reader import PERSISTENCE_VERSION
from wunderkammer.gan.interop.pickled_tensors import FORMAT_VERSION, MAGIC
from wunderkammer.gan.interop.portable import Portable, check_portable, write_whole
from wunderkammer.gan.networks.params import NetworkParams, StyleGan2Network

REBUILD = '''"""Networks of a Wunderkammer checkpoint, rebuilt by the checkout that loads them."""

import torch

try:
    from training import networks
except ImportError:
    from training import networks_stylegan2 as networks


class _Rebuilt(torch.nn.Module):
    def __setstate__(self, state):
        settings = dict(state["_init_kwargs"])
        if networks.__name__.endswith("networks_stylegan2"):
            settings.update(settings.pop("synthesis_kwargs", {}))
        network = self.kind(**settings)
        filters = {name for name in network.state_dict() if name.endswith("resample_filter")}
        found = network.load_state_dict(state["_parameters"], strict=False)
        wrong = set(found.missing_keys) - filters | set(found.unexpected_keys)
        if wrong:
            raise ValueError("tensors that do not fit this checkout: %s" % sorted(wrong))
        network.eval().requires_grad_(False)
        # From here on this object is the checkout's own network.
        self.__dict__ = network.__dict__
        self.__class__ = type(network)


class Generator(_Rebuilt):
    kind = networks.Generator


class Discriminator(_Rebuilt):
    kind = networks.Discriminator
'''
STOP = b"."


def write_nvlabs_pickle(path: Path, portable: Portable) -> None:
    """Write the networks as `G`, `D` and `G_ema` at `path`, whole or not at all.

    Without a generator before averaging (a finished checkpoint keeps none), `G` is `G_ema`.

    Raises:
        UnsupportedNetworkError: they are no StyleGAN2, have no discriminator, or a shape that the
            reference can't have.
        PortableFileError: the tensors are not those of the networks.
    """
    params = _writable(portable.networks)
    check_portable(portable)
    average, discriminator = portable.network("average"), portable.network("discriminator")
    if not discriminator:
        raise UnsupportedNetworkError(
            "there is no discriminator, and the reference's tools need one; use safetensors or onnx"
        )
    generators = {"G": portable.network("generator") or average, "G_ema": average}
    written = {
        name: _network("Generator", _generator_settings(params), tensors, generator_names(params))
        for name, tensors in generators.items()
    }
    settings, names = _discriminator_settings(params), discriminator_names(params)
    written["D"] = _network("Discriminator", settings, discriminator, names)
    plain = {"training_set_kwargs": _constant(None), "augment_pipe": _constant(None)}
    write_whole(path, _pickled(_dict({**written, **plain}), protocol=3))


def _writable(params: NetworkParams) -> StyleGan2Network:
    if not isinstance(params, StyleGan2Network):
        raise UnsupportedNetworkError(
            f"{params.kind} networks can't be written for the tools of StyleGAN2-ADA; use "
            f"safetensors or onnx"
        )
    plain = params.model_copy(update={"channel_min": 1})
    if any(params.features(side) != plain.features(side) for side in params.sides_px):
        raise UnsupportedNetworkError(
            f"channel_min={params.channel_min} is at work, which StyleGAN2-ADA does not know; use "
            f"safetensors or onnx"
        )
    return params


def _picture(params: StyleGan2Network) -> dict[str, Any]:
    return {
        "c_dim": params.num_labels,
        "img_resolution": params.resolution_px,
        "img_channels": params.channels,
    }


def _channels(params: StyleGan2Network) -> dict[str, Any]:
    return {
        "channel_base": params.channel_base,
        "channel_max": params.channel_max,
        "num_fp16_res": 0,
        "conv_clamp": params.clamp,
    }


def _generator_settings(params: StyleGan2Network) -> dict[str, Any]:
    return {
        "z_dim": params.z_dim,
        "w_dim": params.w_dim,
        **_picture(params),
        "mapping_kwargs": {"num_layers": params.num_mapping_layers},
        "synthesis_kwargs": _channels(params),
    }


def _discriminator_settings(params: StyleGan2Network) -> dict[str, Any]:
    return {
        **_picture(params),
        **_channels(params),
        "architecture": "resnet" if params.residual else "orig",
        "mapping_kwargs": {"num_layers": params.num_label_layers},
        "epilogue_kwargs": {"mbstd_group_size": params.deviation_group or None},
    }


def _network(
    class_name: str,
    settings: Mapping[str, Any],
    tensors: Mapping[str, Tensor],
    names: Mapping[str, str],
) -> bytes:
    parameters = {theirs: _tensor(tensors[ours].numpy()) for ours, theirs in names.items()}
    state = {
        "_init_args": _tuple(),
        "_init_kwargs": _value(settings),
        "_parameters": _dict(parameters),
        "_buffers": _dict({}),
        "_modules": _dict({}),
    }
    meta = {
        "type": _text("class"),
        "version": _integer(PERSISTENCE_VERSION),
        "module_src": _text(REBUILD),
        "class_name": _text(class_name),
        "state": _dict(state),
    }
    return _call("torch_utils.persistence", "_reconstruct_persistent_obj", _dict(meta))


def _tensor(array: np.ndarray) -> bytes:
    array = np.array(array, "<f4", order="C")
    storage = _call("torch.storage", "_load_from_bytes", _bytes(_storage(array)))
    size = [_integer(side) for side in array.shape]
    stride = [_integer(step // array.itemsize) for step in array.strides]
    hooks = _call("collections", "OrderedDict")
    parts = (storage, _integer(0), _tuple(*size), _tuple(*stride), _constant(False), hooks)
    return _call("torch._utils", "_rebuild_tensor_v2", *parts)


def _storage(array: np.ndarray) -> bytes:
    """The five pickles and the elements of PyTorch's legacy format."""
    sizes = {"short": _integer(2), "int": _integer(4), "long": _integer(4)}
    machine = {
        "protocol_version": _integer(FORMAT_VERSION),
        "little_endian": _constant(True),
        "type_sizes": _dict(sizes),
    }
    identity = _tuple(
        _text("storage"),
        _global("torch", "FloatStorage"),
        _text("0"),
        _text("cpu"),
        _integer(array.size),
        _constant(None),
    )
    persistent = identity + b"Q"
    keys = b"](" + _text("0") + b"e"
    parts = (_integer(MAGIC), _integer(FORMAT_VERSION), _dict(machine), persistent, keys)
    pickles = b"".join(_pickled(part, protocol=2) for part in parts)
    return pickles + struct.pack("<q", array.size) + array.tobytes()


def _pickled(value: bytes, *, protocol: int) -> bytes:
    return b"\x80" + bytes([protocol]) + value + STOP


def _value(value: Any) -> bytes:
    if value is None or isinstance(value, bool):
        return _constant(value)
    if isinstance(value, dict):
        return _dict({name: _value(item) for name, item in value.items()})
    if isinstance(value, str):
        return _text(value)
    return _integer(value) if isinstance(value, int) else b"G" + struct.pack(">d", value)


def _constant(value: bool | None) -> bytes:
    return {None: b"N", True: b"\x88", False: b"\x89"}[value]


def _integer(value: int) -> bytes:
    data = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(data)]) + data


def _text(value: str) -> bytes:
    data = value.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def _bytes(value: bytes) -> bytes:
    return b"B" + struct.pack("<I", len(value)) + value


def _tuple(*items: bytes) -> bytes:
    return b"(" + b"".join(items) + b"t"


def _dict(items: Mapping[str, bytes]) -> bytes:
    pairs = b"".join(_text(name) + item for name, item in items.items())
    return b"}(" + pairs + b"u"


def _global(module: str, name: str) -> bytes:
    return f"c{module}\n{name}\n".encode()


def _call(module: str, name: str, *arguments: bytes) -> bytes:
    return _global(module, name) + _tuple(*arguments) + b"R"
