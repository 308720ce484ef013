"""A store with crops in it, as `filtered_crops` leaves them, and a subject that reads them."""

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from shards_kit import SIDE, encoded, picture

from wunderkammer import ledger_map
from wunderkammer.build import Built, StageInputs, build_stage, stage_inputs
from wunderkammer.dedupe.phash import phash
from wunderkammer.manifests import CROPS
from wunderkammer.params import digest
from wunderkammer.shards.build import dedupe_and_shard
from wunderkammer.stages import DEDUPED_SHARDS
from wunderkammer.storage.blobs import Blobs
from wunderkammer.storage.store import Store
from wunderkammer.storage.versions import Draft, Record, Summary, Versions, now
from wunderkammer.subject import Subject, SubjectSpec
from wunderkammer.workers import Workers

Row = dict[str, Any]


@dataclass
class Workshop:
    """What a test of the stage needs: `put` crops, then `build`."""

    store: Store

    def crop(self, name: str, content: bytes, *, label: str | None = None, side: int = 100) -> Row:
        with Image.open(io.BytesIO(content)) as image:
            hashed = phash(np.asarray(image.convert("RGB")))
        return {
            "id": name,
            "sha256": digest(name),
            "crop_sha256": Blobs(self.store).put(content),
            "source_width": side,
            "source_height": side,
            "box_x0": 0,
            "box_y0": 0,
            "box_x1": side,
            "box_y1": side,
            "phash": hashed,
            "sharpness": 1.0,
            "num_bytes": 1000,
            "label": label,
            "decision": "kept",
        }

    def put(self, rows: Sequence[Row], **filter_section: object) -> Record:
        """Publish crops; `filter_section` is what they were made by."""
        crops = pa.Table.from_pylist(list(rows), schema=CROPS)
        content = digest([row["crop_sha256"] for row in rows])
        record = Record(
            subject="moth",
            stage="filtered_crops",
            version="",
            data_version=content,
            fingerprint=content,
            code_version="1",
            sections={
                "filter": {"kind": "whole", "size_px": SIDE, "codec": "png", **filter_section}
            },
            upstreams={},
            files=(),
            summary=Summary(),
            created_at=now(),
        )
        return Versions(self.store).commit(record, Draft(content, Summary(), crops))

    def subject(self, *, max_distance: int = 6, **shard: object) -> Subject:
        spec = SubjectSpec.model_validate(
            {
                "scrape": {"kind": "patchwork"},
                "filter": {"kind": "whole", "size_px": 1024},
                "dedupe": {"max_distance": max_distance},
                "shard": {"resolution_px": SIDE, "codec": "png", **shard},
                "train": {"kind": "stylegan2", "total_kimg": 1.6, "tick_kimg": 0.16},
            }
        )
        return Subject("moth", spec, Path())

    def inputs(self, **settings: Any) -> StageInputs:
        return stage_inputs(DEDUPED_SHARDS, self.subject(**settings), store=self.store)

    def build(self, **settings: Any) -> Built:
        return build_stage(
            DEDUPED_SHARDS,
            self.subject(**settings),
            store=self.store,
            builder=dedupe_and_shard,
            force=True,
        )

    def manifest(self, record: Record) -> list[Row]:
        rows: list[Row] = Versions(self.store).manifest(record).to_pylist()
        return rows

    def shard_paths(self, record: Record) -> list[Path]:
        folder = (
            Path(self.store.location) / "subjects/moth/deduped_shards/versions" / record.version
        )
        return sorted(folder.glob("train-*.parquet"))

    def leftovers(self) -> list[Path]:
        return [
            path for path in (Path(self.store.location) / "scratch").rglob("*") if path.is_file()
        ]


def in_this_process(
    fn: Callable[[Any], Any], items: Sequence[Any], *, workers: Workers
) -> Iterator[list[tuple[Any, Any]]]:
    """As `guarded_map` does it, without the seconds that starting workers takes."""
    yield [(item, fn(item)) for item in items]


@pytest.fixture
def workshop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workshop:
    monkeypatch.setattr(ledger_map, "guarded_map", in_this_process)
    monkeypatch.delenv("WUNDERKAMMER_SCRATCH", raising=False)
    return Workshop(Store(str(tmp_path / "data")))


Crops = Callable[..., list[Row]]


@pytest.fixture
def some_crops(workshop: Workshop) -> Crops:
    """Makes so many distinct crops, named c000, c001 and so on."""

    def make(number: int, *, labels: Sequence[str | None] = (None,)) -> list[Row]:
        return [
            workshop.crop(f"c{k:03d}", encoded(picture(k)), label=labels[k % len(labels)])
            for k in range(number)
        ]

    return make
