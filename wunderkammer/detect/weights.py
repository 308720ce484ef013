"""Where the weights of a recipe lie on this machine. Nothing is ever fetched."""

from difflib import get_close_matches
from pathlib import Path

from wunderkammer.build import StageInputs
from wunderkammer.detect.detector_file import Detector, parse_detector, read_detector
from wunderkammer.detect.errors import (
    DetectorFileError,
    UnknownClassError,
    WeightsNotFoundError,
)
from wunderkammer.detect.params import YoloParams
from wunderkammer.named_files import weights_places
from wunderkammer.subject import Subject

# The word for the detector that was trained for the subject, the stage, the file of its version.
TRAINED = "trained"
TRAINED_STAGE = "trained_detector"
TRAINED_FILE = "detector.safetensors"

RELEASES = "https://github.com/ultralytics/assets/releases"


def find_weights(name: str, *, subject: Subject, setting: str) -> Path:
    """The file of weights that a setting of a subject names.

    Raises:
        WeightsNotFoundError: there is none; it says where it was looked for, and what to do.
    """
    places = weights_places(name, subject=subject)
    for place in places:
        if place.is_file():
            return place
    looked = " nor ".join(str(place) for place in places)
    if len(places) > 1:
        remedy = (
            f"put the file to {places[-1]} (weights by ultralytics: {RELEASES}; they are never "
            f"downloaded by themselves), or name another folder in WUNDERKAMMER_WEIGHTS"
        )
    else:
        remedy = "correct the path, which starts at the subject file"
    raise WeightsNotFoundError(
        f"{setting}={name!r} of {subject.name!r}: there is no file {looked}; {remedy}"
    )


def load_detector(params: YoloParams, *, inputs: StageInputs) -> Detector:
    """The detector that the section `detect` names, which knows the classes that it asks for.

    Raises:
        WeightsNotFoundError: there is no such file.
        DetectorFileError: the file is damaged, hostile, not the pinned one, or of another kind.
        UnknownClassError: it has no such class.
    """
    if params.weights == TRAINED:
        record = inputs.upstreams[TRAINED_STAGE]
        detector = parse_detector(inputs.versions.read(record, TRAINED_FILE))
    else:
        file = find_weights(params.weights, subject=inputs.subject, setting="detect.weights")
        detector = read_detector(file)
    if params.sha256 not in (None, detector.sha256):
        raise DetectorFileError(
            f"detect.weights={params.weights!r} has the SHA-256 {detector.sha256}, not "
            f"detect.sha256={params.sha256}; get the file again, or drop the pin"
        )
    unknown = [name for name in params.classes if name not in detector.names]
    if unknown:
        meant = get_close_matches(unknown[0], detector.names, n=1)
        hint = f"; did you mean {meant[0]!r}?" if meant else ""
        raise UnknownClassError(
            f"detect.classes={unknown} of {inputs.subject.name!r}: {params.weights} has no such "
            f"class{hint} (it has: {', '.join(detector.names)})"
        )
    return detector
