"""A detector as a file: what ultralytics saved, or our own safetensors with the architecture.

Our format holds tensors and text, nothing else; the metadata has one key with JSON:
{"format": 1, "architecture": {…}, "names": […], "provenance": {…}}.
"""

import hashlib
import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from wunderkammer.detect.architecture import checked_architecture
from wunderkammer.detect.checkpoint_reader import read_checkpoint
from wunderkammer.detect.errors import DetectorFileError

KEY = "wunderkammer_detector"
FORMAT = 1


@dataclass(frozen=True)
class Detector:
    """A network that finds boxes.

    Attributes:
        architecture: as ultralytics' YAML files have it, checked.
        names: of the classes, by index.
        tensors: the weights before layers were fused, by dotted name, float32 or float16.
        sha256: of the file (hex); empty for one that is not from a file.
    """

    architecture: Mapping[str, Any]
    names: tuple[str, ...]
    tensors: Mapping[str, np.ndarray]
    sha256: str = ""
    provenance: Mapping[str, str] = field(default_factory=dict)


def read_detector(path: Path) -> Detector:
    """The detector in a `.pt` of ultralytics, or in a `.safetensors` of ours.

    Raises:
        DetectorFileError: it is damaged, hostile, or of a kind that is not taken.
        FileNotFoundError: there is none.
    """
    try:
        return parse_detector(path.read_bytes())
    except DetectorFileError as error:
        raise DetectorFileError(f"{path}: {error}") from error


def parse_detector(content: bytes) -> Detector:
    """As `read_detector`, from the bytes of a file."""
    sha256 = hashlib.sha256(content).hexdigest()
    if content.startswith(b"PK"):
        parts = read_checkpoint(content)
        detector = Detector(parts.architecture, parts.names, parts.tensors, sha256)
    else:
        described = _described(content)
        detector = Detector(
            described["architecture"],
            tuple(described["names"]),
            _loaded(content),
            sha256,
            described["provenance"],
        )
    return _checked(detector)


def write_detector(detector: Detector) -> bytes:
    """The bytes of a `.safetensors` file that `read_detector` takes.

    Raises:
        DetectorFileError: architecture, names and tensors do not belong together.
    """
    checked = _checked(detector)
    header = {
        "format": FORMAT,
        "architecture": checked.architecture,
        "names": list(checked.names),
        "provenance": dict(checked.provenance),
    }
    tensors = {name: np.asarray(array, order="C") for name, array in checked.tensors.items()}
    return save(tensors, metadata={KEY: json.dumps(header, sort_keys=True)})


def _checked(detector: Detector) -> Detector:
    architecture = checked_architecture(detector.architecture)
    if len(detector.names) != architecture["nc"]:
        raise DetectorFileError(
            f"{len(detector.names)} names for {architecture['nc']} classes of the architecture"
        )
    for name, array in detector.tensors.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise DetectorFileError(f"the tensor {name[:80]} has numbers that are not finite")
    return Detector(
        architecture, detector.names, detector.tensors, detector.sha256, detector.provenance
    )


def _loaded(content: bytes) -> dict[str, np.ndarray]:
    try:
        return load(content)
    except SafetensorError as error:
        raise DetectorFileError(f"a damaged safetensors file: {error}") from error


def _described(content: bytes) -> dict[str, Any]:
    """What our key holds: 8 bytes of length, then JSON with `__metadata__`."""
    try:
        (length,) = struct.unpack_from("<Q", content)
        header: dict[str, Any] = json.loads(content[8 : 8 + length])
        described: dict[str, Any] = json.loads(header["__metadata__"][KEY])
        is_ours = described["format"] == FORMAT and isinstance(described["architecture"], dict)
        texts = [*described["names"], *described["provenance"].values()]
    except (struct.error, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DetectorFileError(
            f"neither a .pt of ultralytics nor a .safetensors with the key {KEY!r}; of an exported "
            f"file (.onnx, .engine, …) take the .pt that it was made from"
        ) from error
    if not is_ours or not all(isinstance(text, str) for text in texts):
        raise DetectorFileError(f"{KEY!r} is of another format than {FORMAT}; update this program")
    return described
