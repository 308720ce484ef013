"""Features of the Inception network that FID and KID are defined by, from the user's weights file.

The file is never downloaded. It is the one that torch-fidelity and pytorch-fid publish under names
that end in `inception-2015-12-05-6726825d.pth`: TensorFlow's network of 2015 (arXiv 1512.00567),
which differs from torchvision's in how it pools.
"""

import hashlib
import io
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models import inception as torchvision_inception  # type: ignore[import-untyped]

SHA256_PREFIX = "6726825d"
SIDE_PX = 299

Resize = Literal["tensorflow", "antialias"]


class InceptionFileError(ValueError):
    """There is no weights file, or it is another one."""


class Inception(nn.Module):
    """RGB pictures of any size, uint8 [N, 3, H, W], to the 2,048 numbers before the classes.

    `resize` "tensorflow" is the bilinear sampling that published figures were made with, which
    leaves out pixels where it makes smaller; "antialias" (arXiv 2104.11222) takes them all. Scores
    of the one and of the other do not compare.
    """

    def __init__(self, network: nn.Module, *, resize: Resize) -> None:
        super().__init__()
        self.network = network
        self.resize = resize

    def forward(self, images_N3HW: Tensor) -> Tensor:
        """Features [N, 2048]."""
        x_N3HW = images_N3HW.float()
        if self.resize == "antialias":
            size = (SIDE_PX, SIDE_PX)
            x_N3HW = functional.interpolate(x_N3HW, size, mode="bilinear", antialias=True)
        else:
            x_N3HW = _sampled(_sampled(x_N3HW, axis=2), axis=3)
        features_ND: Tensor = self.network((x_N3HW - 128) / 128)
        return features_ND


def load_inception(path: Path, *, resize: Resize, sha256_prefix: str = SHA256_PREFIX) -> Inception:
    """The network with the weights of a file, in eval mode, on the CPU.

    Only tensors are read from the file, after its hash has been compared.

    Raises:
        InceptionFileError: there is no such file, or its SHA-256 begins otherwise.
        RuntimeError: its tensors are not those of the network.
    """
    if not path.is_file():
        raise InceptionFileError(
            f"there is no file {path}; evaluate.inception_weights names the weights that FID is "
            f"measured with (a file ...inception-2015-12-05-{SHA256_PREFIX}.pth, which you get "
            f"yourself: nothing is downloaded here); leave it out to do without FID"
        )
    content = path.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if not found.startswith(sha256_prefix):
        raise InceptionFileError(
            f"{path} has the SHA-256 {found}, it must begin with {sha256_prefix}: the file is "
            f"damaged or another one, and its scores would compare with nobody's"
        )
    tensors = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    network = inception_network()
    network.load_state_dict(tensors, strict=True, assign=True)
    network.fc = nn.Identity()
    return Inception(network, resize=resize).eval().requires_grad_(False)


def inception_network() -> torchvision_inception.Inception3:
    """TensorFlow's Inception of 2015 without its weights (on the device `meta`): 1,008 classes."""
    blocks = [
        torchvision_inception.BasicConv2d,
        _PooledA,
        torchvision_inception.InceptionB,
        _PooledC,
        torchvision_inception.InceptionD,
        _PooledE,
        torchvision_inception.InceptionAux,
    ]
    with torch.device("meta"):
        network = torchvision_inception.Inception3(
            num_classes=1008, aux_logits=False, inception_blocks=blocks, init_weights=False
        )
        network.Mixed_7c = _MostPooledE(2048)
    return network


class _MeanOfPixels:
    """The pooling branch takes means over the picture's own pixels, not over the padding too."""

    def _pool(self, x_NCHW: Tensor) -> Tensor:
        return functional.avg_pool2d(x_NCHW, 3, stride=1, padding=1, count_include_pad=False)

    def _forward(self, x_NCHW: Tensor) -> list[Tensor]:
        *others, _ = super()._forward(x_NCHW)  # type: ignore[misc]
        return [*others, self.branch_pool(self._pool(x_NCHW))]  # type: ignore[attr-defined]


class _PooledA(_MeanOfPixels, torchvision_inception.InceptionA):  # type: ignore[misc]
    pass


class _PooledC(_MeanOfPixels, torchvision_inception.InceptionC):  # type: ignore[misc]
    pass


class _PooledE(_MeanOfPixels, torchvision_inception.InceptionE):  # type: ignore[misc]
    pass


class _MostPooledE(_PooledE):
    """The last block takes the largest instead."""

    def _pool(self, x_NCHW: Tensor) -> Tensor:
        return functional.max_pool2d(x_NCHW, 3, stride=1, padding=1)


def _sampled(x_N3HW: Tensor, *, axis: int) -> Tensor:
    """299 rows or columns by TensorFlow 1's rule: the i-th lies at i * side / 299, linear."""
    side = x_N3HW.shape[axis]
    place_S = torch.arange(SIDE_PX, device=x_N3HW.device) * (side / SIDE_PX)
    low_S = place_S.long()
    part_S = (place_S - low_S).reshape([-1 if a == axis else 1 for a in range(4)])
    low = x_N3HW.index_select(axis, low_S)
    return low + part_S * (x_N3HW.index_select(axis, (low_S + 1).clamp(max=side - 1)) - low)
