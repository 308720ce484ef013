"""The closer look, from crops in a store to verdicts."""

import json

import numpy as np
import pyarrow as pa
import pytest
from photo_like import CHANGES, jpeg, photo
from PIL import Image, ImageOps

from wunderkammer import ledger_map
from wunderkammer.dedupe import look as look_module
from wunderkammer.dedupe.families import families
from wunderkammer.dedupe.groups import find_duplicates
from wunderkammer.dedupe.look import look_closer
from wunderkammer.dedupe.params import PhashParams
from wunderkammer.dedupe.phash import phash
from wunderkammer.manifests import CROPS
from wunderkammer.storage.blobs import Blobs
from wunderkammer.storage.store import Store


@pytest.fixture
def store(tmp_path, monkeypatch):
    def in_this_process(fn, items, *, workers):
        yield [(item, fn(item)) for item in items]

    monkeypatch.setattr(ledger_map, "guarded_map", in_this_process)
    return Store(str(tmp_path / "data"))


def crops_of(store, pictures):
    """A table of crops; the first have the largest windows."""
    rows = []
    for number, (name, picture) in enumerate(pictures.items()):
        square = picture.resize((256, 256), Image.Resampling.LANCZOS)
        rows.append(
            {
                "id": name,
                "crop_sha256": Blobs(store).put(jpeg(square)),
                "phash": phash(np.asarray(square)),
                "sharpness": 1.0,
                **{"box_x0": 0, "box_y0": 0, "box_x1": 900 - number, "box_y1": 900},
                **{"source_width": 900, "source_height": 900, "num_bytes": 9000},
            }
        )
    return pa.Table.from_pylist(rows, schema=CROPS)


def verdicts(store, pictures, **verify):
    params = PhashParams.model_validate_json(json.dumps({"verify": verify}))

    def look(ranked, new, seen):
        return look_closer(ranked, new, seen, params=params.verify, store=store, home="home")

    crops = crops_of(store, pictures)
    return find_duplicates(crops, params=params, look=look), crops, params


def test_changed_pictures_are_found_and_different_ones_are_kept(store):
    originals = {f"{seed}": photo(seed) for seed in range(6)}
    changed = {
        f"{name} {seed}": change(originals[seed])
        for seed, (name, change) in zip("01234501", list(CHANGES.items())[1:9], strict=True)
    }
    found, crops, _ = verdicts(store, originals | changed)
    names = crops["id"].to_pylist()
    assert found.is_kept[: len(originals)].all()
    whose = [names[k][-1] for k in found.duplicate_of[len(originals) :]]
    assert whose == [name[-1] for name in changed]
    assert not found.is_kept[len(originals) :].any()
    assert (found.likeness[found.found_by == 1] >= 0.7).all()


def test_mirror_images_are_duplicates_only_if_they_are_to_be(store):
    pictures = {"one": photo(1), "mirrored": ImageOps.mirror(photo(1)), "other": photo(2)}
    assert verdicts(store, pictures)[0].is_kept.all()
    assert verdicts(store, pictures, flips=True)[0].duplicate_of.tolist() == [-1, 0, -1]


def test_what_is_alike_but_not_enough_is_kin(store):
    pictures = {"one": photo(1), "cropped": CHANGES["cropped at a corner"](photo(1))}
    found, crops, params = verdicts(store, pictures, min_likeness=1.0)
    assert found.is_kept.all()
    assert len(set(families(crops, found, params=params))) == 1


def test_a_second_look_computes_nothing_again(store, monkeypatch):
    pictures = {"one": photo(1), "cropped": CHANGES["cropped unevenly"](photo(1))}
    first = verdicts(store, pictures)[0]

    def fail(*_, **__):
        raise AssertionError("computed again")

    monkeypatch.setattr(look_module, "look_row", fail)
    monkeypatch.setattr(look_module, "likeness_row", fail)
    again = verdicts(store, dict(reversed(pictures.items())))[0]
    assert first.duplicate_of.tolist() == [-1, 0]
    assert sorted(again.duplicate_of.tolist()) == [-1, 0]


def test_a_crop_that_cannot_be_decoded_is_like_nothing(store):
    crops = crops_of(store, {"one": photo(1), "two": photo(2)})
    broken = pa.array([crops["crop_sha256"][0].as_py(), Blobs(store).put(b"rot")])
    crops = crops.set_column(crops.column_names.index("crop_sha256"), "crop_sha256", broken)
    params = PhashParams.model_validate_json('{"verify": {}}').verify
    rows = np.arange(2)
    (findings,) = look_closer(crops, rows, rows[:0], params=params, store=store, home="home")
    assert len(findings.pairs) == 0
