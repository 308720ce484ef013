"""What the methods without lazy regularisation share: the discriminator, then the generator.

Generated images have the labels of the batch's pictures, so both have them equally often.

Shapes: N samples, C channels, H rows, W columns.
"""

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from wunderkammer.gan.networks.interface import DiscriminatorNetwork, GeneratorNetwork
from wunderkammer.gan.objectives.average import ema_beta, update_ema
from wunderkammer.gan.objectives.penalties import r1_penalty
from wunderkammer.gan.training.health import FAKE_SIGN, REAL_SIGN
from wunderkammer.gan.training.methods.shared import FAKE, HELD_OUT, REAL, Augmenter, adam_of
from wunderkammer.gan.training.phases import Batch, Means, Phase, Rows


class AlternatingMethod(ABC):
    """An Adam a network and an average of the generator; a family adds losses and schedules.

    `rate` and `ema_images` may change at `begin_step`. An average over 0 images is a copy.
    """

    smallest_part = 1
    can_be_recorded = False  # stages, schedules and shared z live in Python

    def __init__(
        self,
        generator: GeneratorNetwork,
        discriminator: DiscriminatorNetwork,
        *,
        augmenter: Augmenter,
        batch_size: int,
        rate: float,
        betas: tuple[float, float],
        ema_kimg: float | None,
    ) -> None:
        self.generator = generator
        self.discriminator = discriminator
        # Where batches are normalised, the average uses the statistics that it has kept.
        self.average = copy.deepcopy(generator).requires_grad_(False).eval()
        self.augmenter = augmenter
        self.scalars = augmenter.scalars
        self.rate = rate
        self.rate_scale = 1.0
        self.ema_images = (ema_kimg or 0.0) * 1000
        self.adams = {
            name: adam_of(network, rate=rate, betas=betas)
            for name, network in (("generator", generator), ("discriminator", discriminator))
        }
        self.phases = self._phases()
        self._batch_size = self._last_batch_size = batch_size

    def _phases(self) -> tuple[Phase, ...]:
        discriminator = Phase(
            "discriminator",
            "discriminator",
            self._discriminator_loss,
            needs_held_out=self.augmenter.needs_held_out,
            after=self._observe,
        )
        return discriminator, Phase("generator", "generator", self._generator_loss)

    def batch_size(self, num_images: int) -> int:
        """The same all through."""
        return self._batch_size

    def begin_step(self, num_images: int) -> None:
        """Set the rates."""
        self._last_batch_size = self.batch_size(num_images)
        for adam in self.adams.values():
            for group in adam.param_groups:
                group["lr"] = self.rate * self.rate_scale

    def shown(self) -> Mapping[str, Tensor]:
        """ADA's p."""
        return self.augmenter.shown()

    def end_step(self, num_images: int) -> None:
        """Move the average."""
        beta = ema_beta(
            batch_size=self._last_batch_size,
            num_images=num_images,
            ema_images=self.ema_images,
            rampup=None,
        )
        update_ema(self.average, self.generator, beta=beta)

    @abstractmethod
    def _discriminator_loss(self, batch: Batch) -> tuple[Tensor, Rows]: ...

    @abstractmethod
    def _generator_loss(self, batch: Batch) -> tuple[Tensor, Rows]: ...

    def _scores(self, batch: Batch, real_N: Tensor, fake_N: Tensor) -> dict[str, Tensor]:
        """Scores as ADA compares them with those of held-out pictures; nothing if it does not."""
        if batch.held_out_NCHW is None:
            return {}
        with torch.no_grad():
            images_NCHW = self.augmenter.reals(self._seen(batch.held_out_NCHW), batch.draws)
            held_out_N = self.discriminator(images_NCHW, batch.held_out_labels_NL)
        return {REAL: real_N, FAKE: fake_N, HELD_OUT: held_out_N}

    def _seen(self, real_NCHW: Tensor) -> Tensor:
        """Real pictures of the size that the networks have now."""
        return real_NCHW

    def _observe(self, means: Means) -> None:
        self.augmenter.observe(means, batch_size=self._last_batch_size)


def signs(real_N: Tensor, fake_N: Tensor) -> Rows:
    """How often the discriminator is right, as ADA and the signs of a collapse read it."""
    return {REAL_SIGN: real_N.sign(), FAKE_SIGN: fake_N.sign()}


def scores_and_penalty(
    critic: Callable[[Tensor], Tensor], images_NCHW: Tensor
) -> tuple[Tensor, Tensor]:
    """Scores [N] and ‖∇ₓ D(x)‖² [N] from one pass (arXiv 1801.04406, equations 9 and 10)."""
    scores: list[Tensor] = []

    def noted(images_NCHW: Tensor) -> Tensor:
        scores.append(critic(images_NCHW))
        return scores[-1]

    penalty_N = r1_penalty(noted, images_NCHW)
    (scores_N,) = scores
    return scores_N, penalty_N


def doubled(labels_NL: Tensor | None) -> Tensor | None:
    """Labels of a batch laid after itself."""
    return None if labels_NL is None else torch.cat([labels_NL, labels_NL])
