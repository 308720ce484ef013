"""The `dedupe` section."""

from typing import Annotated, Literal

from pydantic import Field

from wunderkammer.classify.params import BackboneParams
from wunderkammer.params import Params

Radius = Annotated[int, Field(ge=0, le=16)]
Bits = Annotated[int, Field(ge=0, le=64)]


class VerifyParams(Params):
    """A closer look at crops, frames, turns and mirror images of one another.

    Pictures are compared with windows of each other, and in turn: what differs in at most
    `max_distance` bits is laid over the other, aligned, and is a duplicate if nine tenths of what
    both show have a structural similarity of `min_likeness` or more. With `flips` mirror images
    are duplicates too.
    """

    max_distance: Annotated[int, Field(ge=0, le=12)] = 8
    min_likeness: Annotated[float, Field(ge=0, le=1)] = 0.7
    flips: bool = False


class EmbeddingParams(BackboneParams):
    """The opinion of a network: pictures are duplicates whose embeddings are this near.

    `min_cosine` is the least cosine between two embeddings. Every two kept pictures are compared,
    so that twice as many take four times as long.
    """

    min_cosine: Annotated[float, Field(ge=-1, le=1)] = 0.97


class PhashParams(Params):
    """Exact duplicates, and those whose 64-bit pHashes differ in at most `max_distance` bits.

    With `max_dhash_distance` their dHashes must not differ in more bits than that either, which
    tells objects apart that are alike in outline. Pictures that their source puts into one group (a
    burst, a gallery) are duplicates within `max_group_distance` bits; 64 keeps one of each group.
    `verify` and `embedding` look closer at what is left.

    Pictures within `family_distance` bits (else 4 more than `max_distance`, at most 16), of one
    group, or found alike by `verify` below its limit are kept, but never held out from a training
    on the others.
    """

    kind: Literal["phash"] = "phash"
    max_distance: Radius = 6
    max_dhash_distance: Bits | None = None
    max_group_distance: Bits | None = None
    verify: VerifyParams | None = None
    embedding: EmbeddingParams | None = None
    family_distance: Radius | None = None


DedupeParams = PhashParams
