"""The stage `detections`: where in each picture the subject is, by a detector's judgement."""

import logging
from collections import Counter
from collections.abc import Sequence
from time import perf_counter

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import JsonValue

from wunderkammer.build import StageInputs
from wunderkammer.detect.confidence_plot import confidence_plot
from wunderkammer.detect.detector_file import Detector
from wunderkammer.detect.params import NoDetector, YoloParams
from wunderkammer.detect.runner import FOUND, DetectSettings, detect_ledgered
from wunderkammer.detect.sheet import boxes_sheet
from wunderkammer.detect.start import start_backend
from wunderkammer.detect.weights import load_detector
from wunderkammer.manifests import DETECTIONS, KEPT, REJECTED, kept, rejections
from wunderkammer.params import digest
from wunderkammer.scratch import scratch_folder
from wunderkammer.stages import DETECTIONS as STAGE
from wunderkammer.stages import RAW_SCRAPE
from wunderkammer.storage.ledger import Ledger
from wunderkammer.storage.versions import Draft, Summary, Versions

log = logging.getLogger(__name__)

# What the crop rules read of a picture's boxes; with the classes that count, the data version.
CONTENT = ("sha256", "x0", "y0", "x1", "y1", "confidence", "class_name")


def detect_images(inputs: StageInputs) -> Draft:
    """Build `detections` from `raw_scrape` by the subject's `detect` section.

    Raises:
        DetectorError: the weights are missing, damaged, or know no such class.
        BackendError: what `detect.backend` names can't be had.
    """
    params = inputs.subject.spec.detect
    if isinstance(params, NoDetector):
        return Draft(digest("no detector"), Summary(), DETECTIONS.empty_table())
    start = perf_counter()
    detector = load_detector(params, inputs=inputs)
    raw = kept(inputs.versions.manifest(inputs.upstreams[RAW_SCRAPE.name])).sort_by("id")
    found = _detect(inputs, raw, detector=detector, params=params)
    detected = perf_counter()
    manifest = _manifest(raw, found, detector=detector)
    files = {
        "boxes.jpg": boxes_sheet(manifest, classes=params.classes, blobs=inputs.blobs),
        "confidence.png": confidence_plot(manifest, min_confidence=params.min_confidence),
    }
    summary = Summary(
        num_in=manifest.num_rows,
        num_out=kept(manifest).num_rows,
        rejections=rejections(manifest),
        timings_s={
            "detect": round(detected - start, 3),
            "publish": round(perf_counter() - detected, 3),
        },
        measures=_measures(manifest, classes=params.classes),
    )
    return Draft(_data_version(manifest, classes=params.classes), summary, manifest, files)


def _detect(
    inputs: StageInputs, raw: pa.Table, *, detector: Detector, params: YoloParams
) -> pa.Table:
    """A row of `FOUND` for each row of `raw`."""
    settings = DetectSettings.of(params, weights_sha256=detector.sha256)
    home = Versions.home(inputs.subject.name, STAGE.name)
    # Identical bytes are looked at once, whatever their ids.
    columns = raw.select(["sha256", "width", "height"]).to_pydict()
    sizes = {sha256: (w, h) for sha256, w, h in zip(*columns.values(), strict=True)}
    found = detect_ledgered(
        Ledger(inputs.store, f"{home}/ledger/{settings.digest}", FOUND),
        sizes,
        start=lambda: start_backend(
            detector, params, cache=scratch_folder(inputs.store) / "detectors"
        ),
        settings=settings,
        batch_size=params.batch_size,
        what=f"detections of {inputs.subject.name}",
        log=log,
    )
    return found.take(pc.index_in(raw["sha256"], value_set=pa.array(sizes, pa.string())))


def _manifest(raw: pa.Table, found: pa.Table, *, detector: Detector) -> pa.Table:
    """Rows by `DETECTIONS`: `raw`'s, in its order, with what was found in each."""
    columns = {
        "id": raw["id"],
        "sha256": raw["sha256"],
        "width": raw["width"],
        "height": raw["height"],
        **{name: found[name] for name in FOUND.names if name != "key"},
        "class_name": _named(found["class_index"].combine_chunks(), detector.names),
        "weights_sha256": pa.array([detector.sha256] * raw.num_rows, pa.string()),
        "decision": pc.if_else(pc.is_null(found["reason"]), KEPT, REJECTED),
    }
    ordered = [columns[name] for name in DETECTIONS.names]
    return pa.table(ordered, names=DETECTIONS.names).cast(DETECTIONS)


def _named(indices: pa.ListArray, names: Sequence[str]) -> pa.ListArray:
    lengths = np.asarray(pc.fill_null(pc.list_value_length(indices), 0))
    offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]), pa.int32())
    values = pa.array(names, pa.string()).take(indices.flatten())
    return pa.ListArray.from_arrays(offsets, values, mask=pc.is_null(indices))


def _measures(manifest: pa.Table, *, classes: Sequence[str]) -> dict[str, JsonValue]:
    by_picture = kept(manifest)["class_name"].to_pylist()
    names = [name for row in by_picture for name in row]
    wanted = [[name for name in row if not classes or name in classes] for row in by_picture]
    num_wanted = Counter(map(len, wanted))
    boxes: dict[str, JsonValue] = dict(Counter(names).most_common())
    return {
        "boxes": boxes,
        "pictures_with_none": num_wanted[0],
        "pictures_with_one": num_wanted[1],
        "pictures_with_several": len(wanted) - num_wanted[0] - num_wanted[1],
    }


def _data_version(manifest: pa.Table, *, classes: Sequence[str]) -> str:
    content = kept(manifest).select(CONTENT).sort_by("sha256")
    columns = [content[name].to_pylist() for name in CONTENT]
    return digest({"classes": sorted(classes), "content": columns})
