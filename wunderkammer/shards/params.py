"""The `shard` section."""

from typing import Annotated, Literal

from pydantic import Field

from wunderkammer.params import Params


class ShardParams(Params):
    """Parquet shards in the Hugging Face `Image` layout, in an order that `seed` fixes."""

    resolution_px: Literal[8, 16, 32, 64, 128, 256, 512, 1024]
    channels: Literal[1, 3] = 3
    seed: Annotated[int, Field(ge=0)] = 0
    max_shard_mb: Annotated[float, Field(gt=0)] = 256.0
    codec: Literal["jpeg", "png", "webp"] = "jpeg"
    quality: Annotated[int, Field(ge=1, le=100)] = 95
