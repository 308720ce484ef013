"""StyleGAN2 (arXiv 1912.04958) with ADA (arXiv 2006.06676).

Shapes: N samples, Z and D numbers of z and w, L layers that take a w, C channels, H rows,
W columns, K labels.
"""

import copy
from collections.abc import Mapping

import torch
from torch import Tensor

from wunderkammer.gan.draws import Draws
from wunderkammer.gan.networks.stylegan2_discriminator import StyleGan2Discriminator
from wunderkammer.gan.networks.stylegan2_generator import StyleGan2Generator
from wunderkammer.gan.objectives.adversarial import LOSSES
from wunderkammer.gan.objectives.average import ema_beta, lazy_adam, update_ema
from wunderkammer.gan.objectives.penalties import (
    decay_mean,
    path_length_penalty,
    path_lengths,
    r1_penalty,
    r2_penalty,
)
from wunderkammer.gan.settings import StyleGan2Settings
from wunderkammer.gan.training.health import FAKE_SIGN, REAL_SIGN
from wunderkammer.gan.training.methods.shared import (
    FAKE,
    HELD_OUT,
    REAL,
    Augmenter,
    LabelSource,
    adam_of,
)
from wunderkammer.gan.training.phases import Batch, Means, Phase, Rows

ADAM_BETAS = (0.0, 0.99)
PATH_LENGTH_SHRINK = 2


