"""What the referee asks of a training: take steps, and show that it is the same training."""

import copy
from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor, nn

from benchmarks.side_by_side.setting import Setting
from wunderkammer.gan.objectives.average import ema_beta, lazy_adam

Mark = Callable[[str], None]
LARGEST_GRADIENT = 1e5
LAZY_PHASES = {"G main": "G", "G reg": "G", "D main": "D", "D reg": "D"}


class Contestant(Protocol):
    """One way to train the networks of a setting."""

    remark: str

    @property
    def generator(self) -> nn.Module:
        """Its generator."""

    @property
    def discriminator(self) -> nn.Module:
        """Its discriminator."""

    def step(self, index: int, mark: Mark) -> None:
        """Step `index`: every phase that is due, then the rest; `mark` hears when each ended."""

    def load(self, generator: dict[str, Tensor], discriminator: dict[str, Tensor]) -> None:
        """Take these weights, named as ours are."""

    def generate(self, z_NZ: Tensor) -> tuple[Tensor, Tensor]:
        """Images without noise or style mixing, and their w [N, L, D]."""

    def score(self, images_NCHW: Tensor) -> Tensor:
        """Scores [N] of images, not augmented."""


def load_state(network: nn.Module, values: dict[str, Tensor]) -> None:
    """Fill the parameters of a network; the names must be the same on both sides.

    Raises:
        ValueError: they are not.
    """
    own = dict(network.named_parameters())
    if own.keys() != values.keys():
        raise ValueError(f"weights without a counterpart: {sorted(own.keys() ^ values.keys())}")
    with torch.no_grad():
        for name, parameter in own.items():
            parameter.copy_(values[name])


Backward = Callable[[str, Tensor, Tensor, float], None]


class LazyLoop:
    """Steps as the reference's loop takes them: four phases, two Adams, one average.

    `backward(phase, reals, z, gain)` adds gradients. Pictures are on the device, which costs less
    than the reference's loader does.
    """

    def __init__(
        self, setting: Setting, generator: nn.Module, discriminator: nn.Module, backward: Backward
    ) -> None:
        self.setting = setting
        self.networks = {"G": generator, "D": discriminator}
        self.backward = backward
        self.device = torch.device(setting.device)
        self.images_NCHW = torch.from_numpy(setting.images()).to(self.device)
        self.random = torch.Generator(self.device).manual_seed(0)
        self.average = copy.deepcopy(generator).requires_grad_(False).eval()
        numbers = setting.numbers
        self.adams = {
            "G": self._adam("G", numbers.generator_rate, setting.intervals.get("G reg")),
            "D": self._adam("D", numbers.discriminator_rate, setting.intervals.get("D reg")),
        }
        self.num_images = 0
        # As the reference sets them; they mean nothing on a CPU.
        torch.backends.cudnn.benchmark = True
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.allow_tf32 = False
        for network in self.networks.values():
            network.requires_grad_(False)

    def _adam(self, name: str, rate: float, interval: int | None) -> torch.optim.Adam:
        betas = (0.0, 0.99)
        if interval is not None:
            rate, betas = lazy_adam(rate, betas, interval=interval)
        return torch.optim.Adam(self.networks[name].parameters(), lr=rate, betas=betas, eps=1e-8)

    def step(self, index: int, mark: Mark) -> None:
        reals_NCHW = self._reals()
        for name, interval in self.setting.intervals.items():
            if name != "rest" and index % interval == 0:
                self._run(name, reals_NCHW, gain=interval)
                mark(name)
        self._follow()
        mark("rest")

    def _reals(self) -> Tensor:
        batch = self.setting.numbers.batch_size
        picked = torch.randint(
            len(self.images_NCHW), (batch,), generator=self.random, device=self.device
        )
        return self.images_NCHW[picked].float() / 127.5 - 1

    def _run(self, phase: str, reals_NCHW: Tensor, *, gain: float) -> None:
        name = LAZY_PHASES[phase]
        network, adam = self.networks[name], self.adams[name]
        z_NZ = torch.randn(len(reals_NCHW), self.setting.numbers.network.z_dim, device=self.device)
        adam.zero_grad(set_to_none=True)
        network.requires_grad_(True)
        part = self.setting.part
        for reals, z in zip(torch.split(reals_NCHW, part), torch.split(z_NZ, part), strict=True):
            self.backward(phase, reals, z, gain)
        network.requires_grad_(False)
        for parameter in network.parameters():
            if parameter.grad is not None:
                torch.nan_to_num_(
                    parameter.grad, nan=0.0, posinf=LARGEST_GRADIENT, neginf=-LARGEST_GRADIENT
                )
        adam.step()

    @torch.no_grad()
    def _follow(self) -> None:
        numbers = self.setting.numbers
        self.num_images += numbers.batch_size
        beta = ema_beta(
            batch_size=numbers.batch_size,
            num_images=self.num_images,
            ema_images=numbers.ema_images,
            rampup=numbers.ema_rampup or None,
        )
        generator = self.networks["G"]
        pairs = zip(self.average.parameters(), generator.parameters(), strict=True)
        for average, fresh in pairs:
            average.copy_(torch.lerp(fresh, average, beta))
        for kept, buffer in zip(self.average.buffers(), generator.buffers(), strict=True):
            kept.copy_(buffer)
