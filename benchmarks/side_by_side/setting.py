"""What is compared: one configuration of StyleGAN2 + ADA, the same for every contestant."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from wunderkammer.gan.params import StyleGan2Params
from wunderkammer.gan.settings import StyleGan2Settings, stylegan2_settings

NETWORKS = ("auto", "stylegan2", "paper256", "paper512", "paper1024", "cifar")
# Samples that the reference gives one GPU at a time, unless its batch is set by hand.
_SPLIT = {"stylegan2": 4, "paper256": 8, "paper512": 8, "paper1024": 4, "cifar": 32}
_NUM_IMAGES = 256
PARTS = ("G main", "G reg", "D main", "D reg", "rest")


@dataclass(frozen=True)
class Setting:
    """`augment` is a group of ADA's transformations or a preset of groups ("" is none), at the
    fixed `probability`.

    `micro_batch` is how many samples the reference and the stand-in compute at once; ours chooses
    for itself. `more` is further keys of a recipe's train section, for ours: `precision`, say. The
    reference has float16 in the four highest resolutions on a GPU and float32 on a CPU, the
    stand-in float32.
    """

    preset: str
    resolution_px: int
    device: str
    batch: int | None = None
    micro_batch: int | None = None
    threads: int = 0
    augment: str = "bgc"
    probability: float = 0.2
    more: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """For a heading."""
        return f"{self.resolution_px} px, {self.preset}, batch {self.numbers.batch_size}"

    @property
    def train(self) -> StyleGan2Params:
        """As a recipe says it."""
        augment: dict[str, Any] = {"kind": "none"}
        if self.augment:
            augment = {"kind": "fixed", "transforms": self.augment, "p": self.probability}
        section = {
            "kind": "stylegan2",
            "network": self.preset,
            "total_kimg": 1000,
            "batch_size": self.batch,
            "augment": augment,
            **self.more,
        }
        return StyleGan2Params.model_validate(section)

    @cached_property
    def numbers(self) -> StyleGan2Settings:
        """Every number of it, with the networks' shapes."""
        picture = {"resolution_px": self.resolution_px, "channels": 3, "num_labels": 0}
        return stylegan2_settings(self.train, **picture)

    @property
    def part(self) -> int:
        """Samples that a peer computes at once."""
        default = self.numbers.batch_size if self.batch else _SPLIT.get(self.preset)
        return min(self.micro_batch or default or self.numbers.batch_size, self.numbers.batch_size)

    @property
    def intervals(self) -> dict[str, int]:
        """How often each part of a step is due: once in so many steps."""
        numbers = self.numbers
        parts = {"G main": 1, "D main": 1, "rest": 1}
        if numbers.path_length_weight:
            parts["G reg"] = numbers.path_length_interval
        if numbers.r1_gamma:
            parts["D reg"] = numbers.r1_interval
        return {name: parts[name] for name in PARTS if name in parts}

    def s_per_kimg(self, seconds: Mapping[str, float]) -> float:
        """Seconds for 1,000 images, from those of each part, which is done when it is due."""
        step_s = sum(s / self.intervals[part] for part, s in seconds.items())
        return 1000.0 * step_s / self.numbers.batch_size

    def images(self) -> np.ndarray:
        """Pictures to train on, uint8 [N, 3, H, W]: seeded coarse noise, as smooth as photos."""
        random = np.random.default_rng(0)
        coarse = random.integers(0, 256, (_NUM_IMAGES, 3, 8, 8), dtype=np.uint8)
        return coarse.repeat(self.resolution_px // 8, axis=2).repeat(
            self.resolution_px // 8, axis=3
        )
