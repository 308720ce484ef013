"""The `evaluate` section. This module must not import torch: the definitions load it."""

from typing import Annotated, Literal

from pydantic import Field

from wunderkammer.params import Params


class EvaluateParams(Params):
    """What is measured of a finished training, with `num_fakes` generated pictures.

    FID, KID, precision and recall are measured where `inception_weights` names the weights file
    that they are defined by; it is never downloaded. `inception_resize` "tensorflow" is how
    published figures were made, "antialias" is the better filter; they do not compare. See
    `docs/evaluation.md`.
    """

    num_fakes: Annotated[int, Field(ge=64, le=100_000)] = 2048
    sliced_wasserstein: bool = True
    random_features: bool = True
    memorisation: bool = True
    inception_weights: str | None = None
    inception_resize: Literal["tensorflow", "antialias"] = "tensorflow"
    seed: Annotated[int, Field(ge=0)] = 0
