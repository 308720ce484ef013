"""The `scrape` section: where a subject's pictures come from."""

from collections import Counter
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field, model_validator

from wunderkammer.conduct.params import ConductParams
from wunderkammer.sources.commons import CommonsParams
from wunderkammer.sources.endless_forams import EndlessForamsParams
from wunderkammer.sources.flickr import FlickrParams
from wunderkammer.sources.gbif import GbifParams
from wunderkammer.sources.inaturalist import INaturalistParams
from wunderkammer.sources.instagram import InstagramParams
from wunderkammer.sources.instaloader_folder import InstaloaderFolderParams
from wunderkammer.sources.internet_archive import InternetArchiveParams
from wunderkammer.sources.limits import RemoteParams, SourceLimits
from wunderkammer.sources.met import MetParams
from wunderkammer.sources.openverse import OpenverseParams
from wunderkammer.sources.reddit import RedditParams
from wunderkammer.sources.smithsonian import SmithsonianParams


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


class UrlsParams(RemoteParams):
    """A CSV or Parquet list with a column `url`, and if it has them `landing_page`, `author`,
    `licence`, `licence_url`, `title`, `label`, `group`. Each host's robots.txt is obeyed.
    """

    kind: Literal["urls"]
    path: str


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


SingleParams = (
    ArchiveParams
    | CommonsParams
    | EndlessForamsParams
    | FlickrParams
    | FolderParams
    | GbifParams
    | INaturalistParams
    | InstagramParams
    | InstaloaderFolderParams
    | InternetArchiveParams
    | MetParams
    | OpenverseParams
    | PatchworkParams
    | RedditParams
    | SmithsonianParams
    | UrlsParams
)
MemberParams = Annotated[SingleParams, Field(discriminator="kind")]


class CombineParams(SourceLimits):
    """Several sources for one subject.

    With `max_images` each gives a share by its weight (`weights`, one a source; without them all
    weigh alike), and what one can't give comes from the others; a source's own `max_images` holds
    besides. `conduct` and the limits stand here, for all of them.
    """

    kind: Literal["combine"]
    sources: Annotated[tuple[MemberParams, ...], Field(min_length=1)]
    weights: tuple[Annotated[float, Field(gt=0)], ...] | None = None
    conduct: ConductParams = Field(default=ConductParams(), exclude=True)

    @model_validator(mode="after")
    def _consistent(self) -> "CombineParams":
        if self.weights is not None and len(self.weights) != len(self.sources):
            raise ValueError(
                f"{len(self.weights)} weights for {len(self.sources)} sources; give one for each"
            )
        for source in self.sources:
            if isinstance(source, RemoteParams) and source.conduct != ConductParams():
                raise ValueError(
                    f"scrape.sources: `conduct` of kind {source.kind!r} stands within the "
                    f"source; put it beside `sources`, where it holds for all"
                )
        return self

    def named(self) -> Iterator[tuple[str, SingleParams, float]]:
        """Each source with its name (its kind; a second of the kind has a 2 behind) and weight."""
        counts: Counter[str] = Counter()
        weights = self.weights or (1.0,) * len(self.sources)
        for source, weight in zip(self.sources, weights, strict=True):
            counts[source.kind] += 1
            number = counts[source.kind]
            yield source.kind + (f"-{number}" if number > 1 else ""), source, weight


ScrapeParams = Annotated[SingleParams | CombineParams, Field(discriminator="kind")]
