"""A trained detector, and a subject whose pictures it can look at."""

import pyarrow as pa
import pytest
import torch
from detector_kit import trained

from wunderkammer.build import build_stage
from wunderkammer.detect import runner
from wunderkammer.detect.detector_file import parse_detector, write_detector
from wunderkammer.detect.stage import detect_images
from wunderkammer.manifests import KEPT, RAW
from wunderkammer.stages import DETECTIONS, RAW_SCRAPE
from wunderkammer.storage.blobs import Blobs
from wunderkammer.storage.store import Store
from wunderkammer.storage.versions import Draft, Summary, Versions
from wunderkammer.subject import Subject, SubjectSpec

RECIPE = {
    "scrape": {"kind": "folder", "path": "."},
    "filter": {"kind": "square", "min_side_px": 20, "size_px": 16},
    "shard": {"resolution_px": 16},
    "train": {"kind": "stylegan2", "network": "tiny", "total_kimg": 0.064, "batch_size": 8},
}


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """Threads that wait for a busy CPU make short work long."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def detector(one_thread):
    """A detector that finds discs and squares, as it comes from its file."""
    return parse_detector(write_detector(trained()))


@pytest.fixture
def decoded_here(monkeypatch):
    """Decode in this process (test_workers has the guarded ones); lists the pictures looked at."""
    looked_at = []

    def decode(fn, pictures, *, workers):
        for start in range(0, len(pictures), workers.batch_size):
            batch = pictures[start : start + workers.batch_size]
            looked_at.extend(picture.sha256 for picture in batch)
            yield [(picture, fn(picture)) for picture in batch]

    monkeypatch.setattr(runner, "guarded_map", decode)
    return looked_at


class Scene:
    """One subject with a detector, whose `raw_scrape` a test fills by hand."""

    def __init__(self, root, weights):
        self.root = root
        self.store = Store(str(root / "data"))
        self.name = "shapes"
        (root / "shapes.safetensors").write_bytes(weights)
        self.detect = {
            "kind": "yolo",
            "weights": "shapes.safetensors",
            "image_size_px": 64,
            "backend": "torch",
        }
        self.sections = dict(RECIPE)
        self.rows = []

    def add(self, id, data, *, width, height, **fields):
        row = {
            "id": id,
            "sha256": Blobs(self.store).put(data),
            "num_bytes": len(data),
            "width": width,
            "height": height,
            "decision": KEPT,
            **fields,
        }
        self.rows.append({**dict.fromkeys(RAW.names), **row})

    @property
    def subject(self):
        spec = {**self.sections, "detect": self.detect}
        return Subject(self.name, SubjectSpec.model_validate(spec, strict=False), self.root)

    def scrape(self):
        manifest = pa.Table.from_pylist(self.rows, schema=RAW)
        draft = Draft(f"raw {len(self.rows)}", Summary(), manifest)
        build_stage(RAW_SCRAPE, self.subject, store=self.store, builder=lambda _: draft, force=True)

    def find(self, **changes):
        """Build `detections` with some settings changed."""
        self.detect.update(changes)
        built = build_stage(
            DETECTIONS, self.subject, store=self.store, builder=detect_images, force=True
        )
        return built.record

    def manifest(self, record):
        return Versions(self.store).manifest(record)

    def read(self, record, name):
        return Versions(self.store).read(record, name)


@pytest.fixture
def scene(tmp_path, detector, monkeypatch):
    monkeypatch.delenv("WUNDERKAMMER_DEVICE", raising=False)
    monkeypatch.setenv("WUNDERKAMMER_WEIGHTS", str(tmp_path / "weights"))
    return Scene(tmp_path, write_detector(detector))
