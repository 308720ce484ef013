"""How the segmenters that people use want their input, and what their output means.

The numbers are those of the models' authors:
    u2net: Qin et al., "U²-Net: Going deeper with nested U-structure for salient object detection"
        (Pattern Recognition 106, 2020); the file of rembg called silueta is a smaller one.
    isnet: Qin et al., "Highly accurate dichotomous image segmentation" (ECCV 2022); RMBG-1.4 of
        BRIA takes the same.
    isnet_anime: SkyTNT, anime-segmentation, as rembg feeds it.
    birefnet: Zheng et al., "Bilateral reference for high-resolution dichotomous image
        segmentation" (CAAI Artificial Intelligence Research 3, 2024).
"""

from dataclasses import dataclass
from pathlib import Path

from wunderkammer.mask.errors import SegmenterFileError
from wunderkammer.mask.params import Triple

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
ONE = (1.0, 1.0, 1.0)


@dataclass(frozen=True)
class Normalisation:
    """From a picture to a segmenter's input, and from its output to a mask.

    The picture is resized to `input_px`, divided by 255, or by its brightest value if
    `by_brightest`, less `mean`, by `std`. The output goes through the logistic function if
    `is_logit`; if `is_stretched` its range is spread to 0..1, as these models' authors do.
    """

    mean: Triple
    std: Triple
    input_px: int
    by_brightest: bool = False
    is_logit: bool = False
    is_stretched: bool = True


PRESETS = {
    "u2net": Normalisation(IMAGENET_MEAN, IMAGENET_STD, 320, by_brightest=True),
    "isnet": Normalisation((0.5, 0.5, 0.5), ONE, 1024),
    "isnet_anime": Normalisation(IMAGENET_MEAN, ONE, 1024, by_brightest=True),
    "birefnet": Normalisation(IMAGENET_MEAN, IMAGENET_STD, 1024, is_logit=True),
    "plain": Normalisation((0.0, 0.0, 0.0), ONE, 512, is_stretched=False),
}
# The first that a file's name begins with.
NAMES = {
    "u2net": "u2net",
    "silueta": "u2net",
    "isnet-anime": "isnet_anime",
    "isnet": "isnet",
    "birefnet": "birefnet",
}
SIZES = {320: "u2net", 1024: "isnet"}


def preset_for(name: str, *, file: Path, input_px: int | None) -> str:
    """The preset called `name`, or for `auto` the one that the file's name or input size tells.

    Raises:
        SegmenterFileError: neither tells one.
    """
    if name != "auto":
        return name
    for start, preset in NAMES.items():
        if file.name.lower().startswith(start):
            return preset
    if input_px in SIZES:
        return SIZES[input_px]
    size = "any size" if input_px is None else f"{input_px} px"
    raise SegmenterFileError(
        f"{file.name}: neither its name nor its input ({size}) tells how it wants its pictures; "
        f"set mask.preset to one of {', '.join(PRESETS)}"
    )
