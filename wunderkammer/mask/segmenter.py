"""A segmenter at work: from a crop to the mask of its subject."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import onnxruntime as ort
from onnxruntime.capi import onnxruntime_pybind11_state as ort_state
from PIL import Image

from wunderkammer.mask.errors import SegmenterFileError
from wunderkammer.mask.model_file import read_model
from wunderkammer.mask.presets import Normalisation
from wunderkammer.mask.settings import MaskSettings

Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

# What onnxruntime raises for a model that it can't run.
ORT_ERRORS = (
    ort_state.EPFail,
    ort_state.Fail,
    ort_state.InvalidArgument,
    ort_state.InvalidGraph,
    ort_state.InvalidProtobuf,
    ort_state.NotFound,
    ort_state.NotImplemented,
    ort_state.RuntimeException,
)
ERRORS_ONLY = 3


@dataclass(frozen=True)
class Prediction:
    """A mask of 0 (background) to 1 (subject), and the segmenter's highest value for the crop."""

    mask_HW: Floats
    peak: float


class Segmenter:
    """An open model; one thread.

    Raises:
        SegmenterFileError: it can't be run, or the file is not the one of the settings.
    """

    def __init__(self, settings: MaskSettings) -> None:
        content, file = read_model(settings.path)
        if file.sha256 != settings.model_sha256:
            raise SegmenterFileError(
                f"{file.path.name} was replaced by another file during the run; run it again"
            )
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = ERRORS_ONLY
        try:
            self._session = ort.InferenceSession(
                content, options, providers=["CPUExecutionProvider"]
            )
        except ORT_ERRORS as error:
            raise SegmenterFileError(
                f"{file.path.name} can't be run by onnxruntime {ort.__version__}: {error}; "
                f"get the file again, or export it for an older opset"
            ) from error
        self._name = file.path.name
        self._input = self._session.get_inputs()[0]
        self._normalisation = settings.normalisation

    def predict(self, crop_HWC: Bytes) -> Prediction:
        """The mask of a crop (uint8 RGB), at its size.

        Raises:
            SegmenterFileError: the model fails, or gives something else than one mask.
        """
        dtype = np.float16 if self._input.type == "tensor(float16)" else np.float32
        batch_NCHW = _to_input(crop_HWC, self._normalisation).astype(dtype)
        try:
            # The first output is the finest; the others are from coarser stages.
            (output,) = self._session.run(
                [self._session.get_outputs()[0].name], {self._input.name: batch_NCHW}
            )
        except ORT_ERRORS as error:
            raise SegmenterFileError(f"{self._name} fails on a picture: {error}") from error
        raw_HW = _as_mask(output, name=self._name)
        values_HW = _activated(raw_HW, self._normalisation)
        height, width = crop_HWC.shape[:2]
        mask_HW = _resized(_stretched(values_HW, self._normalisation), width, height)
        return Prediction(mask_HW, float(values_HW.max()))


def _to_input(crop_HWC: Bytes, normalisation: Normalisation) -> Floats:
    side = normalisation.input_px
    # Lanczos, as the tools around these models feed them.
    small = Image.fromarray(crop_HWC).resize((side, side), Image.Resampling.LANCZOS)
    values_HWC = np.asarray(small, np.float32)
    white = max(float(values_HWC.max()), 1.0) if normalisation.by_brightest else 255.0
    mean = np.array(normalisation.mean, np.float32)
    std = np.array(normalisation.std, np.float32)
    scaled_HWC = (values_HWC / np.float32(white) - mean) / std
    return np.ascontiguousarray(scaled_HWC.transpose(2, 0, 1)[None])


def _as_mask(output: Any, *, name: str) -> Floats:
    values = np.asarray(output)
    shape = values.shape
    if values.ndim not in (2, 3, 4) or any(side != 1 for side in shape[:-2]) or 0 in shape:
        raise SegmenterFileError(
            f"the first output of {name} has the shape {shape}, allowed: one mask, of shape "
            f"(1, 1, height, width); export the model with one class"
        )
    return values.reshape(shape[-2:]).astype(np.float32)


def _activated(raw_HW: Floats, normalisation: Normalisation) -> Floats:
    finite_HW = np.nan_to_num(raw_HW, nan=0.0)
    if not normalisation.is_logit:
        return finite_HW
    return np.asarray(1 / (1 + np.exp(-np.clip(finite_HW, -60, 60))), np.float32)


def _stretched(values_HW: Floats, normalisation: Normalisation) -> Floats:
    low, high = float(values_HW.min()), float(values_HW.max())
    if normalisation.is_stretched and high > low:
        values_HW = (values_HW - np.float32(low)) / np.float32(high - low)
    return np.clip(values_HW, 0, 1)


def _resized(mask_HW: Floats, width: int, height: int) -> Floats:
    if mask_HW.shape == (height, width):
        return mask_HW
    shrinks = height * width < mask_HW.size
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(mask_HW, (width, height), interpolation=how), np.float32)
