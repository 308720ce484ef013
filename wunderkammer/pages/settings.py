"""What of the `page` settings reaches a page's place; no cut does."""

from dataclasses import asdict, dataclass

from wunderkammer.pages.params import PageRegionParams, Split
from wunderkammer.params import digest

# Bump when the same picture and settings would give other regions or measures.
PAGES_VERSION = 1


@dataclass(frozen=True)
class PageSettings:
    """All that the regions of a scan and their measures depend on, besides its pixels."""

    trim_margins: bool
    keep_margin: float
    max_trim: float
    deskew: bool
    max_skew_deg: float
    split: Split

    @classmethod
    def of(cls, params: PageRegionParams) -> "PageSettings":
        """The settings of a `filter` section of kind `page`."""
        return cls(
            trim_margins=params.trim_margins,
            keep_margin=params.keep_margin,
            max_trim=params.max_trim,
            deskew=params.deskew,
            max_skew_deg=params.max_skew_deg,
            split=params.split,
        )

    @property
    def digest(self) -> str:
        """The name of these settings (64 hex digits)."""
        return digest({**asdict(self), "version": PAGES_VERSION})
