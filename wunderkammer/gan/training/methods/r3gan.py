"""R3GAN (arXiv 2501.05441).

Shapes: N samples, L labels, C channels, H rows, W columns.
"""

from functools import partial

import torch
from torch import Tensor

from wunderkammer.gan.augment.params import FixedAugment
from wunderkammer.gan.networks.r3gan import R3ganDiscriminator, R3ganGenerator
from wunderkammer.gan.objectives.adversarial import LOSSES
from wunderkammer.gan.objectives.schedules import cosine
from wunderkammer.gan.params import R3ganParams
from wunderkammer.gan.settings import batch_size
from wunderkammer.gan.training.methods.alternating import (
    AlternatingMethod,
    doubled,
    scores_and_penalty,
    signs,
)
from wunderkammer.gan.training.methods.shared import Augmenter
from wunderkammer.gan.training.phases import Batch, Rows

BETA1 = 0.0

# By the largest side in px that it is for: the paper's at 32, 64 and 256 px, and between the last
# two their geometric mean. The last value of the schedule is a tenth.
FIRST_GAMMA = {32: 0.05, 64: 2.0, 128: 17.0, 256: 150.0}


class R3ganMethod(AlternatingMethod):
    """Relativistic loss with R1 and R2 at every step (equations 2 to 4), everything scheduled.

    An augmentation of fixed p begins at 0 and follows the schedule up to its p.
    """

    def __init__(
        self,
        train: R3ganParams,
        generator: R3ganGenerator,
        discriminator: R3ganDiscriminator,
        *,
        augmenter: Augmenter,
    ) -> None:
        self.train = train
        self.loss = LOSSES["relativistic"]
        self.gammas = train.gamma or _usual_gammas(generator.resolution_px)
        self.gamma, self.beta2 = self.gammas[0], train.beta2[0]
        super().__init__(
            generator,
            discriminator,
            augmenter=augmenter,
            batch_size=batch_size(train, resolution_px=generator.resolution_px),
            rate=train.learning_rate[0],
            betas=(BETA1, self.beta2),
            ema_kimg=train.ema_kimg[0],
        )

    def begin_step(self, num_images: int) -> None:
        """Rate, penalty, second moment and average of this place in the burn-in."""
        train = self.train
        now = partial(cosine, num_images=num_images, over_images=train.burn_in_kimg * 1000)
        self.rate = now(*train.learning_rate)
        self.gamma = now(*self.gammas)
        self.beta2 = now(*train.beta2)
        self.ema_images = now(*train.ema_kimg) * 1000
        if isinstance(train.augment, FixedAugment):
            self.augmenter.p.fill_(now(0.0, train.augment.p))
        for adam in self.adams.values():
            for group in adam.param_groups:
                group["betas"] = (BETA1, self.beta2)
        super().begin_step(num_images)

    def _discriminator_loss(self, batch: Batch) -> tuple[Tensor, Rows]:
        with torch.no_grad():
            fake_NCHW = self._draw(batch)

        def critic(both_NCHW: Tensor) -> Tensor:
            real_NCHW, fake_NCHW = both_NCHW.chunk(2)
            real_NCHW = self.augmenter.reals(real_NCHW, batch.draws)
            fake_NCHW = self.augmenter.fakes(fake_NCHW, batch.draws)
            both_NCHW = torch.cat([real_NCHW, fake_NCHW])
            scores: Tensor = self.discriminator(both_NCHW, doubled(batch.labels_NL))
            return scores

        # One pass over both: no layer mixes samples.
        both_NCHW = torch.cat([batch.reals_NCHW, fake_NCHW])
        scores, penalties = scores_and_penalty(critic, both_NCHW)
        real_N, fake_N = scores.chunk(2)
        r1_N, r2_N = penalties.chunk(2)
        loss_N = self.loss.discriminator(real_N, fake_N) + self.gamma / 2 * (r1_N + r2_N)
        rows = {"scores/r1_penalty": r1_N, "scores/r2_penalty": r2_N}
        # Only differences mean anything here: a pair is right or wrong.
        rows |= signs(real_N - fake_N, fake_N - real_N)
        return loss_N, {**rows, **self._scores(batch, real_N, fake_N)}

    def _generator_loss(self, batch: Batch) -> tuple[Tensor, Rows]:
        fake_NCHW = self.augmenter.fakes(self._draw(batch), batch.draws)
        fake_N = self.discriminator(fake_NCHW, batch.labels_NL)
        with torch.no_grad():
            real_NCHW = self.augmenter.reals(batch.reals_NCHW, batch.draws)
            real_N = self.discriminator(real_NCHW, batch.labels_NL)
        return self.loss.generator(fake_N, real_N), {}

    def _draw(self, batch: Batch) -> Tensor:
        z_NZ = batch.draws.normal(self.generator.z_dim)
        images_NCHW: Tensor = self.generator(z_NZ, batch.labels_NL)
        return images_NCHW


def _usual_gammas(resolution_px: int) -> tuple[float, float]:
    side_px = min((side for side in FIRST_GAMMA if side >= resolution_px), default=max(FIRST_GAMMA))
    return FIRST_GAMMA[side_px], FIRST_GAMMA[side_px] / 10.0
