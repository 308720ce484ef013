"""The `detect` section: which detector looks at the pictures, and how."""

from typing import Annotated, Literal

from pydantic import Field

from wunderkammer.params import Params

Device = Annotated[str, Field(pattern=r"^(auto|cpu|cuda(:[0-9]+)?)$")]


class NoDetector(Params):
    """The subject needs no detector; its chain has no `detections`."""

    kind: Literal["none"] = "none"


class YoloParams(Params):
    """A detector of the YOLO family, with weights from a file of this machine.

    `weights` is a path that starts at the subject file, or a bare name such as `yolo11m.pt`, which
    is looked for beside the subject file and in the folder that WUNDERKAMMER_WEIGHTS names (else
    `data/weights`), or `trained`: the detector that was trained for this subject. Nothing is ever
    downloaded. `sha256` pins the file.

    Boxes of all classes are stored from `min_confidence` on, so that another choice of `classes`
    (none named: all) or a rule of the filter runs no detector. `max_overlap` is the IoU beyond
    which the less sure of two boxes of one class goes. With `precision: auto` a CPU that has
    bfloat16 computes in it, which is faster and moves a box by about a hundredth of its size.

    `batch_size`, `device` and `backend` are how it is computed, which changes nothing that counts:
    they are part of no data version.
    """

    kind: Literal["yolo"]
    weights: str
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    classes: tuple[str, ...] = ()
    image_size_px: Annotated[int, Field(ge=32, le=4096, multiple_of=32)] = 640
    min_confidence: Annotated[float, Field(gt=0, lt=1)] = 0.25
    max_overlap: Annotated[float, Field(gt=0, le=1)] = 0.7
    max_objects: Annotated[int, Field(ge=1, le=10_000)] = 300
    precision: Literal["auto", "float32"] = "auto"
    batch_size: Annotated[int, Field(ge=1, le=1024)] = Field(default=16, exclude=True)
    device: Device = Field(default="auto", exclude=True)
    backend: Literal["auto", "torch", "openvino"] = Field(default="auto", exclude=True)


DetectParams = Annotated[NoDetector | YoloParams, Field(discriminator="kind")]
