"""Progressive growing (arXiv 1710.10196).

Networks and images have the side of the stage; only what is drawn for people is enlarged.

Shapes: N samples, L labels, C channels, H rows, W columns.
"""

from dataclasses import replace

import torch
from torch import Tensor

from wunderkammer.gan.growth import Stage, growth_stages, stage_at
from wunderkammer.gan.networks.progressive import (
    ProgressiveDiscriminator,
    ProgressiveGenerator,
    enlarged,
    shrunk,
)
from wunderkammer.gan.objectives.adversarial import LOSSES, drift
from wunderkammer.gan.objectives.penalties import gradient_penalty
from wunderkammer.gan.params import ProgressiveParams
from wunderkammer.gan.settings import batch_size
from wunderkammer.gan.training.methods.alternating import (
    AlternatingMethod,
    scores_and_penalty,
    signs,
)
from wunderkammer.gan.training.methods.shared import FAKE, REAL, Augmenter
from wunderkammer.gan.training.phases import Batch, Phase, Rows

WASSERSTEIN = LOSSES["wasserstein"]
LOGISTIC = LOSSES["non_saturating"]


class ProgressiveMethod(AlternatingMethod):
    """WGAN-GP with drift (arXiv 1704.00028), or the logistic loss with R1, stage by stage.

    Adam's moments are forgotten when new layers are faded in: those of the layers below are of
    another loss.
    """

    generator: ProgressiveGenerator
    discriminator: ProgressiveDiscriminator
    average: ProgressiveGenerator

    def __init__(
        self,
        train: ProgressiveParams,
        generator: ProgressiveGenerator,
        discriminator: ProgressiveDiscriminator,
        *,
        augmenter: Augmenter,
    ) -> None:
        self.train = train
        side_px = generator.resolution_px
        small = batch_size(train, resolution_px=side_px)
        self.stages = growth_stages(train, resolution_px=side_px, batch_size=small)
        group = discriminator.params.deviation_group
        is_whole = all(stage.batch_size % group == 0 for stage in self.stages)
        self.smallest_part = group if is_whole else 0
        super().__init__(
            generator,
            discriminator,
            augmenter=augmenter,
            batch_size=small,
            rate=train.learning_rate,
            betas=train.betas,
            ema_kimg=train.ema_kimg,
        )

    def _phases(self) -> tuple[Phase, ...]:
        critic, generator = super()._phases()
        again = replace(critic, fresh_reals=True)
        return (critic, *[again] * (self.train.critic_steps - 1), generator)

    def batch_size(self, num_images: int) -> int:
        """That of the stage."""
        return stage_at(self.stages, num_images).batch_size

    def begin_step(self, num_images: int) -> None:
        """Grow to where the stage is."""
        super().begin_step(num_images)
        stage = stage_at(self.stages, num_images)
        for network in (self.generator, self.discriminator, self.average):
            network.growth.set(stage.level(num_images))
        if stage.is_fade and _is_first(stage, num_images):
            for adam in self.adams.values():
                _forget(adam)

    def _discriminator_loss(self, batch: Batch) -> tuple[Tensor, Rows]:
        with torch.no_grad():
            fake_NCHW = self.augmenter.fakes(self._draw(batch), batch.draws)
            real_NCHW = self._seen(batch.reals_NCHW)
        if self.train.loss == "wgan_gp":
            return self._wasserstein_loss(batch, real_NCHW, fake_NCHW)

        def critic(images_NCHW: Tensor) -> Tensor:
            images_NCHW = self.augmenter.reals(images_NCHW, batch.draws)
            scores_N: Tensor = self.discriminator(images_NCHW, batch.labels_NL)
            return scores_N

        fake_N = self.discriminator(fake_NCHW, batch.labels_NL)
        real_N, penalty_N = scores_and_penalty(critic, real_NCHW)
        loss_N = LOGISTIC.discriminator(real_N, fake_N) + self.train.r1_gamma / 2 * penalty_N
        rows = {**signs(real_N, fake_N), **self._scores(batch, real_N, fake_N)}
        return loss_N, {"scores/r1_penalty": penalty_N, **rows}

    def _wasserstein_loss(
        self, batch: Batch, real_NCHW: Tensor, fake_NCHW: Tensor
    ) -> tuple[Tensor, Rows]:
        def critic(images_NCHW: Tensor) -> Tensor:
            scores_N: Tensor = self.discriminator(images_NCHW, batch.labels_NL)
            return scores_N

        with torch.no_grad():
            real_NCHW = self.augmenter.reals(real_NCHW, batch.draws)
        real_N, fake_N = critic(real_NCHW), critic(fake_NCHW)
        penalty_N = gradient_penalty(critic, real_NCHW, fake_NCHW, batch.draws.uniform())
        loss_N = WASSERSTEIN.discriminator(real_N, fake_N)
        loss_N = loss_N + self.train.gradient_penalty * penalty_N
        loss_N = loss_N + self.train.drift * drift(real_N)
        rows = {REAL: real_N, FAKE: fake_N}  # no signs: their zero means nothing here
        return loss_N, {"scores/gradient_penalty": penalty_N, **rows}

    def _generator_loss(self, batch: Batch) -> tuple[Tensor, Rows]:
        fake_NCHW = self.augmenter.fakes(self._draw(batch), batch.draws)
        fake_N = self.discriminator(fake_NCHW, batch.labels_NL)
        loss = WASSERSTEIN if self.train.loss == "wgan_gp" else LOGISTIC
        return loss.generator(fake_N, None), {}

    def _draw(self, batch: Batch) -> Tensor:
        """Images of the side of the stage."""
        z_NZ = batch.draws.normal(self.generator.z_dim)
        w_NZ = self.generator.mapping(z_NZ, batch.labels_NL)
        images_NCHW: Tensor = self.generator.synthesis.grown_image(w_NZ)
        return images_NCHW

    def _seen(self, real_NCHW: Tensor) -> Tensor:
        """Real images of that side, as sharp as the generator's are by now (section 2)."""
        growth = self.generator.growth
        real_NCHW = shrunk(real_NCHW, side_px=growth.side_px)
        if not growth.share:
            return real_NCHW
        blurred = shrunk(real_NCHW, side_px=growth.side_px // 2)
        return torch.lerp(enlarged(blurred, side_px=growth.side_px), real_NCHW, growth.share)


def _is_first(stage: Stage, num_images: int) -> bool:
    return num_images - stage.first_image < stage.batch_size


def _forget(adam: torch.optim.Adam) -> None:
    """Moments and step counts as before the first step."""
    for state in adam.state.values():
        for value in state.values():
            value.zero_()
