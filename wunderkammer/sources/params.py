"""The `scrape` section: where a subject's pictures come from."""

from typing import Annotated, Literal

from pydantic import Field

from wunderkammer.params import Params

MB = 1_000_000
GB = 1000 * MB


class SourceLimits(Params):
    """Caps that every source obeys; a file beyond one is a counted rejection."""

    max_images: Annotated[int, Field(ge=1)] | None = None
    max_file_mb: Annotated[float, Field(gt=0)] = 64.0
    max_megapixels: Annotated[float, Field(gt=0)] = 178.0

    @property
    def max_bytes(self) -> int:
        """The largest file that is read."""
        return int(self.max_file_mb * MB)

    @property
    def max_pixels(self) -> int:
        """The largest picture that is decoded."""
        return int(self.max_megapixels * MB)


class FolderParams(SourceLimits):
    """Every file under a folder, however deep. A relative path starts at the subject file.

    `include` holds patterns of paths below the folder: `*` and `?` match within one part of a path,
    `**` as a part of its own any number of parts (`**/*.jpg`: at any depth). With
    `label_from_folder`, the first folder below `path` is a file's label.
    """

    kind: Literal["folder"]
    path: str
    include: Annotated[tuple[str, ...], Field(min_length=1)] = ("**",)
    label_from_folder: bool = False


class ArchiveParams(SourceLimits):
    """The members of one zip or tar file. A relative path starts at the subject file.

    A member that unpacks to more than `max_ratio` times its packed size is refused, and so is all
    that comes after `max_total_gb` of unpacked data.
    """

    kind: Literal["archive"]
    path: str
    max_total_gb: Annotated[float, Field(gt=0)] = 100.0
    max_ratio: Annotated[float, Field(gt=1)] = 200.0
    label_from_folder: bool = False


class UrlsParams(SourceLimits):
    """A CSV or Parquet list with a column `url`, and if it has them `landing_page`, `author`,
    `licence`, `licence_url`, `title`, `label`, `group`.

    `contact` (an e-mail address or a page) goes into the User-Agent, so that a site's owner can
    reach the person who fetches. `allow_loopback_ports` names the ports of this machine that may
    be fetched from (a mirror, a test); every other private address is refused. A download that
    is silent for `timeout_s`, or takes more than `max_download_s`, has failed.
    """

    kind: Literal["urls"]
    path: str
    contact: Annotated[str, Field(min_length=5, pattern="^[ -~]+$")]
    timeout_s: Annotated[float, Field(gt=0)] = 30.0
    max_download_s: Annotated[float, Field(gt=0)] = 300.0
    num_tries: Annotated[int, Field(ge=1, le=10)] = 4
    max_connections: Annotated[int, Field(ge=1, le=64)] = 16
    max_connections_per_host: Annotated[int, Field(ge=1, le=16)] = 4
    allow_loopback_ports: tuple[int, ...] = ()


class PatchworkParams(SourceLimits):
    """Procedural pieced quilts, and on purpose some files that each later stage must refuse.

    `max_blocks` is the most blocks a side of a quilt; blocks that need two a side keep two.
    """

    kind: Literal["patchwork"]
    seed: int = 0
    num_quilts: Annotated[int, Field(ge=1)] = 480
    side_px: Annotated[int, Field(ge=32, le=2048)] = 160
    max_blocks: Annotated[int, Field(ge=1)] = 4
    num_near_duplicates: Annotated[int, Field(ge=0)] = 24
    num_off_subject: Annotated[int, Field(ge=0)] = 12
    num_too_small: Annotated[int, Field(ge=0)] = 8
    num_broken: Annotated[int, Field(ge=0)] = 2


ScrapeParams = Annotated[
    FolderParams | ArchiveParams | UrlsParams | PatchworkParams, Field(discriminator="kind")
]
