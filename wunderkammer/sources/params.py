"""The `scrape` section: where a subject's pictures come from."""

from typing import Annotated, Literal

from pydantic import Field

from wunderkammer.params import Params


class SourceLimits(Params):
    """Caps that every source obeys; a file beyond one is a counted rejection."""

    max_images: Annotated[int, Field(ge=1)] | None = None
    max_file_mb: Annotated[float, Field(gt=0)] = 64.0
    max_megapixels: Annotated[float, Field(gt=0)] = 178.0


class FolderParams(SourceLimits):
    """Every file under a folder, however deep. A relative path starts at the subject file."""

    kind: Literal["folder"]
    path: str
    include: Annotated[tuple[str, ...], Field(min_length=1)] = ("**",)
    label_from_folder: bool = False


class ArchiveParams(SourceLimits):
    """The members of one zip or tar file. A relative path starts at the subject file."""

    kind: Literal["archive"]
    path: str
    max_total_gb: Annotated[float, Field(gt=0)] = 100.0
    max_ratio: Annotated[float, Field(gt=1)] = 200.0


class UrlsParams(SourceLimits):
    """A CSV or Parquet list: column `url`; optional `licence`, `author`, `landing_page`, `group`.

    `contact` (an e-mail address or a page) goes into the User-Agent, so that a site's owner can
    reach the person who fetches. `allow_loopback_ports` names the ports of this machine that may
    be fetched from (a mirror, a test); every other private address is refused.
    """

    kind: Literal["urls"]
    path: str
    contact: Annotated[str, Field(min_length=5)]
    timeout_s: Annotated[float, Field(gt=0)] = 30.0
    num_tries: Annotated[int, Field(ge=1, le=10)] = 4
    max_connections: Annotated[int, Field(ge=1, le=64)] = 16
    max_connections_per_host: Annotated[int, Field(ge=1, le=16)] = 4
    allow_loopback_ports: tuple[int, ...] = ()


class PatchworkParams(SourceLimits):
    """Procedural pieced quilts, and on purpose some files that each later stage must refuse."""

    kind: Literal["patchwork"]
    seed: int = 0
    num_quilts: Annotated[int, Field(ge=1)] = 480
    side_px: Annotated[int, Field(ge=32, le=2048)] = 160
    num_near_duplicates: Annotated[int, Field(ge=0)] = 24
    num_off_subject: Annotated[int, Field(ge=0)] = 12
    num_too_small: Annotated[int, Field(ge=0)] = 8
    num_broken: Annotated[int, Field(ge=0)] = 2


ScrapeParams = Annotated[
    FolderParams | ArchiveParams | UrlsParams | PatchworkParams, Field(discriminator="kind")
]
