"""Labels: boxes that somebody has drawn, and how consistent they have to be."""

from typing import Annotated, Literal

from pydantic import Field

from wunderkammer.params import Params

Share = Annotated[float, Field(ge=0, le=1)]


class LabelsParams(Params):
    """Boxes drawn in another program: Pascal VOC XML (`voc`), YOLO text files (`yolo`), COCO JSON
    (`coco`), an export of VoTT (`vott`, CSV or JSON) or of VGG Image Annotator (`via`, CSV or
    JSON).

    `path` is the file or the folder, `images` the folder of the pictures (without it, the one that
    `path` is or lies in); relative paths start at the subject file. A picture that is not there is
    looked for among those of the scrape, by its SHA-256 or by its name. `class_map` renames
    classes, `null` leaves one out, and the key `""` names boxes that have none. With `backgrounds`
    a picture that is listed without a box teaches that there is nothing.
    """

    path: str
    images: str | None = None
    format: Literal["auto", "voc", "yolo", "coco", "vott", "via"] = "auto"
    class_map: dict[str, str | None] = Field(default_factory=dict)
    backgrounds: bool = True


class ConsistencyParams(Params):
    """What counts as an inconsistent box, and how many of them are too many to train on.

    A box is tiny if the detector sees it smaller than `min_side_px`, and a duplicate of another of
    its class from the IoU `duplicate_iou` on. Two of a class overlap from `overlap_iou` on, and one
    is nested in a larger one if the share `nested_share` of it lies inside: an inner and an outer
    spider. With more than `max_inconsistent` of all boxes the training is refused.
    """

    min_side_px: Annotated[int, Field(ge=1)] = 4
    duplicate_iou: Share = 0.95
    overlap_iou: Share = 0.6
    nested_share: Share = 0.9
    max_inconsistent: Share = 0.1
