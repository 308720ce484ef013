"""A detector's numbers by OpenVINO on the CPU: two to four times as fast as torch there.

The network is exported once for each file of weights; the export is kept by the weights' hash. One
picture at a time goes through one of as many streams as there are CPUs, a thread each, so that
what is found in a picture depends on no other picture.
"""

import json
import shutil
import sys
import tempfile
import warnings
from collections import Counter
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from wunderkammer.detect.backend import Numbers, Pictures
from wunderkammer.detect.boxes import HeadFacts
from wunderkammer.detect.errors import BackendError
from wunderkammer.detect.network import RawDetector
from wunderkammer.workers import num_cpus

# Bump when an export of the same weights would be another one.
EXPORT_VERSION = 1
MODEL, FACTS = "model.xml", "facts.json"

# A network for one size of frame is an eighth faster than one for any; making it costs 0.2 s.
STATIC_FROM = 32
MAX_STATIC = 6
MAX_STREAMS = 32

# The exported network may differ by this much from torch's, in its logits, in float32.
TOLERANCE = 1e-2
EXPORT_ERRORS = (RuntimeError, ValueError, TypeError, AttributeError, LookupError, AssertionError)


def openvino_module() -> Any:
    """The package `openvino`.

    Raises:
        BackendError: it is not installed, or not for this machine.
    """
    # At its import, and at each export, it would send statistics of its use to its makers.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    try:
        import openvino
    except ImportError as error:
        raise BackendError(f"openvino can't be loaded: {error}; detect.backend: torch") from error
    return openvino


@cache
def _core() -> Any:
    """The only Core of this process.

    Each sets up a stack for signal handlers and, when it goes, puts back the one that it found.
    Of two the first to go would leave the process with one that is freed, and the next signal to a
    handler would crash it.
    """
    return openvino_module().Core()


def export_folder(cache: Path, sha256: str) -> Path:
    """Where the export of the weights with this hash is kept."""
    version = openvino_module().__version__.split("-")[0]
    return cache / f"{sha256[:32]}-openvino-{version}-{EXPORT_VERSION}"


def export_network(network: RawDetector, folder: Path) -> None:
    """Write the network to `folder`, whole or not at all.

    Raises:
        BackendError: it can't be exported, or the export computes something else.
    """
    openvino = openvino_module()
    folder.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".part-"))
    try:
        model = _converted(network)
        openvino.save_model(model, part / MODEL, compress_to_fp16=False)
        (part / FACTS).write_text(json.dumps(asdict(network.facts)))
        _verify(network, OpenVinoBackend(part, precision="float32"))
        if folder.exists():
            shutil.rmtree(folder)
        part.rename(folder)
    except EXPORT_ERRORS as error:
        raise BackendError(f"the network can't be exported: {str(error)[:400]}") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _converted(network: RawDetector) -> Any:
    step = network.facts.step_px
    height, width = (torch.export.Dim(name, min=1, max=4096 // step + 1) for name in "hw")
    shapes = {"x_NHWC": {0: torch.export.Dim("n", max=1024), 1: step * height, 2: step * width}}
    # Of another number than 1, which would be taken for fixed.
    example_NHWC = torch.zeros(2, 4 * step, 3 * step, 3, dtype=torch.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.export.export(network, (example_NHWC,), dynamic_shapes=shapes, strict=False)
        return openvino_module().convert_model(program)


def _verify(network: RawDetector, backend: "OpenVinoBackend") -> None:
    step = network.facts.step_px
    shape = (1, 2 * step, 3 * step, 3)
    x_NHWC = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    with torch.inference_mode():
        expected = network(torch.from_numpy(x_NHWC))
    for found, right in zip(backend.run(x_NHWC), expected, strict=True):
        error = float(np.abs(found - right.numpy()).max())
        if not error <= TOLERANCE:
            raise ValueError(f"it differs by {error:.3g} from torch's; limit {TOLERANCE}")


class OpenVinoBackend:
    """See `Backend`. `precision` "auto" is bfloat16 on a CPU that has it, else float32.

    Raises:
        BackendError: the export in `folder` is damaged; delete the folder.
    """

    def __init__(self, folder: Path, *, precision: str) -> None:
        can = _core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        is_short = precision == "auto" and "BF16" in can
        self.name = f"openvino, cpu, {'bfloat16' if is_short else 'float32'}"
        num_streams = min(num_cpus(), MAX_STREAMS)
        self._settings = {
            "INFERENCE_PRECISION_HINT": "bf16" if is_short else "f32",
            "INFERENCE_NUM_THREADS": num_streams,
            "NUM_STREAMS": num_streams,
        }
        self._path = folder / MODEL
        try:
            facts = json.loads((folder / FACTS).read_text())
            self.facts = HeadFacts(**{**facts, "strides_px": tuple(facts["strides_px"])})
            self._any_frame = self._compiled(None)
        except (OSError, ValueError, TypeError, KeyError, RuntimeError) as error:
            raise BackendError(f"the export in {folder} is damaged: {error}") from error
        self._seen: Counter[tuple[int, ...]] = Counter()
        self._static: dict[tuple[int, ...], Any] = {}

    def run(self, x_NHWC: Pictures) -> tuple[Numbers, Numbers]:
        """See `Backend.run`."""
        queue = self._queue(x_NHWC.shape[1:], len(x_NHWC))
        found: list[tuple[Numbers, Numbers]] = [(None, None)] * len(x_NHWC)  # type: ignore[list-item]

        def keep(request: Any, row: int) -> None:
            found[row] = tuple(request.get_output_tensor(n).data[0].copy() for n in (0, 1))

        queue.set_callback(keep)
        for row in range(len(x_NHWC)):
            queue.start_async({0: x_NHWC[row : row + 1]}, userdata=row)
        queue.wait_all()
        return np.stack([one for one, _ in found]), np.stack([two for _, two in found])

    def _queue(self, frame: tuple[int, ...], num_pictures: int) -> Any:
        self._seen[frame] += num_pictures
        if frame in self._static:
            return self._static[frame]
        if self._seen[frame] < STATIC_FROM:
            return self._any_frame
        if len(self._static) >= MAX_STATIC:
            del self._static[min(self._static, key=lambda known: self._seen[known])]
        self._static[frame] = self._compiled(frame)
        return self._static[frame]

    def _compiled(self, frame: tuple[int, ...] | None) -> Any:
        """A queue of requests, for pictures of one size or of any."""
        model = _core().read_model(self._path)
        if frame is not None:
            model.reshape([1, *frame])
        compiled = _core().compile_model(model, "CPU", self._settings)
        return openvino_module().AsyncInferQueue(compiled)
