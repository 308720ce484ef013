"""Where the pictures of a training are: on the GPU, in memory, or in a file that is decoded."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import psutil
import torch
from torch import Tensor

from wunderkammer.gan.training.loader import TrainingImages
from wunderkammer.shards.pictures import (
    Pictures,
    PicturesInMemory,
    StreamedPictures,
    picture_file,
)
from wunderkammer.shards.read import load_images
from wunderkammer.storage.store import Store

# The most that pictures take of what is free; the rest is for what a training computes.
GPU_SHARE = 0.4
MEMORY_SHARE = 0.5
COPIED_AT_ONCE = 1024

Residence = Literal["gpu", "memory", "stream"]


@dataclass(frozen=True)
class Place:
    """How many pictures there are of which size, and how much of what is free they may take."""

    num_images: int
    channels: int
    side_px: int
    free_gpu_bytes: int
    free_memory_bytes: int

    @property
    def num_bytes(self) -> int:
        """All pixels."""
        return self.num_images * self.channels * self.side_px**2

    def choose(self) -> Residence:
        """The fastest place where they fit."""
        if self.num_bytes <= self.free_memory_bytes:
            return "gpu" if self.num_bytes <= self.free_gpu_bytes else "memory"
        return "stream"

    def line(self, residence: Residence) -> str:
        """What was chosen, for the log."""
        places = {
            "gpu": "on the GPU",
            "memory": "in memory",
            "stream": "streamed from compressed files, decoded ahead",
        }
        free = f"{_gb(self.free_memory_bytes)} of memory"
        if self.free_gpu_bytes:
            free = f"{_gb(self.free_gpu_bytes)} of the GPU, {free}"
        return (
            f"{self.num_images} pictures of {self.side_px} px ({_gb(self.num_bytes)} of pixels) "
            f"are {places[residence]}; they may take {free}"
        )


def place_of(device: torch.device, *, num_images: int, channels: int, side_px: int) -> Place:
    """What is free here and now. Processes of one machine share its memory."""
    free_gpu_bytes = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else 0
    num_here = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    return Place(
        num_images=num_images,
        channels=channels,
        side_px=side_px,
        free_gpu_bytes=int(GPU_SHARE * free_gpu_bytes),
        free_memory_bytes=int(MEMORY_SHARE * psutil.virtual_memory().available / num_here),
    )


def open_images(
    store: Store, keys: Sequence[str], *, place: Place, residence: Residence, scratch: Path
) -> TrainingImages:
    """All pictures of the shards, without labels.

    Raises:
        ShardError: a shard or a picture is missing, damaged, or has another size.
        OSError: `scratch`, where a streamed file is made, has no room.
    """
    pictures: Pictures
    if residence == "stream":
        file = picture_file(store, keys, folder=scratch)
        pictures = StreamedPictures(file, side_px=place.side_px, channels=place.channels)
    else:
        pictures = PicturesInMemory(
            load_images(store, keys, resolution_px=place.side_px, channels=place.channels)
        )
    return TrainingImages(pictures, np.arange(place.num_images))


def on_gpu(images: TrainingImages, device: torch.device) -> TrainingImages:
    """The same with all pixels on the device."""
    return replace(images, resident_NCHW=_copied(images.pictures, device))


def _copied(pictures: Pictures, device: torch.device) -> Tensor:
    num, channels, height, width = pictures.shape
    there_NHWC = torch.empty(num, height, width, channels, dtype=torch.uint8, device=device)
    for first in range(0, num, COPIED_AT_ONCE):
        part_N = np.arange(first, min(first + COPIED_AT_ONCE, num))
        part_NHWC = pictures.read(part_N).transpose(0, 2, 3, 1)
        there_NHWC[first : first + len(part_N)] = torch.from_numpy(part_NHWC)
    return there_NHWC.permute(0, 3, 1, 2)


def _gb(num_bytes: int) -> str:
    return f"{num_bytes / 1e9:.1f} GB"
