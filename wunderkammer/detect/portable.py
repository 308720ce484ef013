"""A detector as one safetensors file: what `trained_detector` publishes and any recipe may name.

The header holds, as JSON under `detector`, the architecture and the names of the classes; the
tensors have the names of ultralytics' own network. Nothing in such a file is ever run.
"""

import json
import struct
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from wunderkammer.detect.architecture import checked_architecture
from wunderkammer.detect.checkpoint_reader import CheckpointParts
from wunderkammer.detect.errors import DetectorFileError

HEADER = "detector"
MAX_HEADER_BYTES = 16 << 20


def write_detector(parts: CheckpointParts) -> bytes:
    """The file's bytes; the same detector gives the same bytes."""
    header = {"architecture": dict(parts.architecture), "names": list(parts.names)}
    tensors = {name: np.ascontiguousarray(parts.tensors[name]) for name in sorted(parts.tensors)}
    return bytes(save(tensors, {HEADER: json.dumps(header, sort_keys=True, ensure_ascii=False)}))


def read_detector(content: bytes) -> CheckpointParts:
    """The detector in the bytes of a file, its architecture checked.

    Raises:
        DetectorFileError: it is cut off, damaged, or holds something else.
    """
    header = _header(content)
    architecture, names = header.get("architecture"), header.get("names")
    if not isinstance(architecture, dict):
        raise DetectorFileError("the header of the safetensors file has no architecture")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise DetectorFileError("the header of the safetensors file has no names of classes")
    try:
        tensors = load(content)
    except (SafetensorError, KeyError, ValueError) as error:
        raise DetectorFileError(f"no sound safetensors file: {error}") from error
    return CheckpointParts(checked_architecture(architecture), tuple(names), tensors)


def _header(content: bytes) -> dict[str, Any]:
    """What a detector says of itself: a length, then JSON (safetensors' own format)."""
    if len(content) < 8:
        raise DetectorFileError(f"{len(content)} bytes are no safetensors file")
    (num_bytes,) = struct.unpack("<Q", content[:8])
    if num_bytes > min(MAX_HEADER_BYTES, len(content) - 8):
        raise DetectorFileError("no safetensors file, or one that is cut off")
    try:
        described = json.loads(content[8 : 8 + num_bytes])["__metadata__"][HEADER]
        header = json.loads(described)
    except (ValueError, KeyError, TypeError) as error:
        raise DetectorFileError(
            f"a safetensors file, but none that `wunderkammer` wrote a detector into ({error!r})"
        ) from error
    if not isinstance(header, dict):
        raise DetectorFileError("the header of the safetensors file is no JSON object")
    return header
