"""What a finished training says of itself, as the file that its process leaves."""

from typing import Any

from wunderkammer.params import Params

RESULT_FILE = "result.json"
PICTURE_FILES = ("held_out.jpg", "precision_recall.png", "training.png")


class ClassResult(Params):
    """How well one class is found in the pictures held out."""

    boxes_trained: int
    boxes_held_out: int
    map50: float | None
    map50_95: float | None
    best_confidence: float | None


class TrainingResult(Params):
    """The outcome of a training.

    Attributes:
        map50, map50_95: mean average precision on the pictures held out (COCO's definition).
        classes: by name.
        epochs: a row an epoch: losses, and measures of the running average of the weights.
        best_epoch: whose weights they are.
        seconds: of the last process; a training that was killed took longer.
    """

    detector_sha256: str
    map50: float
    map50_95: float
    classes: dict[str, ClassResult]
    epochs: tuple[dict[str, float], ...]
    best_epoch: int
    num_trained: int
    num_held_out: int
    num_parameters: int
    device: str
    seconds: float

    def measures(self, *, labels_digest: str) -> dict[str, Any]:
        """For the summary of the version."""
        return {
            "mAP50": round(self.map50, 4),
            "mAP50-95": round(self.map50_95, 4),
            "classes": {
                name: {
                    "mAP50": _shown(found.map50),
                    "mAP50-95": _shown(found.map50_95),
                    "best confidence": _shown(found.best_confidence),
                    "boxes trained": found.boxes_trained,
                    "boxes held out": found.boxes_held_out,
                }
                for name, found in self.classes.items()
            },
            "pictures_trained": self.num_trained,
            "pictures_held_out": self.num_held_out,
            "epochs": len(self.epochs),
            "best_epoch": self.best_epoch,
            "parameters": self.num_parameters,
            "labels": labels_digest[:16],
            "device": self.device,
        }


def _shown(value: float | None) -> float | str:
    return "none held out" if value is None else round(value, 4)
