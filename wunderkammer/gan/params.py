"""The `train` section. This module must not import torch: the definitions load it.

What a recipe leaves out comes from the preset that `network` names, or is worked out from the
resolution; `wunderkammer.gan.settings` does both.
"""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from wunderkammer.gan.augment.params import AugmentParams, NoAugment, check_mirror
from wunderkammer.params import Params

Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]


class NoStart(Params):
    """From random weights."""

    kind: Literal["none"] = "none"


class FileStart(Params):
    """From the networks of a checkpoint file (`wunderkammer import-checkpoint` makes one).

    A relative path starts at the subject file. What fits by name and shape is copied, the log says
    what was not. `sha256` pins the file.
    """

    kind: Literal["file"]
    path: str
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None


class PreviousStart(Params):
    """From the last finished checkpoint of this subject, if there is one.

    A nightly rescrape then trains on with the new pictures and does not begin anew.
    """

    kind: Literal["previous"]


class NoCurriculum(Params):
    """All pictures from the first step on."""

    kind: Literal["none"] = "none"


class MeasureCurriculum(Params):
    """The best pictures by a measure of their crops first, more and more of them later.

    `measure` is one that `wunderkammer tune` shows: `confidence`, `similarity`, `sharpness`, and so
    on; `best` says which end of it comes first. It begins with the share `first_share` of the
    pictures, and has all of them once `all_at_kimg` were shown; the share grows evenly in between.
    A picture without the measure comes last.
    """

    kind: Literal["measure"]
    measure: Annotated[str, Field(min_length=1)]
    best: Literal["highest", "lowest"] = "highest"
    first_share: Annotated[float, Field(gt=0, le=1)] = 0.25
    all_at_kimg: Positive


CurriculumParams = Annotated[NoCurriculum | MeasureCurriculum, Field(discriminator="kind")]


StartParams = Annotated[NoStart | FileStart | PreviousStart, Field(discriminator="kind")]


class HealthParams(Params):
    """What is done about a training that has broken down.

    Unsound numbers always stop it; the signs of a collapse warn. With `rollback` both send it back
    to the last healthy checkpoint, at `rate_factor` times the learning rate, at most
    `max_rollbacks` times.
    """

    rollback: bool = False
    max_rollbacks: Annotated[int, Field(ge=1)] = 3
    rate_factor: Annotated[float, Field(gt=0, le=1)] = 0.5
    max_real_sign: Fraction = 0.98
    min_diversity: Fraction = 0.1
    patience_ticks: Annotated[int, Field(ge=1)] = 3


class _Training(Params):
    """What every kind of training has.

    Counts are in images, as in the papers: 1 kimg = 1,000 images shown to the discriminator.
    `held_out` is the share of the pictures, at most 1,000, that is never trained on: the measures
    need pictures that the networks have not seen. `conditional` trains on the labels of the shards.
    `micro_batch` splits a batch where memory is short, with the same result. `deterministic` makes
    a GPU give equal bits, slowly; a CPU always does. `cuda_graphs` lets one GPU replay StyleGAN2's
    phases in one go. `precision` "auto" is bfloat16 for the layers of large images where the device
    is fast in it, and 32 bits elsewhere. `residence` is where the pictures are: on the GPU, in
    memory, or streamed from compressed files; "auto" is the first of these where they fit.
    """

    batch_size: Annotated[int, Field(ge=2)] | None = None
    conditional: bool = False
    mirror: bool = False
    augment: AugmentParams = NoAugment()
    start: StartParams = NoStart()
    curriculum: CurriculumParams = NoCurriculum()
    freeze_discriminator: Annotated[int, Field(ge=0)] = 0
    held_out: Annotated[float, Field(ge=0, lt=1)] = 0.0
    health: HealthParams = HealthParams()
    precision: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    micro_batch: Annotated[int, Field(ge=1)] | None = None
    deterministic: bool = False
    cuda_graphs: bool = True
    residence: Literal["auto", "gpu", "memory", "stream"] = "auto"
    tick_kimg: Positive = 4.0
    snapshot_ticks: Annotated[int, Field(ge=1)] = 10
    keep_last: Annotated[int, Field(ge=1)] = 3
    keep_best: Annotated[int, Field(ge=0)] = 1
    publish: Literal["last", "best"] = "last"
    seed: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="after")
    def _mirror_allowed(self) -> Self:
        check_mirror(self.augment, mirror=self.mirror)
        return self


