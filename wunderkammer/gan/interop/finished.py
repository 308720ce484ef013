"""A subject's finished checkpoint, to be taken elsewhere."""

import json
from pathlib import Path
from typing import Any, Literal

from safetensors.torch import load

from wunderkammer.gan.checkpoints.published import network_params_of
from wunderkammer.gan.interop.nvlabs_writer import write_nvlabs_pickle
from wunderkammer.gan.interop.onnx_export import write_onnx
from wunderkammer.gan.interop.portable import Portable, check_target, write_portable
from wunderkammer.gan.networks.build import build_networks
from wunderkammer.stages import TRAINED_CHECKPOINT
from wunderkammer.storage.versions import Versions

Format = Literal["safetensors", "onnx", "nvlabs-pickle"]


class NoCheckpointError(LookupError):
    """The subject has no finished checkpoint."""


def finished_checkpoint(versions: Versions, subject: str) -> Portable:
    """The networks of the version of `trained_checkpoint` in force.

    Raises:
        NoCheckpointError: there is none.
        MissingObjectError: its files are gone.
    """
    record = versions.current(subject, TRAINED_CHECKPOINT.name)
    if record is None:
        raise NoCheckpointError(
            f"{subject!r} has no finished {TRAINED_CHECKPOINT.name}; run "
            f"`wunderkammer refresh {subject}` first"
        )
    described: dict[str, Any] = json.loads(versions.read(record, "checkpoint.json"))
    tensors = load(versions.read(record, "checkpoint.safetensors"))
    provenance = {
        "from": "wunderkammer",
        "subject": subject,
        "version": record.version,
        "num_images": str(described["num_images"]),
        "labels": ", ".join(described.get("labels", ())),
    }
    return Portable(network_params_of(described["generator"]), tensors, provenance)


def export(
    portable: Portable, path: Path, *, kind: Format, truncation_psi: float | None = None
) -> None:
    """Write the networks at `path`.

    Args:
        truncation_psi: fixes the truncation of an ONNX file; the others have none.

    Raises:
        CheckpointFileError: the networks can't be written so, or there.
        ValueError: a truncation is asked where there is none.
    """
    if truncation_psi is not None and kind != "onnx":
        raise ValueError(f"--psi={truncation_psi} belongs to --format onnx, not to {kind}")
    check_target(path)
    if kind == "safetensors":
        write_portable(path, portable)
    elif kind == "nvlabs-pickle":
        write_nvlabs_pickle(path, portable)
    else:
        generator, _ = build_networks(portable.networks)
        generator.load_state_dict(portable.network("average"))
        write_onnx(path, generator, truncation_psi=truncation_psi)
