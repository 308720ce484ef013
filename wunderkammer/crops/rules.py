"""The rules of a `filter` section, as cuts in the order in which they reject."""

from wunderkammer.classify.cuts import classify_cuts, outlier_cuts, similar_cuts
from wunderkammer.crops.centre import centre_cuts, rendered_cuts, size_cut
from wunderkammer.crops.cuts import Cut
from wunderkammer.crops.detected import detected_cuts
from wunderkammer.crops.pages import page_cuts
from wunderkammer.crops.params import (
    CropParams,
    DetectedParams,
    FilterParams,
    PageParams,
    ThresholdParams,
)
from wunderkammer.mask.cuts import mask_cuts


def window_cuts(params: FilterParams) -> list[Cut]:
    """The rules about candidates, before any is rendered."""
    if isinstance(params, DetectedParams):
        return [*detected_cuts(params), size_cut(params)]
    if isinstance(params, PageParams):
        return [*page_cuts(params), size_cut(params)]
    if isinstance(params, ThresholdParams):
        return [size_cut(params)]
    return [size_cut(params), *centre_cuts(params)]


def score_cuts(params: CropParams) -> list[Cut]:
    """The rules about what networks see in crops."""
    return [
        *([] if params.classify is None else classify_cuts(params.classify)),
        *([] if params.similar is None else similar_cuts(params.similar)),
        *([] if params.outliers is None else outlier_cuts(params.outliers)),
    ]


def all_cuts(params: FilterParams) -> list[Cut]:
    """Every rule of the section."""
    masked = [] if params.mask is None else mask_cuts(params.mask)
    return [*window_cuts(params), *rendered_cuts(params), *score_cuts(params), *masked]