class StyleGan2Method:
    """Alternate generator and discriminator; penalties lazily; an EMA generator."""

    can_be_recorded = True

    def __init__(
        self,
        settings: StyleGan2Settings,
        generator: StyleGan2Generator,
        discriminator: StyleGan2Discriminator,
        *,
        augmenter: Augmenter,
        labels: LabelSource,
        has_start: bool,
    ) -> None:
        self.settings = settings
        self.generator = generator
        self.discriminator = discriminator
        self.average = copy.deepcopy(generator).requires_grad_(False)
        self.augmenter = augmenter
        self.labels = labels
        # An average that starts from trained weights has no random start to forget.
        self.ema_rampup = None if has_start else settings.ema_rampup or None
        self.loss = LOSSES[settings.loss]
        self.path_length_mean = torch.zeros((), device=augmenter.p.device)
        self.scalars = {"path_length_mean": self.path_length_mean, **augmenter.scalars}
        self.smallest_part = settings.network.deviation_group
        self.rate_scale = 1.0
        self.phases = tuple(self._phases())
        self._rates, self.adams = self._optimizers()

    def batch_size(self, num_images: int) -> int:
        """The same all through."""
        return self.settings.batch_size

    def begin_step(self, num_images: int) -> None:
        """Rates are constant, but for a rollback."""
        for name, adam in self.adams.items():
            for group in adam.param_groups:
                group["lr"] = self._rates[name] * self.rate_scale

    def shown(self) -> Mapping[str, Tensor]:
        """ADA's p."""
        return self.augmenter.shown()

    def end_step(self, num_images: int) -> None:
        """Move the EMA generator."""
        beta = ema_beta(
            batch_size=self.settings.batch_size,
            num_images=num_images,
            ema_images=self.settings.ema_images,
            rampup=self.ema_rampup,
        )
        update_ema(self.average, self.generator, beta=beta)

    def _phases(self) -> list[Phase]:
        settings = self.settings
        phases = [
            Phase("generator", "generator", self._generator_loss, after=self._track_w),
        ]
        if settings.path_length_weight:
            phases.append(
                Phase(
                    "path_length",
                    "generator",
                    self._path_length_loss,
                    interval=settings.path_length_interval,
                    shrink=PATH_LENGTH_SHRINK,
                    after=self._track_path_length,
                )
            )
        phases.append(
            Phase(
                "discriminator",
                "discriminator",
                self._discriminator_loss,
                needs_held_out=self.augmenter.needs_held_out,
                after=self._adapt_p,
            )
        )
        if settings.r1_gamma:
            interval = settings.r1_interval
            phases.append(Phase("r1", "discriminator", self._r1_loss, interval=interval))
        if settings.r2_gamma:
            interval = settings.r1_interval
            phases.append(Phase("r2", "discriminator", self._r2_loss, interval=interval))
        return phases

    def _optimizers(self) -> tuple[dict[str, float], dict[str, torch.optim.Adam]]:
        settings = self.settings
        intervals = {
            "generator": settings.path_length_interval if settings.path_length_weight else None,
            "discriminator": settings.r1_interval
            if settings.r1_gamma or settings.r2_gamma
            else None,
        }
        rates = {
            "generator": settings.generator_rate,
            "discriminator": settings.discriminator_rate,
        }
        networks = {"generator": self.generator, "discriminator": self.discriminator}
        adams: dict[str, torch.optim.Adam] = {}
        for name, network in networks.items():
            betas, interval = ADAM_BETAS, intervals[name]
            if interval is not None:
                rates[name], betas = lazy_adam(rates[name], betas, interval=interval)
            adams[name] = adam_of(network, rate=rates[name], betas=betas)
        return rates, adams

    def _generate(self, draws: Draws, labels_NK: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """Images [N, C, H, W], their w a layer [N, L, D], and the w [N, D] of the first styles."""
        generator = self.generator
        z_NZ = draws.normal(generator.z_dim)
        first_ND = generator.mapping(z_NZ, labels_NK)
        if self.settings.style_mixing:
            other_ND = generator.mapping(draws.normal(generator.z_dim), labels_NK)
            w_NLD = mix_styles(
                first_ND,
                other_ND,
                num_layers=generator.synthesis.num_layers,
                probability=self.settings.style_mixing,
                draws=draws,
            )
        else:
            w_NLD = first_ND[:, None].expand(-1, generator.synthesis.num_layers, -1)
        images_NCHW = generator.synthesis(w_NLD, noise_mode="random", draws=draws)
        return images_NCHW, w_NLD, first_ND

    def _generator_loss(self, batch: Batch) -> tuple[Tensor, Rows]:
        labels_NK = self.labels.draw(batch.draws)
        fake_NCHW, _, w_ND = self._generate(batch.draws, labels_NK)
        fake_N = self.discriminator(self.augmenter.fakes(fake_NCHW, batch.draws), labels_NK)
        real_N = None
        if self.loss.pairs:
            real_NCHW = self.augmenter.reals(batch.reals_NCHW, batch.draws)
            real_N = self.discriminator(real_NCHW, batch.labels_NL)
        return self.loss.generator(fake_N, real_N), {"w": w_ND}

    def _path_length_loss(self, batch: Batch) -> tuple[Tensor, Rows]:
        labels_NK = self.labels.draw(batch.draws)
        images_NCHW, w_NLD, _ = self._generate(batch.draws, labels_NK)
        noise_NCHW = batch.draws.normal(*images_NCHW.shape[1:])
        lengths_N = path_lengths(images_NCHW, w_NLD, noise_NCHW)
        penalty_N = path_length_penalty(lengths_N, self.path_length_mean)
        weight = self.settings.path_length_weight * self.settings.path_length_interval
        return penalty_N * weight, {"scores/path_length": lengths_N}

    def _discriminator_loss(self, batch: Batch) -> tuple[Tensor, Rows]:
        labels_NK = self.labels.draw(batch.draws)
        with torch.no_grad():
            fake_NCHW, _, _ = self._generate(batch.draws, labels_NK)
            fake_NCHW = self.augmenter.fakes(fake_NCHW, batch.draws)
            real_NCHW = self.augmenter.reals(batch.reals_NCHW, batch.draws)
            both_NK = None
            if labels_NK is not None and batch.labels_NL is not None:
                both_NK = torch.cat([labels_NK, batch.labels_NL])
        # One pass over both; the mini-batch deviation keeps the halves apart.
        scores = self.discriminator(torch.cat([fake_NCHW, real_NCHW]), both_NK)
        fake_N, real_N = scores.chunk(2)
        rows = {REAL_SIGN: real_N.sign(), FAKE_SIGN: fake_N.sign()}
        if batch.held_out_NCHW is not None:
            rows |= {REAL: real_N, FAKE: fake_N, HELD_OUT: self._held_out_scores(batch)}
        return self.loss.discriminator(real_N, fake_N), rows

    @torch.no_grad()
    def _held_out_scores(self, batch: Batch) -> Tensor:
        """Scores of pictures that the discriminator has never learned from, [N]."""
        assert batch.held_out_NCHW is not None
        augmented = self.augmenter.reals(batch.held_out_NCHW, batch.draws)
        scores_N: Tensor = self.discriminator(augmented, batch.held_out_labels_NL)
        return scores_N

    def _r1_loss(self, batch: Batch) -> tuple[Tensor, Rows]:
        def critic(images_NCHW: Tensor) -> Tensor:
            augmented = self.augmenter.reals(images_NCHW, batch.draws)
            scores_N: Tensor = self.discriminator(augmented, batch.labels_NL)
            return scores_N

        penalty_N = r1_penalty(critic, batch.reals_NCHW)
        weight = self.settings.r1_gamma / 2 * self.settings.r1_interval
        return penalty_N * weight, {"scores/r1_penalty": penalty_N}

    def _r2_loss(self, batch: Batch) -> tuple[Tensor, Rows]:
        labels_NK = self.labels.draw(batch.draws)
        with torch.no_grad():
            fake_NCHW, _, _ = self._generate(batch.draws, labels_NK)

        def critic(images_NCHW: Tensor) -> Tensor:
            augmented = self.augmenter.fakes(images_NCHW, batch.draws)
            scores_N: Tensor = self.discriminator(augmented, labels_NK)
            return scores_N

        penalty_N = r2_penalty(critic, fake_NCHW)
        weight = self.settings.r2_gamma / 2 * self.settings.r1_interval
        return penalty_N * weight, {"scores/r2_penalty": penalty_N}

    def _track_w(self, means: Means) -> None:
        self.generator.mapping.track(means["w"][None])

    def _track_path_length(self, means: Means) -> None:
        length = means["scores/path_length"]
        self.path_length_mean.copy_(decay_mean(self.path_length_mean, length))

    def _adapt_p(self, means: Means) -> None:
        self.augmenter.observe(means, batch_size=self.settings.batch_size)


def mix_styles(
    w_ND: Tensor, other_ND: Tensor, *, num_layers: int, probability: float, draws: Draws
) -> Tensor:
    """One w a layer [N, L, D]: with `probability`, a sample takes its later ones from `other_ND`.

    Style mixing (arXiv 1812.04948, section 3.1). Masks, not slices: every shape is fixed.
    """
    cutoff_N = draws.integers(1, num_layers)
    is_mixed_N = draws.uniform() < probability
    cutoff_N = torch.where(is_mixed_N, cutoff_N, num_layers)
    is_first_NL = torch.arange(num_layers, device=w_ND.device) < cutoff_N[:, None]
    return torch.where(is_first_NL[:, :, None], w_ND[:, None], other_ND[:, None])
