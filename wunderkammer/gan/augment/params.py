"""The `train.augment` section. No torch here: the definitions load this module."""

from typing import Annotated, Literal

from pydantic import Field

from wunderkammer.params import Params


class NoAugment(Params):
    """Real and generated images reach the discriminator as they are."""

    kind: Literal["none"] = "none"


AugmentParams = NoAugment
