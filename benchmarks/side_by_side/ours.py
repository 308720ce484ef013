"""The project's own trainer as a contestant: its state and its `train_step`, as they are."""

from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.utils import deterministic

from benchmarks.side_by_side.contestant import Mark, load_state
from benchmarks.side_by_side.setting import Setting
from wunderkammer.gan.networks.precision import Block, set_precision
from wunderkammer.gan.networks.stylegan2_generator import StyleGan2Generator
from wunderkammer.gan.train import keep_freed_memory, set_up
from wunderkammer.gan.training.loader import TrainingImages
from wunderkammer.gan.training.loop import new_state
from wunderkammer.gan.training.phases import Means, Phase
from wunderkammer.gan.training.step import train_step

_PARTS = {
    "generator": "G main",
    "path_length": "G reg",
    "discriminator": "D main",
    "r1": "D reg",
}


class Ours:
    """Marks are set where a phase reports its means, which is the last that it does."""

    def __init__(self, setting: Setting) -> None:
        device = torch.device(setting.device)
        keep_freed_memory()
        set_up(device, is_deterministic=False)
        torch.use_deterministic_algorithms(device.type == "cpu")
        deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
        data = TrainingImages.of(setting.images())
        self.state = new_state(data, setting.train, device=device)
        method = self.state.method
        assert isinstance(method.generator, StyleGan2Generator)
        self.generator = method.generator
        self.discriminator = method.discriminator
        self.remark = f"{_types(method.generator)} in the highest resolutions"
        self._mark: Mark | None = None
        vars(method)["phases"] = tuple(self._marking(phase) for phase in method.phases)

    def _marking(self, phase: Phase) -> Phase:
        def after(means: Means) -> None:
            if phase.after is not None:
                phase.after(means)
            if self._mark is not None:
                self._mark(_PARTS[phase.name])

        return replace(phase, after=after)

    def step(self, index: int, mark: Mark) -> None:
        self._mark = mark
        self.state.num_steps = index
        train_step(self.state)
        mark("rest")

    def load(self, generator: dict[str, Tensor], discriminator: dict[str, Tensor]) -> None:
        """Take weights, and from now on compute in 32 bits: they are to be compared."""
        for network, values in (
            (self.generator, generator),
            (self.discriminator, discriminator),
        ):
            load_state(network, values)
            set_precision(network, None)

    def generate(self, z_NZ: Tensor) -> tuple[Tensor, Tensor]:
        synthesis = self.generator.synthesis
        w_ND = self.generator.mapping(z_NZ)
        w_NLD = w_ND[:, None].repeat(1, synthesis.num_layers, 1)
        return synthesis(w_NLD, noise_mode="none"), w_NLD

    def score(self, images_NCHW: Tensor) -> Tensor:
        scores_N: Tensor = self.discriminator(images_NCHW)
        return scores_N


def _types(network: nn.Module) -> str:
    found = {b.dtype for b in network.modules() if isinstance(b, Block)} - {None}
    return ", ".join(str(dtype).removeprefix("torch.") for dtype in found) or "float32"
