"""Regions that are found by looking at each picture, once: pages in scans, specimens in frames."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from wunderkammer.build import StageInputs
from wunderkammer.crops.candidates import candidates, with_missing
from wunderkammer.crops.params import Rgb
from wunderkammer.crops.region import Region
from wunderkammer.crops.windows import Boxes, Floats, Ints, Windows
from wunderkammer.images.decode import DecodeError, decode_rgb
from wunderkammer.ledger_map import map_ledgered
from wunderkammer.params import digest
from wunderkammer.stages import FILTERED_CROPS
from wunderkammer.storage.blobs import Blobs
from wunderkammer.storage.ledger import Ledger
from wunderkammer.storage.store import Store
from wunderkammer.storage.versions import Versions
from wunderkammer.workers import Casualty

log = logging.getLogger(__name__)

EDGES = ("x0", "y0", "x1", "y1", "angle_deg")
REGION = pa.struct(
    [*((edge, pa.float64()) for edge in EDGES), ("measures", pa.map_(pa.string(), pa.float64()))]
)
REGIONS = pa.schema(
    [
        ("key", pa.string()),
        ("regions", pa.list_(REGION)),
        ("reason", pa.string()),
        ("detail", pa.string()),
    ]
)
Row = dict[str, Any]
Find = Callable[[Any], list[Region]]
# So many of a recipe's digits tell it apart in a manifest.
RECIPE_DIGITS = 12
# From the boxes of regions, their angles and their measures to windows.
Place = Callable[[Boxes, Floats, dict[str, Floats]], Windows]


@dataclass(frozen=True)
class Finder:
    """A function that finds regions; `digest` names it with all that its results depend on.

    `kind` is the word for it in manifests.
    """

    kind: str
    find: Find
    digest: str
    background: Rgb

    @property
    def recipe(self) -> str:
        """The name of all that its results depend on (64 hex digits)."""
        return digest([self.digest, self.background])

    def __call__(self, picture: "_Picture") -> Row:
        """A row of `REGIONS` without its key; runs in a worker process."""
        data = Blobs(picture.store).get(picture.sha256)
        try:
            image_HWC = decode_rgb(data, max_pixels=picture.max_pixels, background=self.background)
        except DecodeError as error:
            return {"reason": error.reason, "detail": error.detail}
        found = self.find(image_HWC)
        return {
            "regions": [
                {
                    **{edge: float(getattr(region, edge)) for edge in EDGES},
                    "measures": list(region.measures.items()),
                }
                for region in found
            ]
        }


@dataclass(frozen=True)
class _Picture:
    sha256: str
    max_pixels: int
    store: Store


def find_regions(inputs: StageInputs, raw: pa.Table, finder: Finder) -> pa.Table:
    """The rows of `REGIONS` of each picture, in the order of `raw`."""
    home = Versions.home(inputs.subject.name, FILTERED_CROPS.name)
    max_pixels = inputs.subject.spec.scrape.max_pixels
    wanted = dict.fromkeys(raw["sha256"].to_pylist())
    pictures = {sha256: _Picture(sha256, max_pixels, inputs.store) for sha256 in wanted}
    found = map_ledgered(
        Ledger(inputs.store, f"{home}/regions/{finder.recipe}", REGIONS),
        pictures,
        fn=finder,
        on_casualty=_casualty,
        what=f"regions of {inputs.subject.name}",
        log=log,
    )
    return found.take(pc.index_in(raw["sha256"], value_set=found["key"].combine_chunks()))


def region_candidates(
    found: pa.Table,
    width: Ints,
    height: Ints,
    *,
    finder: Finder,
    place: Place,
    nothing_found: str,
    num_most: int,
) -> pa.Table:
    """Candidates of the first `num_most` regions of each picture; `place` makes their windows."""
    lists = found["regions"].combine_chunks()
    picture = np.asarray(pc.list_parent_indices(lists), np.int64)
    flat = pc.list_flatten(lists)
    rank = np.arange(len(picture)) - np.searchsorted(picture, picture)
    chosen = np.flatnonzero(rank < num_most)
    picture, rank, flat = picture[chosen], rank[chosen], flat.take(pa.array(chosen))
    num_of = np.bincount(picture, minlength=len(width))
    x0, y0, x1, y1, angle_deg = (
        np.asarray(pc.struct_field(flat, edge), np.float64) for edge in EDGES
    )
    boxes = Boxes(x0, y0, x1, y1, width[picture], height[picture])
    measures = _measures(pc.struct_field(flat, "measures"))
    rows = candidates(
        picture,
        np.where(num_of[picture] > 1, rank + 1, 0),
        place(boxes, angle_deg, measures),
        measures,
        proposed_by=pa.repeat(f"{finder.kind}:{finder.recipe[:RECIPE_DIGITS]}", len(picture)),
        boxes=boxes,
    )
    missing = np.flatnonzero(num_of == 0)
    failed = found.take(pa.array(missing))
    return with_missing(
        rows,
        missing,
        reasons=pc.fill_null(failed["reason"], nothing_found).combine_chunks(),
        details=pc.fill_null(failed["detail"], "").combine_chunks(),
    )


def _measures(maps: pa.MapArray) -> dict[str, Floats]:
    rows = [dict(pairs or ()) for pairs in maps.to_pylist()]
    names = sorted({name for row in rows for name in row})
    return {name: np.array([row.get(name, np.nan) for row in rows]) for name in names}


def _casualty(_: _Picture, casualty: Casualty) -> Row:
    return {"reason": casualty.reason, "detail": "while its regions were looked for"}
