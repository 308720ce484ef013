"""The candidates of each kind of `filter` section."""

from functools import partial

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from wunderkammer.build import StageInputs
from wunderkammer.crops.candidates import NO_PAGE, NO_REGION
from wunderkammer.crops.centre import centre_candidates
from wunderkammer.crops.cuts import MEASURE
from wunderkammer.crops.detected import detected_candidates
from wunderkammer.crops.params import DetectedParams, PageParams, ThresholdParams
from wunderkammer.crops.regions import find_regions, region_candidates
from wunderkammer.stages import DETECTIONS


def propose(inputs: StageInputs, raw: pa.Table) -> pa.Table:
    """The candidates of `raw`, the kept pictures of the scrape, by the subject's `filter`."""
    params = inputs.subject.spec.filter
    width, height = _ints(raw["width"]), _ints(raw["height"])
    if isinstance(params, DetectedParams):
        found = detected_candidates(
            _detections(inputs, raw), width, height, params=params, classes=_classes(inputs)
        )
    elif isinstance(params, ThresholdParams):
        found = _specimens(inputs, raw, params)
    elif isinstance(params, PageParams):
        found = _pages(inputs, raw, params)
    else:
        found = centre_candidates(width, height)
    return with_sizes(found)


def _specimens(inputs: StageInputs, raw: pa.Table, params: ThresholdParams) -> pa.Table:
    from wunderkammer.crops.threshold import place_specimen, threshold_finder

    finder = threshold_finder(params)
    return region_candidates(
        find_regions(inputs, raw, finder),
        _ints(raw["width"]),
        _ints(raw["height"]),
        finder=finder,
        place=partial(place_specimen, params=params),
        nothing_found=NO_REGION,
        num_most=1,
    )


def _pages(inputs: StageInputs, raw: pa.Table, params: PageParams) -> pa.Table:
    from wunderkammer.crops.pages import MAX_PAGES_A_SCAN, page_finder, place_page

    finder = page_finder(params)
    return region_candidates(
        find_regions(inputs, raw, finder),
        _ints(raw["width"]),
        _ints(raw["height"]),
        finder=finder,
        place=partial(place_page, fit=params.fit),
        nothing_found=NO_PAGE,
        num_most=MAX_PAGES_A_SCAN,
    )


def with_sizes(found: pa.Table) -> pa.Table:
    """`found` with the shorter side of each window as a measure."""
    width = pc.subtract(found["x1"], found["x0"])
    height = pc.subtract(found["y1"], found["y0"])
    side = pc.min_element_wise(width, height, skip_nulls=False)
    return found.append_column(MEASURE + "window_px", side.cast(pa.float64()))


def _detections(inputs: StageInputs, raw: pa.Table) -> pa.Table:
    """The detections of each picture, in the order of `raw`."""
    rows = inputs.versions.manifest(inputs.upstreams[DETECTIONS.name])
    return rows.take(pc.index_in(raw["sha256"], value_set=rows["sha256"].combine_chunks()))


def _classes(inputs: StageInputs) -> frozenset[str] | None:
    """The classes that count, None for all."""
    classes = getattr(inputs.subject.spec.detect, "classes", ())
    return frozenset(classes) or None


def _ints(column: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    return np.asarray(column, np.int64)
