"""What of the `threshold` settings reaches a region; how far a crop is padded does not."""

from dataclasses import asdict, dataclass

from wunderkammer.params import digest
from wunderkammer.segment.params import Foreground, Method, Prefer, ThresholdRegionParams, Tiles

# Bump when the same picture and settings would give other regions or measures.
SEGMENT_VERSION = 1


@dataclass(frozen=True)
class ThresholdSettings:
    """All that the regions of a picture and their measures depend on, besides its pixels."""

    methods: tuple[Method, ...]
    contrast_share: float
    foreground: Foreground
    level_light: bool
    leave_out_annotations: bool
    max_strip: float
    tiles: Tiles
    smooth: float
    close: float
    fill_holes: bool
    num_largest: int
    prefer: Prefer
    min_area_px: int
    max_area_px: int | None
    min_area: float
    max_area: float

    @classmethod
    def of(cls, params: ThresholdRegionParams) -> "ThresholdSettings":
        """The settings of a `filter` section of kind `threshold`."""
        return cls(**{name: getattr(params, name) for name in cls.__dataclass_fields__})

    @property
    def digest(self) -> str:
        """The name of these settings (64 hex digits)."""
        return digest({**asdict(self), "version": SEGMENT_VERSION})
