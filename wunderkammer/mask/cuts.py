"""The rules about the area of a mask."""

from wunderkammer.crops.cuts import Cut
from wunderkammer.mask.params import MaskParams


def mask_cuts(params: MaskParams) -> list[Cut]:
    """Crops in which the segmenter has found next to nothing, or next to everything."""
    words = "share of the crop that its mask covers; filter.mask."
    return [
        Cut(
            measure="mask_area",
            reason="mask_too_small",
            words=f"{words}min_area",
            at_least=params.min_area,
        ),
        Cut(
            measure="mask_area",
            reason="mask_too_large",
            words=f"{words}max_area",
            at_most=params.max_area,
        ),
    ]
