"""Networks of torchvision and timm, with weights from a file."""

import importlib
import importlib.util
import os
from collections.abc import Callable, Mapping
from difflib import get_close_matches

import numpy as np
import torch
import torchvision  # type: ignore[import-untyped]
from torch import Tensor, nn

from wunderkammer.classify.errors import NetworkFileError
from wunderkammer.classify.network import Floats, as_rows, softmax
from wunderkammer.classify.settings import NetworkSettings
from wunderkammer.classify.weights_file import brief, read_weights
from wunderkammer.gan.device import choose_device

TIMM = "timm/"
USUAL_CLASSES = 1000
# The first two normalise within the network where their weights want it, which no tensor tells; the
# third asks for a version beside the tensors.
REFUSED = ("googlenet", "inception_v3", "mnasnet")

Build = Callable[[int], nn.Module]


class TorchNetwork:
    """A network of torchvision or timm at work, on a GPU if there is one.

    `WUNDERKAMMER_DEVICE` names another device.

    Raises:
        NetworkFileError: there is no such architecture, or the weights are not of it.
        ValueError: there is no such GPU.
    """

    def __init__(self, settings: NetworkSettings, *, input_px: int) -> None:
        self._settings = settings
        self._device = choose_device(os.environ.get("WUNDERKAMMER_DEVICE") or "auto")
        self._network = load_network(settings).to(self._device)
        self._input_px = input_px
        self.name = f"torch {torch.__version__} on {self._device}"

    def run(self, x_NCHW: Floats) -> Floats:
        """As `Network.run`."""
        try:
            with torch.inference_mode():
                output = self._network(torch.from_numpy(x_NCHW).to(self._device))
        except (AssertionError, RuntimeError) as error:
            raise NetworkFileError(
                f"{self._settings.architecture} fails on pictures of {self._input_px} px: "
                f"{brief(error)}; set input_px to the size that it was made for"
            ) from error
        found = output.float().cpu().numpy()
        rows_NK = as_rows(np.asarray(found), settings=self._settings, num=len(x_NCHW))
        return softmax(rows_NK) if self._settings.head == "classes" else rows_NK


def load_network(settings: NetworkSettings) -> nn.Module:
    """The network with its weights, in evaluation mode; for embeddings without its last layer.

    Raises:
        NetworkFileError: there is no such architecture, or the weights are not of it.
    """
    assert settings.architecture is not None
    build = _builder(settings.architecture)
    tensors = read_weights(settings)
    # Some architectures compute with their numbers as they are built, so the device can't be meta.
    with torch.random.fork_rng(devices=[]):
        network = build(USUAL_CLASSES)
        num_classes = _num_classes(network.state_dict(), tensors)
        if num_classes != USUAL_CLASSES:
            network = build(num_classes)
    if settings.head == "embedding":
        tensors = _beheaded(network, tensors, num_classes=num_classes, settings=settings)
    try:
        network.load_state_dict(tensors, strict=True, assign=True)
    except RuntimeError as error:
        raise NetworkFileError(
            f"the weights of {settings.path.name} are not those of {settings.architecture}: "
            f"{brief(error)}; correct the architecture"
        ) from error
    return network.eval().requires_grad_(False)


def _builder(architecture: str) -> Build:
    if architecture.startswith(TIMM):
        if importlib.util.find_spec("timm") is None:
            raise NetworkFileError(
                f"architecture={architecture!r} needs timm, which is not installed; "
                f"`uv pip install timm`, or export the network as ONNX"
            )
        timm = importlib.import_module("timm")
        name = architecture.removeprefix(TIMM)
        _check_known(name, timm.list_models(), of="timm")
        return lambda num: timm.create_model(name, pretrained=False, num_classes=num)
    known = torchvision.models.list_models(module=torchvision.models)
    _check_known(
        architecture, [name for name in known if not name.startswith(REFUSED)], of="torchvision"
    )
    return lambda num: torchvision.models.get_model(architecture, weights=None, num_classes=num)


def _check_known(name: str, known: list[str], *, of: str) -> None:
    if name not in known:
        meant = get_close_matches(name, known, n=1)
        hint = f", did you mean {meant[0]!r}?" if meant else ""
        raise NetworkFileError(
            f"architecture={name!r} is no classifier of {of} that can be used{hint}; name one of "
            f"its {len(known)}, or export the network as ONNX"
        )


def _num_classes(expected: Mapping[str, Tensor], tensors: Mapping[str, Tensor]) -> int:
    """What the tensors that differ from a network of `USUAL_CLASSES` have in their first axis."""
    sizes = {
        tensors[name].shape[0]
        for name, tensor in expected.items()
        if name in tensors
        and tensor.ndim
        and tensor.ndim == tensors[name].ndim
        and tensor.shape != tensors[name].shape
        and tensor.shape[1:] == tensors[name].shape[1:]
    }
    return sizes.pop() if len(sizes) == 1 else USUAL_CLASSES


def _beheaded(
    network: nn.Module,
    tensors: dict[str, Tensor],
    *,
    num_classes: int,
    settings: NetworkSettings,
) -> dict[str, Tensor]:
    """Take the last linear layer off a network and its weights, which may lack it already."""
    heads = [
        name
        for name, module in network.named_modules()
        if isinstance(module, nn.Linear) and module.out_features == num_classes
    ]
    if not heads:
        raise NetworkFileError(
            f"{settings.architecture} does not end in a linear layer, so there is no embedding "
            f"before it; take another network"
        )
    parent, _, name = heads[-1].rpartition(".")
    setattr(network.get_submodule(parent), name, nn.Identity())
    return {key: value for key, value in tensors.items() if not key.startswith(f"{heads[-1]}.")}
