"""The `train` section. This module must not import torch: the definitions load it."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from wunderkammer.params import Params


class NoAugment(Params):
    """Real and generated images reach the discriminator as they are."""

    kind: Literal["none"] = "none"


class StyleGan2Params(Params):
    """StyleGAN2 (arXiv 1912.04958) with the non-saturating loss, lazy R1 and an EMA generator.

    Counts are in images, as in the papers: 1 kimg = 1,000 images shown to the discriminator.
    `total_kimg` and `tick_kimg` must be whole numbers of batches (at 32: 0.992, or 4, 8, 12, …).
    """

    kind: Literal["stylegan2"]
    network: Literal["tiny", "small", "full"] = "full"
    total_kimg: Annotated[float, Field(gt=0)]
    batch_size: Annotated[int, Field(ge=2)] = 32
    learning_rate: Annotated[float, Field(gt=0)] = 0.002
    r1_gamma: Annotated[float, Field(ge=0)] = 10.0
    r1_interval: Annotated[int, Field(ge=1)] = 16
    ema_kimg: Annotated[float, Field(gt=0)] = 10.0
    ema_rampup: Annotated[float, Field(ge=0)] | None = 0.05
    style_mixing: Annotated[float, Field(ge=0, le=1)] = 0.9
    mirror: bool = False
    augment: NoAugment = NoAugment()
    tick_kimg: Annotated[float, Field(gt=0)] = 4.0
    snapshot_ticks: Annotated[int, Field(ge=1)] = 10
    keep_last: Annotated[int, Field(ge=1)] = 3
    seed: Annotated[int, Field(ge=0)] = 0

    @property
    def total_images(self) -> int:
        """Images shown in the whole training."""
        return round(self.total_kimg * 1000)

    @model_validator(mode="after")
    def _whole_batches(self) -> "StyleGan2Params":
        for name, kimg in (("total_kimg", self.total_kimg), ("tick_kimg", self.tick_kimg)):
            images = round(kimg * 1000)
            if images % self.batch_size:
                whole = max(images // self.batch_size, 1) * self.batch_size / 1000
                raise ValueError(
                    f"{name}={kimg} is not a whole number of batches of {self.batch_size}; "
                    f"the nearest that is: {whole}"
                )
        return self


TrainParams = StyleGan2Params
