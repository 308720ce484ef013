"""Where the segmenter of a recipe lies on this machine. Nothing is ever fetched."""

from pathlib import Path

from wunderkammer.mask.errors import SegmenterNotFoundError
from wunderkammer.mask.params import MaskParams
from wunderkammer.named_files import weights_places
from wunderkammer.subject import Subject

RELEASES = "https://github.com/danielgatis/rembg/releases"


def find_model(params: MaskParams, *, subject: Subject) -> Path:
    """The file that the section `mask` of a subject names.

    Raises:
        SegmenterNotFoundError: there is none; it says where it was looked for, and what to do.
    """
    places = weights_places(params.model, subject=subject)
    for place in places:
        if place.is_file():
            return place
    looked = " and ".join(str(place) for place in places)
    remedy = (
        f"get it where its authors offer it (U²-Net, silueta, IS-Net, BiRefNet as ONNX: {RELEASES};"
        f" it is never downloaded by itself) and put it to {places[-1]}"
    )
    raise SegmenterNotFoundError(
        f"mask.model={params.model!r} of {subject.name!r}: there is no file {looked}; {remedy}"
    )
