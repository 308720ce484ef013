"""DCGAN (arXiv 1511.06434).

Shapes: N samples, Z numbers of z, C channels, H rows, W columns.
"""

import torch
from torch import Tensor

from wunderkammer.gan.networks.dcgan import DcganDiscriminator, DcganGenerator
from wunderkammer.gan.objectives.adversarial import LOSSES
from wunderkammer.gan.params import DcganParams
from wunderkammer.gan.settings import batch_size
from wunderkammer.gan.training.methods.alternating import AlternatingMethod, signs
from wunderkammer.gan.training.methods.shared import Augmenter
from wunderkammer.gan.training.phases import Batch, Rows


class DcganMethod(AlternatingMethod):
    """Cross-entropy or hinge, without penalties. Both networks' steps see the same z.

    Batches are normalised by their own statistics, so they can't be split.
    """

    smallest_part = 0

    def __init__(
        self,
        train: DcganParams,
        generator: DcganGenerator,
        discriminator: DcganDiscriminator,
        *,
        augmenter: Augmenter,
    ) -> None:
        self.loss = LOSSES[train.loss]
        self._z_NZ: Tensor | None = None
        super().__init__(
            generator,
            discriminator,
            augmenter=augmenter,
            batch_size=batch_size(train, resolution_px=generator.resolution_px),
            rate=train.learning_rate,
            betas=train.betas,
            ema_kimg=train.ema_kimg,
        )

    def _discriminator_loss(self, batch: Batch) -> tuple[Tensor, Rows]:
        """The first phase of a step; it draws the z of both.

        Raises:
            ValueError: these are not all samples of the batch.
        """
        if batch.draws.num != batch.draws.total:
            raise ValueError(
                f"{batch.draws.num} of the {batch.draws.total} samples of a batch: train.kind "
                f"'dcgan' normalises by statistics of whole batches; leave train.micro_batch out "
                f"and train in one process"
            )
        self._z_NZ = batch.draws.normal(self.generator.z_dim)
        with torch.no_grad():
            fake_NCHW = self.generator(self._z_NZ, batch.labels_NL)
            fake_NCHW = self.augmenter.fakes(fake_NCHW, batch.draws)
            real_NCHW = self.augmenter.reals(batch.reals_NCHW, batch.draws)
        real_N = self.discriminator(real_NCHW, batch.labels_NL)
        fake_N = self.discriminator(fake_NCHW, batch.labels_NL)
        rows = {**signs(real_N, fake_N), **self._scores(batch, real_N, fake_N)}
        return self.loss.discriminator(real_N, fake_N), rows

    def _generator_loss(self, batch: Batch) -> tuple[Tensor, Rows]:
        assert self._z_NZ is not None
        fake_NCHW = self.generator(self._z_NZ, batch.labels_NL)
        fake_NCHW = self.augmenter.fakes(fake_NCHW, batch.draws)
        fake_N = self.discriminator(fake_NCHW, batch.labels_NL)
        return self.loss.generator(fake_N, None), {}
