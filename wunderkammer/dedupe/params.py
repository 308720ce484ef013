"""The `dedupe` section."""

from typing import Annotated, Literal

from pydantic import Field

from wunderkammer.params import Params


class PhashParams(Params):
    """Exact duplicates, and those whose 64-bit pHashes differ in at most `max_distance` bits."""

    kind: Literal["phash"] = "phash"
    max_distance: Annotated[int, Field(ge=0, le=16)] = 6


DedupeParams = PhashParams
