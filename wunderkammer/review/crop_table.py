"""The crops that are up for review, as `filtered_crops` lists them."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from wunderkammer.manifests import CROPS, conformed, kept
from wunderkammer.review.decision import Box, Decision, Proposal
from wunderkammer.review.standing import Standing
from wunderkammer.stages import FILTERED_CROPS, RAW_SCRAPE
from wunderkammer.storage.versions import Record, Versions

WINDOW = ("box_x0", "box_y0", "box_x1", "box_y1")
# How much of a padded window shows its picture, in px about its centre; 0 for all.
SHOWN = ("shown_width", "shown_height")
# What the crop was cut around, where something looked for objects.
OBJECT = ("object_x0", "object_y0", "object_x1", "object_y1")
CLASS = "class_name"
PROPOSER = "proposed_by"

# What only the scrape knows of a crop's picture.
PROVENANCE = ("licence_url", "author", "title", "landing_page", "taken_at")


class NothingToReviewError(LookupError):
    """There are no crops to look at."""


@dataclass(frozen=True)
class CropTable:
    """The kept rows of one version of `filtered_crops`; a crop is named by its row here."""

    version: str
    table: pa.Table

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def has(self, *columns: str) -> bool:
        """Whether the manifest has all of these columns."""
        return set(columns) <= set(self.table.column_names)

    def column(self, name: str) -> list[Any]:
        """A column's values, all None where the manifest lacks it."""
        if name not in self.lists:
            self.lists[name] = (
                self.table[name].to_pylist() if self.has(name) else [None] * len(self)
            )
        return self.lists[name]

    @cached_property
    def lists(self) -> dict[str, list[Any]]:
        """Columns as lists, as far as they were asked for."""
        return {}

    def window(self, row: int) -> Box:
        """What was cut out of the picture."""
        x0, y0, x1, y1 = (float(self.column(name)[row]) for name in WINDOW)
        return Box(x0=x0, y0=y0, x1=x1, y1=y1)

    def shown_share(self, row: int) -> tuple[float, float]:
        """Which share of the window's width and height shows the picture; 0 for all of it."""
        window = self.window(row)
        width, height = (self.column(name)[row] or 0 for name in SHOWN)
        return width / (window.x1 - window.x0), height / (window.y1 - window.y0)

    def proposal(self, row: int) -> Proposal:
        """The crop as a decision names it."""
        edges = [self.column(name)[row] for name in OBJECT]
        object_box = None
        if None not in edges:
            x0, y0, x1, y1 = map(float, edges)
            object_box = Box(x0=x0, y0=y0, x1=x1, y1=y1)
        return Proposal(
            crop_sha256=self.column("crop_sha256")[row],
            sha256=self.column("sha256")[row],
            width=self.column("source_width")[row],
            height=self.column("source_height")[row],
            window=self.window(row),
            object_box=object_box,
            class_name=self.column(CLASS)[row] or self.column("label")[row],
            proposed_by=self.column(PROPOSER)[row],
        )

    def standing(self, row: int, standing: Standing) -> Decision | None:
        """The decision in force for a row."""
        crop_sha256, sha256 = self.column("crop_sha256")[row], self.column("sha256")[row]
        if not standing.mentions(crop_sha256, sha256):
            return None
        return standing.of(self.proposal(row))


def current_crops(versions: Versions, subject: str) -> Record:
    """The version of `filtered_crops` in force.

    Raises:
        NothingToReviewError: it was never built.
    """
    record = versions.current(subject, FILTERED_CROPS.name)
    if record is None:
        raise NothingToReviewError(
            f"filtered_crops of {subject!r} was never built; run: wunderkammer refresh {subject}"
        )
    return record


def crop_table(versions: Versions, record: Record) -> CropTable:
    """The kept crops of a version of `filtered_crops`, with all that led to them."""
    crops = _conformed(kept(versions.manifest(record)))
    raw = _upstream(versions, record, RAW_SCRAPE.name)
    if raw is not None:
        crops = _with_provenance(crops, raw)
    return CropTable(record.version, crops)


def _conformed(crops: pa.Table) -> pa.Table:
    """`crops` with the columns of `CROPS`, and the further ones that it has."""
    further = [name for name in crops.column_names if name not in CROPS.names]
    whole = conformed(crops, CROPS)
    for name in further:
        whole = whole.append_column(name, crops[name])
    return whole


def _upstream(versions: Versions, record: Record, stage: str) -> pa.Table | None:
    """The manifest of the version of `stage` that `record` was built from, if there is one."""
    data_version = record.upstreams.get(stage)
    if data_version is None:
        return None
    found = versions.with_content(record.subject, stage, data_version)
    return None if found is None else versions.manifest(found)


def _with_provenance(crops: pa.Table, raw: pa.Table) -> pa.Table:
    rows = pc.index_in(crops["picture_id"], value_set=raw["id"].combine_chunks())
    for name in PROVENANCE:
        if name not in crops.column_names and name in raw.column_names:
            crops = crops.append_column(name, raw[name].take(rows))
    return crops
