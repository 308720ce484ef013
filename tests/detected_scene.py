"""A subject whose pictures have stored detections, brought up to date without worker processes."""

import secrets
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from image_samples import encoded
from PIL import Image

from wunderkammer.build import build_stage
from wunderkammer.crops.stage import crop_images
from wunderkammer.manifests import DETECTIONS, KEPT, RAW
from wunderkammer.params import digest
from wunderkammer.review.params import ReviewParams
from wunderkammer.review.session import Session, Wish, Wishes
from wunderkammer.review.stage import review_crops
from wunderkammer.shards.build import dedupe_and_shard
from wunderkammer.stages import (
    DEDUPED_SHARDS,
    FILTERED_CROPS,
    RAW_SCRAPE,
    REVIEWED_CROPS,
    Stage,
)
from wunderkammer.stages import DETECTIONS as DETECTIONS_STAGE
from wunderkammer.staleness import StepState, assess
from wunderkammer.storage.blobs import Blobs
from wunderkammer.storage.store import Store
from wunderkammer.storage.versions import Draft, Record, Summary, Versions
from wunderkammer.subject import Subject, SubjectSpec
from wunderkammer.workers import Workers

NAME = "wolf"
SIDE = 64
BOX = (10.0, 12.0, 50.0, 44.0)
WEIGHTS = digest("the weights of a detector")
BUILDERS = {
    FILTERED_CROPS: crop_images,
    REVIEWED_CROPS: review_crops,
    DEDUPED_SHARDS: dedupe_and_shard,
}


class DetectedScene:
    """Pictures in a store, each with a dog that a detector has found; `sections` is the recipe."""

    def __init__(self, root: Path, *, num_pictures: int = 4) -> None:
        self.store = Store(str(root / "data"))
        self.root = root
        self.sections: dict[str, dict[str, Any]] = {
            "scrape": {"kind": "folder", "path": "."},
            "detect": {"kind": "yolo", "weights": "yolo.pt"},
            "filter": {"kind": "detected", "size_px": 32},
            "shard": {"resolution_px": 32},
            "dedupe": {"max_distance": 0},
            "train": {"kind": "stylegan2", "total_kimg": 8, "batch_size": 16, "tick_kimg": 0.8},
        }
        self.pictures = [self._picture(number) for number in range(num_pictures)]
        self.weights = WEIGHTS
        self.objects = [[(*BOX, 0.9, "dog")] for _ in self.pictures]

    def _picture(self, number: int) -> str:
        tiles = np.random.default_rng(number).integers(0, 256, (8, 8, 3), dtype=np.uint8)
        whole = Image.fromarray(tiles).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
        return Blobs(self.store).put(encoded(whole, "PNG"))

    @property
    def subject(self) -> Subject:
        spec = SubjectSpec.model_validate(self.sections, strict=False)
        return Subject(NAME, spec, self.root)

    def put(self) -> None:
        """Publish the pictures and what was found in them."""
        seen = {"width": SIDE, "height": SIDE, "decision": KEPT}
        ids = [f"picture {number}" for number in range(len(self.pictures))]
        raw, found = [], []
        for id, sha256, objects in zip(ids, self.pictures, self.objects, strict=True):
            raw.append({"id": id, "sha256": sha256, "num_bytes": 1000, **seen})
            columns = zip(*objects, strict=True)
            names = ("x0", "y0", "x1", "y1", "confidence", "class_name")
            boxes = {name: list(values) for name, values in zip(names, columns, strict=True)}
            found.append({**raw[-1], **boxes, "weights_sha256": self.weights})
        self._publish(RAW_SCRAPE, pa.Table.from_pylist(raw, schema=RAW), "pictures")
        table = pa.Table.from_pylist(found, schema=DETECTIONS)
        # As detect.stage makes it: of what was found, and of the classes that count.
        classes = sorted(self.sections["detect"].get("classes", ()))
        self._publish(DETECTIONS_STAGE, table, digest([classes, found]))

    def _publish(self, stage: Stage, table: pa.Table, content: str) -> None:
        draft = Draft(content, Summary(num_in=table.num_rows), table)
        build_stage(stage, self.subject, store=self.store, builder=lambda _: draft, force=True)

    def build(self, stage: Stage) -> Record:
        built = build_stage(stage, self.subject, store=self.store, builder=BUILDERS[stage])
        return built.record

    def rows(self, record: Record) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = Versions(self.store).manifest(record).to_pylist()
        return rows

    def states(self) -> dict[str, StepState]:
        return {step.asset: step for step in assess(self.subject, Versions(self.store))}

    def session(self, reviewer: str = "ann") -> Session:
        params = ReviewParams.model_validate(self.sections.get("review", {}))
        return Session(self.store, NAME, params=params, min_side_px=20, reviewer=reviewer)

    def decide(self, session: Session, row: int, decision: str = "accept", **changes: Any) -> None:
        wish = {"id": secrets.token_hex(16), "row": row, "decision": decision, **changes}
        version = session.deck().crops.version
        session.decide(Wishes(version=version, since=0, decisions=(Wish.model_validate(wish),)))


def in_this_process(
    fn: Callable[[Any], Any], items: Sequence[Any], *, workers: Workers
) -> Iterator[list[tuple[Any, Any]]]:
    """As `guarded_map` does it, without the seconds that starting workers takes."""
    for item in items:
        yield [(item, fn(item))]
