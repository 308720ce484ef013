"""A detector made ready: the device, the backend, and what to do if it can't be had."""

import logging
import os
from pathlib import Path

import torch

from wunderkammer.detect.backend import Backend
from wunderkammer.detect.detector_file import Detector
from wunderkammer.detect.errors import BackendError
from wunderkammer.detect.network import RawDetector, build_network
from wunderkammer.detect.openvino_backend import OpenVinoBackend, export_folder, export_network
from wunderkammer.detect.params import YoloParams
from wunderkammer.detect.torch_backend import TorchBackend
from wunderkammer.gan.device import choose_device

log = logging.getLogger(__name__)


def start_backend(detector: Detector, params: YoloParams, *, cache: Path) -> Backend:
    """The detector, ready to run as `detect.device` and `detect.backend` say.

    "auto" is torch on a GPU if there is one, else OpenVINO on the CPU, else torch there.
    `WUNDERKAMMER_DEVICE` stands for a device of "auto". Exports are kept in the folder `cache`.

    Raises:
        BackendError: the backend that the recipe names can't be had.
        ValueError: there is no such GPU.
    """
    name = params.device
    if name == "auto":
        name = os.environ.get("WUNDERKAMMER_DEVICE") or "auto"
    device = choose_device(name)
    if params.backend == "openvino" and device.type != "cpu":
        raise BackendError(f"detect.backend: openvino runs on the CPU, not on {device}")
    if params.backend == "torch" or device.type != "cpu":
        return _torch(detector, device)
    try:
        return _openvino(detector, params, cache)
    except BackendError as error:
        if params.backend == "openvino":
            raise
        log.warning("%s; torch is used instead, which is slower", error)
        return _torch(detector, device)


def _torch(detector: Detector, device: torch.device) -> Backend:
    return TorchBackend(RawDetector(build_network(detector)), device=device)


def _openvino(detector: Detector, params: YoloParams, cache: Path) -> Backend:
    folder = export_folder(cache, detector.sha256)
    if folder.is_dir():
        try:
            return OpenVinoBackend(folder, precision=params.precision)
        except BackendError as error:
            log.warning("%s; it is made again", error)
    log.info("exporting the detector to %s, once for these weights", folder)
    export_network(RawDetector(build_network(detector)), folder)
    return OpenVinoBackend(folder, precision=params.precision)
