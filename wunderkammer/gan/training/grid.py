"""Sheets of samples from latents that stay the same all through a training."""

import io
import math

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from wunderkammer.gan.checkpoints.published import some_labels
from wunderkammer.gan.networks.interface import GeneratorNetwork

MAX_BYTES = 200_000
SHEET_PX = 640
MIN_TILE_PX = 64
PICTURES_AT_ONCE = 16


def grid_latents(generator: GeneratorNetwork, *, seed: int) -> Tensor:
    """As many z [N, Z] as fill a sheet."""
    tiles = SHEET_PX // _tile_px(generator.resolution_px)
    random = torch.Generator().manual_seed(seed)
    return torch.randn(tiles * (tiles * 3 // 5), generator.z_dim, generator=random)


def draw_grid(generator: GeneratorNetwork, latents_NZ: Tensor) -> np.ndarray:
    """A sheet of samples, uint8 [H, W, 3], five to three; small pictures are shown enlarged."""
    return tile(pictures_of(generator, latents_NZ))


@torch.no_grad()
def pictures_of(generator: GeneratorNetwork, latents_NZ: Tensor) -> np.ndarray:
    """What it draws, uint8 [N, C, H, W], from z [N, Z]; labels in turn."""
    device = next(generator.parameters()).device
    labels_NL = some_labels(generator, len(latents_NZ))
    drawn: list[Tensor] = []
    for first in range(0, len(latents_NZ), PICTURES_AT_ONCE):
        part = slice(first, first + PICTURES_AT_ONCE)
        labels = None if labels_NL is None else labels_NL[part].to(device)
        drawn.append(generator(latents_NZ[part].to(device), labels).float().cpu())
    return torch.cat(drawn).add(1.0).mul(127.5).round().clamp(0, 255).byte().numpy()


def tile(images_NCHW: np.ndarray) -> np.ndarray:
    """Pictures, uint8 [N, C, H, W], side by side: uint8 [H, W, 3]."""
    num, channels, side, _ = images_NCHW.shape
    columns = math.ceil(math.sqrt(num * 5 / 3))
    rows = math.ceil(num / columns)
    sheet = np.zeros((rows * columns, channels, side, side), np.uint8)
    sheet[:num] = images_NCHW
    joined = sheet.reshape(rows, columns, channels, side, side).transpose(0, 3, 1, 4, 2)
    pixels = joined.reshape(rows * side, columns * side, channels)
    factor = _tile_px(side) / side
    size = (round(columns * side * factor), round(rows * side * factor))
    how = Image.Resampling.NEAREST if factor >= 1 else Image.Resampling.LANCZOS
    image = Image.fromarray(pixels[:, :, 0] if channels == 1 else pixels)
    return np.asarray(image.convert("RGB").resize(size, how))


def encode_grid(pixels_HWC: np.ndarray) -> bytes:
    """JPEG of at most 200 kB: lower quality first, then half the size."""
    image = Image.fromarray(pixels_HWC)
    while True:
        for quality in (92, 85, 75, 60):
            sink = io.BytesIO()
            image.save(sink, "JPEG", quality=quality)
            if sink.tell() <= MAX_BYTES:
                return sink.getvalue()
        image = image.resize((image.width // 2, image.height // 2), Image.Resampling.LANCZOS)


def _tile_px(side_px: int) -> int:
    """Small pictures enlarged by a whole factor, large ones reduced to a fifth of the sheet."""
    if side_px < MIN_TILE_PX:
        return side_px * (MIN_TILE_PX // side_px)
    return min(side_px, SHEET_PX // 5)
