import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from wunderkammer.dedupe.families import families, family_distance, family_names
from wunderkammer.dedupe.groups import find_duplicates
from wunderkammer.dedupe.params import PhashParams
from wunderkammer.gan.holdout import split
from wunderkammer.manifests import CROPS
from wunderkammer.params import digest


def crop(name, *, phash, group=None):
    size = {"source_width": 9, "source_height": 9, "num_bytes": 9}
    box = {"box_x0": 0, "box_y0": 0, "box_x1": 9, "box_y1": 9}
    known = {"id": name, "crop_sha256": digest(name), "phash": phash, "group": group}
    return {**known, **size, **box, "sharpness": 1.0}


def kin(rows, **settings):
    params = PhashParams(**settings)
    crops = pa.Table.from_pylist(rows, schema=CROPS)
    duplicates = find_duplicates(crops, params=params)
    numbers = families(crops, duplicates, params=params)
    return crops, duplicates, family_names(numbers, crops["crop_sha256"])


def test_kin_are_wider_than_duplicates_and_named_by_their_content():
    rows = [crop("a", phash=0), crop("b", phash=0xFF), crop("c", phash=0xFFFF), crop("d", phash=~0)]
    rows[3]["phash"] = 2**64 - 1
    _, duplicates, names = kin(rows)
    assert duplicates.is_kept.all()
    assert names[0] == names[1] == names[2] == min(digest(name) for name in "abc")
    assert names[3] == digest("d")
    assert len(set(kin(rows, family_distance=7)[2])) == 4
    assert family_distance(PhashParams(max_distance=14)) == 16


def test_pictures_of_one_group_are_kin_however_different():
    rows = [
        crop("a", phash=0, group="burst"),
        crop("b", phash=2**64 - 1, group="burst"),
        crop("c", phash=2**32 - 1),
    ]
    names = kin(rows)[2]
    assert names[0] == names[1] != names[2]


def test_pictures_are_kin_of_what_their_dropped_duplicates_are_kin_of():
    rows = [
        crop("kept", phash=0b111, group=None),
        crop("dropped", phash=0b111, group="burst"),
        crop("of the burst", phash=2**64 - 1, group="burst"),
    ]
    rows[0]["sharpness"] = 2.0
    _, duplicates, names = kin(rows)
    assert duplicates.duplicate_of.tolist() == [-1, 0, -1]
    assert len(set(names)) == 1


@given(
    seeds=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9)), min_size=2, max_size=40),
    groups=st.lists(st.sampled_from([None, None, "x", "y"]), min_size=40, max_size=40),
    share=st.floats(0.01, 0.6),
    seed=st.integers(0, 9),
)
@settings(max_examples=100, deadline=None)
def test_no_near_duplicate_and_no_group_straddles_the_training_and_what_is_held_out(
    seeds, groups, share, seed
):
    rng = np.random.default_rng(1)
    centres = rng.integers(0, 2**63, 4).tolist()
    rows = [
        crop(str(n), phash=centres[c] ^ (2**b - 1), group=group)
        for n, ((c, b), group) in enumerate(zip(seeds, groups, strict=False))
    ]
    _, duplicates, names = kin(rows, max_distance=2)
    kept = np.flatnonzero(duplicates.is_kept)
    train, held_out = split([names[i] for i in kept], share=share, seed=seed)
    for i in kept[train]:
        for j in kept[held_out]:
            assert (rows[i]["phash"] ^ rows[j]["phash"]).bit_count() > 6
            assert rows[i]["group"] is None or rows[i]["group"] != rows[j]["group"]
