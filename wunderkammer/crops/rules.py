"""The rules of a `filter` section, as cuts in the order in which they reject."""

from wunderkammer.crops.centre import centre_cuts, rendered_cuts, size_cut
from wunderkammer.crops.cuts import Cut
from wunderkammer.crops.detected import detected_cuts
from wunderkammer.crops.pages import page_cuts
from wunderkammer.crops.params import DetectedParams, FilterParams, PageParams
from wunderkammer.mask.cuts import mask_cuts


def window_cuts(params: FilterParams) -> list[Cut]:
    """The rules about candidates, before any is rendered."""
    if isinstance(params, DetectedParams):
        return [*detected_cuts(params), size_cut(params)]
    if isinstance(params, PageParams):
        return [*page_cuts(params), size_cut(params)]
    return [size_cut(params), *centre_cuts(params)]


def all_cuts(params: FilterParams) -> list[Cut]:
    """Every rule of the section."""
    masked = [] if params.mask is None else mask_cuts(params.mask)
    return [*window_cuts(params), *rendered_cuts(params), *masked]
