"""What the methods have in common.

Shapes: N samples, L labels, C channels, H rows, W columns.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from wunderkammer.gan.augment.build import build_augment
from wunderkammer.gan.augment.controller import adapt_p, validation_heuristic
from wunderkammer.gan.augment.params import AdaAugment, AugmentParams, FixedAugment
from wunderkammer.gan.draws import Draws
from wunderkammer.gan.training.health import AUGMENT_P, REAL_SIGN
from wunderkammer.gan.training.phases import Means

ADAM_EPSILON = 1e-8
REAL, FAKE, HELD_OUT = "scores/real", "scores/fake", "scores/held_out"


def adam_of(network: nn.Module, *, rate: float, betas: tuple[float, float]) -> torch.optim.Adam:
    """Adam over the parameters that learn (frozen layers do not)."""
    learning = [p for p in network.parameters() if p.requires_grad]
    return torch.optim.Adam(
        learning,
        lr=rate,
        betas=betas,
        eps=ADAM_EPSILON,
        fused=True,
        capturable=learning[0].device.type == "cuda",  # its steps may be part of a CUDA graph
    )


@dataclass(frozen=True)
class LabelSource:
    """Labels for generated images, as frequent as among the training images."""

    labels_N: Tensor
    num_labels: int

    def draw(self, draws: Draws) -> Tensor | None:
        """One-hot float [N, L]; None if the training has no labels."""
        if not self.num_labels:
            return None
        picked_N = self.labels_N[draws.integers(0, len(self.labels_N))]
        return functional.one_hot(picked_N, self.num_labels).float()


class Augmenter:
    """The augmentation of what the discriminator sees, with its probability p.

    With ADA, p follows how much the discriminator overfits (arXiv 2006.06676, section 3.1).
    """

    def __init__(
        self, params: AugmentParams, *, channels: int, mirror: bool, device: torch.device
    ) -> None:
        self.params = params
        built = build_augment(params, channels=channels, mirror=mirror)
        self.transform = None if built is None else built.to(device)
        initial = 1.0
        if isinstance(params, AdaAugment):
            initial = params.initial_p
        elif isinstance(params, FixedAugment):
            initial = params.p
        self.p = torch.tensor(initial, device=device)
        # Sums over the batches since p last moved, and in the end how many these are.
        self._sums = torch.zeros(4, device=device)

    @property
    def scalars(self) -> dict[str, Tensor]:
        """What a checkpoint keeps."""
        return {"augment_p": self.p, "augment_sums": self._sums}

    @property
    def needs_held_out(self) -> bool:
        """Whether p follows the scores of pictures that are not trained on."""
        return isinstance(self.params, AdaAugment) and self.params.metric == "rv"

    def shown(self) -> dict[str, Tensor]:
        """p where it adapts, for ticks."""
        return {AUGMENT_P: self.p} if isinstance(self.params, AdaAugment) else {}

    def reals(self, images_NCHW: Tensor, draws: Draws) -> Tensor:
        """Real images as the discriminator sees them."""
        if self.transform is None:
            return images_NCHW
        augmented: Tensor = self.transform(images_NCHW, draws, self.p)
        return augmented

    def fakes(self, images_NCHW: Tensor, draws: Draws) -> Tensor:
        """Generated images as the discriminator sees them."""
        if self.transform is None or self.transform.reals_only:
            return images_NCHW
        augmented: Tensor = self.transform(images_NCHW, draws, self.p)
        return augmented

    def observe(self, means: Means, *, batch_size: int) -> None:
        """Note a batch's mean scores or signs; every `interval` batches p moves by them."""
        if not isinstance(self.params, AdaAugment):
            return
        names = (REAL_SIGN,) * 3 if self.params.metric == "rt" else (REAL, HELD_OUT, FAKE)
        values = [means[name].float() for name in names]
        self._sums += torch.stack([*values, torch.ones_like(values[0])])
        first, second, third = self._sums[:3] / self._sums[3]
        signal = first if self.params.metric == "rt" else validation_heuristic(first, second, third)
        interval = self.params.interval
        moved = adapt_p(
            self.p,
            signal,
            target=self.params.target,
            num_images=batch_size * interval,
            speed_images=self.params.speed_kimg * 1000,
        )
        is_due = self._sums[3] >= interval
        self.p.copy_(torch.where(is_due, moved, self.p))
        self._sums.copy_(torch.where(is_due, 0.0, self._sums))