class StyleGan2Params(_Training):
    """StyleGAN2 (arXiv 1912.04958) with the non-saturating loss, lazy R1 and an EMA generator.

    `network`: tiny, small and full are this project's sizes; auto, stylegan2, paper256, paper512,
    paper1024 and cifar are the presets of the ADA paper (arXiv 2006.06676) with their batch, rates
    and weights. `ema_rampup` and every weight may be 0, which is "none".
    """

    kind: Literal["stylegan2"]
    network: Literal[
        "tiny",
        "small",
        "full",
        "auto",
        "stylegan2",
        "paper256",
        "paper512",
        "paper1024",
        "cifar",
    ] = "full"
    total_kimg: Positive
    learning_rate: Positive | None = None
    discriminator_rate: Positive | None = None
    loss: Literal["non_saturating", "hinge", "relativistic"] = "non_saturating"
    r1_gamma: NotNegative | None = None
    r1_interval: Annotated[int, Field(ge=1)] = 16
    r2_gamma: NotNegative = 0.0
    path_length_weight: NotNegative | None = None
    path_length_interval: Annotated[int, Field(ge=1)] = 4
    ema_kimg: Positive | None = None
    ema_rampup: NotNegative | None = None
    style_mixing: Fraction | None = None


class ProgressiveParams(_Training):
    """Progressive growing (arXiv 1710.10196): 4 px, then each doubling faded in and stabilised.

    A stage lasts `stage_kimg` thousand images, or `stage_steps` batches where that is given.
    `network` "zine" is the layers of DeepZine, "paper" those of the paper. The training ends with
    the last stage, or after `total_kimg` if that is longer. From `large_from_px` on a batch has
    `batch_size_large` images. `gradient_penalty` and `drift` belong to "wgan_gp", `r1_gamma` to
    "logistic".
    """

    kind: Literal["progressive"]
    network: Literal["zine", "paper", "tiny"] = "paper"
    total_kimg: Positive | None = None
    z_dim: Annotated[int, Field(ge=1)] | None = None
    first_resolution_px: Literal[4, 8, 16, 32, 64] = 4
    stage_kimg: Positive = 600.0
    stage_steps: Annotated[int, Field(ge=1)] | None = None
    batch_size_large: Annotated[int, Field(ge=2)] | None = None
    large_from_px: Annotated[int, Field(ge=8)] = 256
    loss: Literal["wgan_gp", "logistic"] = "logistic"
    gradient_penalty: NotNegative = 10.0
    drift: NotNegative = 0.001
    r1_gamma: NotNegative = 10.0
    learning_rate: Positive = 0.001
    betas: tuple[Fraction, Fraction] = (0.0, 0.99)
    critic_steps: Annotated[int, Field(ge=1)] = 1
    ema_kimg: Positive | None = 10.0


class DcganParams(_Training):
    """DCGAN (arXiv 1511.06434): `quilt` is the quilt GAN's own, `sane` has spectral norm."""

    kind: Literal["dcgan"]
    network: Literal["quilt", "sane"] = "sane"
    total_kimg: Positive
    z_dim: Annotated[int, Field(ge=1)] = 100
    loss: Literal["non_saturating", "hinge"] = "non_saturating"
    learning_rate: Positive = 0.0002
    betas: tuple[Fraction, Fraction] = (0.5, 0.999)
    ema_kimg: Positive | None = 10.0


class R3ganParams(_Training):
    """R3GAN (arXiv 2501.05441): relativistic loss with R1 and R2 at every step, no tricks.

    Rates, weights and Adam's beta₂ go from their first to their last value along a cosine over
    `burn_in_kimg`; so does, from 0, the p of an augmentation of kind "fixed" (the paper's is 0.3).
    `gamma` left out is the paper's for the resolution: from 0.05 at 32 px, 2 at 64 px, 150 at
    256 px to a tenth of it.
    """

    kind: Literal["r3gan"]
    network: Literal["tiny", "small", "full"] = "full"
    total_kimg: Positive
    learning_rate: tuple[Positive, Positive] = (0.0002, 0.00005)
    gamma: tuple[NotNegative, NotNegative] | None = None
    beta2: tuple[Fraction, Fraction] = (0.9, 0.99)
    ema_kimg: tuple[NotNegative, NotNegative] = (0.0, 500.0)
    burn_in_kimg: Positive = 20000.0


TrainParams = Annotated[
    StyleGan2Params | ProgressiveParams | DcganParams | R3ganParams, Field(discriminator="kind")
]
