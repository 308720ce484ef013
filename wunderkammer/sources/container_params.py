"""Settings of sources that give containers: zip files of pictures, and PDFs."""

from collections.abc import Collection
from typing import Annotated, Any

from pydantic import Field

from wunderkammer.params import Params
from wunderkammer.sources.limits import MB


class ZipParams(Params):
    """Which containers are fetched, and how they are unpacked.

    A container of more than `max_container_mb` is not fetched. A member that unpacks to more than
    `max_ratio` times its packed size is refused, and so is all that comes after `max_total_gb` of
    unpacked data.
    """

    max_container_mb: Annotated[float, Field(gt=0)] = 2000.0
    max_total_gb: Annotated[float, Field(gt=0)] = 20.0
    max_ratio: Annotated[float, Field(gt=1)] = 200.0

    @property
    def max_container_bytes(self) -> int:
        """The largest container that is fetched."""
        return int(self.max_container_mb * MB)


class PageParams(ZipParams):
    """How documents become pictures, a page each.

    A PDF's page is drawn at `dpi`; any page becomes grey if `grey`. A page of which less than
    `min_ink` (a share of its area; a single word has 0.0004) differs from its paper is refused as
    blank; 0 keeps blank pages. The first and last pages that are skipped, and those beyond
    `max_pages` of a document, are counted and not looked at; the pages of a zip file are its
    members in the order of their names.
    """

    dpi: Annotated[int, Field(ge=18, le=1200)] = 144
    grey: bool = False
    min_ink: Annotated[float, Field(ge=0, lt=1)] = 0.0003
    skip_first_pages: Annotated[int, Field(ge=0)] = 0
    skip_last_pages: Annotated[int, Field(ge=0)] = 0
    max_pages: Annotated[int, Field(ge=1)] | None = None

    def left_out(self, page: int, num_pages: int) -> tuple[str, str] | None:
        """Why a page, counted from 0, is not taken, whatever it shows."""
        first, last = self.skip_first_pages, self.skip_last_pages
        if page < first or page >= num_pages - last:
            skipped = f"the first {first} and the last {last} of {num_pages} are skipped"
            return "skipped_page", skipped
        if self.max_pages is not None and page - first >= self.max_pages:
            return "beyond_max_pages", f"allowed: {self.max_pages}"
        return None


SKIPPED = ("skip_first_pages", "skip_last_pages")


def without_containers(
    identity: dict[str, Any], *, but: Collection[str] = ("max_pages",)
) -> dict[str, Any]:
    """The identity of a query less what only concerns the containers that it finds."""
    theirs = PageParams.model_fields.keys() - set(but)
    return {key: value for key, value in identity.items() if key not in theirs}
