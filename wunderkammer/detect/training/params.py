"""The `detector` section: what a detector of this subject is trained on, and how."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from wunderkammer.labels.params import ConsistencyParams, LabelsParams
from wunderkammer.params import Params


class NoTraining(Params):
    """No detector is trained; the subject's chain has no `trained_detector`."""

    kind: Literal["none"] = "none"


class RandomStart(Params):
    """From random weights."""

    kind: Literal["none"] = "none"


class WeightsStart(Params):
    """From a file of weights: a `.pt` of ultralytics, or a `.safetensors` of `trained_detector`.

    `path` is looked for as `detect.weights` is. What fits by name and shape is copied, the classes
    by their names. `sha256` pins the file.
    """

    kind: Literal["file"]
    path: str
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None


class PreviousStart(Params):
    """From the last finished `trained_detector` of this subject, if there is one."""

    kind: Literal["previous"]


class YoloTrainingParams(Params):
    """A detector of the YOLO family, trained on boxes that people have drawn or accepted.

    `labels` are imported; with `reviewed`, the boxes accepted on the review page count too.
    `architecture` is one that ultralytics ships, such as `yolo11n.yaml`, or a YAML file of its kind
    whose path starts at the subject file; unset, that of the weights that it starts from, else
    `yolo11n.yaml`. Nothing is ever downloaded.

    The share `held_out` of the pictures, by groups, is never trained on: the mean average
    precision is that of these. Pictures whose perceptual hashes differ in at most
    `group_distance` bits are one group. The weights of the best epoch are kept; after `patience`
    epochs without a better one the training ends (0: never early). `learning_rate` unset follows
    from the number of classes.

    `retrain: on_review` makes the detector stale by itself with every `retrain_every` decisions of
    the review; `on_request` leaves that to `wunderkammer retrain-detector`. Neither is part of the
    data version.
    """

    kind: Literal["yolo"]
    labels: LabelsParams | None = None
    reviewed: bool = True
    architecture: str | None = None
    start: Annotated[RandomStart | WeightsStart | PreviousStart, Field(discriminator="kind")] = (
        RandomStart()
    )
    epochs: Annotated[int, Field(ge=1, le=2000)] = 100
    patience: Annotated[int, Field(ge=0, le=2000)] = 30
    batch_size: Annotated[int, Field(ge=1, le=1024)] = 16
    image_size_px: Annotated[int, Field(ge=32, le=2048, multiple_of=32)] = 640
    learning_rate: Annotated[float, Field(gt=0, le=1)] | None = None
    mirror: bool = True
    held_out: Annotated[float, Field(gt=0, lt=1)] = 0.2
    group_distance: Annotated[int, Field(ge=0, le=16)] = 6
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    consistency: ConsistencyParams = ConsistencyParams()
    retrain: Literal["on_request", "on_review"] = Field(default="on_request", exclude=True)
    retrain_every: Annotated[int, Field(ge=1)] = Field(default=50, exclude=True)

    @model_validator(mode="after")
    def _has_labels(self) -> "YoloTrainingParams":
        if self.labels is None and not self.reviewed:
            raise ValueError("detector needs labels: set detector.labels, or detector.reviewed")
        if self.retrain == "on_review" and not self.reviewed:
            raise ValueError("detector.retrain: on_review needs detector.reviewed: true")
        return self


DetectorParams = Annotated[NoTraining | YoloTrainingParams, Field(discriminator="kind")]
