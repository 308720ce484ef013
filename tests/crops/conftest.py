"""Pictures, and a store whose `raw_scrape` holds them."""

import io

import pyarrow as pa
import pytest
from PIL import Image

from wunderkammer.build import build_stage
from wunderkammer.crops.stage import crop_images
from wunderkammer.manifests import KEPT, RAW
from wunderkammer.stages import FILTERED_CROPS, RAW_SCRAPE
from wunderkammer.storage.blobs import Blobs
from wunderkammer.storage.store import Store
from wunderkammer.storage.versions import Draft, Summary, Versions
from wunderkammer.subject import Subject, SubjectSpec

RECIPE = {
    "scrape": {"kind": "folder", "path": "."},
    "filter": {"kind": "square", "min_side_px": 20, "size_px": 16, "max_aspect": 1.6},
    "shard": {"resolution_px": 16},
    "train": {"kind": "stylegan2", "network": "tiny", "total_kimg": 0.064, "batch_size": 8},
}


class Scene:
    """One subject whose `raw_scrape` a test fills by hand."""

    def __init__(self, root):
        self.store = Store(str(root / "data"))
        self.root = root
        self.name = "motley"
        self.filter = dict(RECIPE["filter"])
        self.rows = []

    def add(self, id, data, *, width=None, height=None, **fields):
        size = (width, height) if width else Image.open(io.BytesIO(data)).size
        row = {
            "id": id,
            "sha256": Blobs(self.store).put(data),
            "num_bytes": len(data),
            "width": size[0],
            "height": size[1],
            "decision": KEPT,
            **fields,
        }
        self.rows.append({**dict.fromkeys(RAW.names), **row})

    @property
    def subject(self):
        spec = {**RECIPE, "filter": self.filter}
        return Subject(self.name, SubjectSpec.model_validate(spec, strict=False), self.root)

    def scrape(self, table=None):
        manifest = pa.Table.from_pylist(self.rows, schema=RAW) if table is None else table
        version = f"raw {manifest.num_rows} {len(self.filter)}"
        draft = Draft(version, Summary(num_in=manifest.num_rows), manifest)
        build_stage(RAW_SCRAPE, self.subject, store=self.store, builder=lambda _: draft, force=True)

    def crop(self, **changes):
        self.filter.update(changes)
        built = build_stage(
            FILTERED_CROPS, self.subject, store=self.store, builder=crop_images, force=True
        )
        return built.record

    def manifest(self, record):
        return Versions(self.store).manifest(record)

    def read(self, record, name):
        return Versions(self.store).read(record, name)

    def ledger_parts(self):
        prefix = f"subjects/{self.name}/filtered_crops/ledger"
        return sorted(self.store.keys(prefix))


@pytest.fixture
def scene(tmp_path):
    return Scene(tmp_path)
