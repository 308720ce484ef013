"""What a network calls one picture; its embedding is the mean colour."""

import io

import pyarrow as pa
import pytest
from classifier_samples import BLUE, PLAIN, RED, colour, colour_backbone, subject_in

from wunderkammer.classify import vectors
from wunderkammer.dedupe.embedded import compare_embeddings
from wunderkammer.dedupe.groups import find_duplicates
from wunderkammer.dedupe.params import EmbeddingParams, PhashParams
from wunderkammer.manifests import CROPS
from wunderkammer.storage.blobs import Blobs
from wunderkammer.storage.store import Store


@pytest.fixture
def decided(tmp_path, monkeypatch):
    def in_this_process(fn, items, *, workers):
        yield [(item, fn(item)) for item in items]

    monkeypatch.setattr(vectors, "guarded_map", in_this_process)
    colour_backbone(tmp_path / "net.onnx")
    store = Store(str(tmp_path / "data"))

    def decide(pictures):
        rows = []
        for number, (name, content) in enumerate(pictures.items()):
            size = {"source_width": 9, "source_height": 9, "num_bytes": 9, "sharpness": 1.0}
            box = {"box_x0": 0, "box_y0": 0, "box_x1": 90 - number, "box_y1": 90}
            # Hashes far from each other: that is what the network is for.
            known = {"id": name, "crop_sha256": Blobs(store).put(content)}
            rows.append({**known, **size, **box, "phash": 0xFFFF << (16 * number)})
        params = EmbeddingParams(weights="net.onnx", min_cosine=0.99, **PLAIN)

        def look(ranked, new, seen):
            where = {"subject": subject_in(tmp_path), "store": store, "home": "home"}
            return compare_embeddings(ranked, new, seen, params=params, **where)

        crops = pa.Table.from_pylist(rows, schema=CROPS)
        return find_duplicates(crops, params=PhashParams(), look=look)

    return decide


def png(rgb, side=48):
    sink = io.BytesIO()
    colour(rgb, side).save(sink, "PNG")
    return sink.getvalue()


def test_pictures_whose_embeddings_point_the_same_way_are_one(decided):
    found = decided({"red": png(RED), "dark red": png((120, 0, 0)), "blue": png(BLUE)})
    assert found.duplicate_of.tolist() == [-1, 0, -1]
    assert found.found_by.tolist() == [-1, 2, -1]
    assert found.likeness[1] == pytest.approx(1, abs=1e-3)


def test_pictures_without_an_embedding_are_kept(decided):
    found = decided({"black": png((0, 0, 0)), "rot": b"rot", "red": png(RED)})
    assert found.is_kept.all()
    assert decided({"black": png((0, 0, 0)), "dark": png((0, 0, 0), side=50)}).is_kept.all()
