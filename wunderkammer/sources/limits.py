"""What the `scrape` sections of all sources have in common."""

from typing import Annotated, Any

from pydantic import Field

from wunderkammer.conduct.params import ConductParams
from wunderkammer.params import Params

MB = 1_000_000
GB = 1000 * MB


class SourceLimits(Params):
    """Caps that every source obeys; a file beyond one is a counted rejection.

    The pictures that Flickr, Imgur and Reddit send in place of a deleted one are refused. Of other
    sites' ones `placeholder_sizes` are the widths and heights, `placeholder_sha256` the hashes.
    """

    max_images: Annotated[int, Field(ge=1)] | None = None
    max_file_mb: Annotated[float, Field(gt=0)] = 64.0
    max_megapixels: Annotated[float, Field(gt=0)] = 178.0
    placeholder_sizes: tuple[tuple[int, int], ...] = ()
    placeholder_sha256: tuple[Annotated[str, Field(pattern="^[0-9a-f]{64}$")], ...] = ()

    @property
    def max_bytes(self) -> int:
        """The largest file that is read."""
        return int(self.max_file_mb * MB)

    @property
    def max_pixels(self) -> int:
        """The largest picture that is decoded."""
        return int(self.max_megapixels * MB)

    def identity(self) -> dict[str, Any]:
        """What tells one query from another: the settings less the limits."""
        return {key: value for key, value in self.canonical().items() if key not in LIMITS}


LIMITS = tuple(SourceLimits.model_fields)


class RemoteParams(SourceLimits):
    """A source on the network.

    After `relist_days` the whole source is listed again, so that what has been deleted there is
    noticed; in between only what is new is asked for.
    """

    relist_days: Annotated[float, Field(ge=0)] = Field(default=30.0, exclude=True)
    conduct: ConductParams = Field(default=ConductParams(), exclude=True)
