import numpy as np
import pytest
from export_kit import NUM, SIDE, drawn

from wunderkammer.attribution import credits_of
from wunderkammer.export.collection import ExportError, choose
from wunderkammer.gan.holdout import split
from wunderkammer.images.pyramid import area_shrunk
from wunderkammer.shards.read import ShardError, shard_keys
from wunderkammer.storage.store import Store
from wunderkammer.storage.versions import Versions

EVERYTHING = {
    "resolution_px": None,
    "side": "all",
    "labelled": False,
    "held_out": 0.0,
    "seed": 0,
}


def test_pictures_come_in_the_order_of_the_shards_numbered_without_gaps(chosen):
    collection = chosen()
    pictures = list(collection.pictures())
    assert [picture.index for picture in pictures] == list(range(NUM))
    assert [picture.sha256 for picture in pictures] == list(collection.shards.sha256s)
    for k, picture in enumerate(pictures):
        assert np.array_equal(collection.pixels(picture), drawn(k).transpose(2, 0, 1))


def test_pictures_come_from_an_object_store_as_from_a_disk(museum):
    record = museum.publish()
    for location in (museum.store.location, f"file://{museum.store.location}"):
        collection = choose(Store(location), record, **EVERYTHING)
        for k, picture in enumerate(collection.pictures()):
            assert np.array_equal(collection.pixels(picture), drawn(k).transpose(2, 0, 1))


def test_the_sides_of_a_split_are_those_that_a_training_has(chosen):
    train, held_out, everything = (
        chosen(side=side, held_out=0.4) for side in ("train", "held-out", "all")
    )
    sides = split(everything.sha256s, share=0.4, seed=0)
    for collection, rows in zip((train, held_out), sides, strict=True):
        assert collection.sha256s == [everything.sha256s[row] for row in rows]
        assert [picture.sha256 for picture in collection.pictures()] == collection.sha256s
        assert [picture.index for picture in collection.pictures()] == list(range(len(rows)))
    assert train.num_images + held_out.num_images == everything.num_images


def test_near_duplicates_are_on_one_side_of_a_split(chosen):
    families = ("near", None, None)
    sides = [chosen(side=side, held_out=0.4, families=families) for side in ("train", "held-out")]
    near = set(sides[0].shards.sha256s[::3])
    assert [near <= set(side.sha256s) or not near & set(side.sha256s) for side in sides] == [
        True,
        True,
    ]
    assert all(side.num_images for side in sides)


def test_a_label_has_one_number_on_both_sides_of_a_split(chosen):
    labels = tuple("abcdefghijkl")
    for side in ("train", "held-out"):
        collection = chosen(side=side, held_out=0.4, labels=labels)
        assert collection.class_names == labels
        found = {picture.label: picture.number for picture in collection.pictures()}
        assert found == {label: labels.index(label) for label in collection.labels}


def test_pictures_without_a_label_can_be_left_out_and_then_labels_have_numbers(chosen):
    labels = ("moth", None, "beetle")
    some = chosen(labels=labels)
    assert (some.num_unlabelled, some.class_names, some.numbers) == (4, (), [])
    assert {picture.number for picture in some.pictures()} == {None}
    rest = chosen(labels=labels, labelled=True)
    assert (rest.num_images, rest.class_names) == (8, ("beetle", "moth"))
    assert [picture.number for picture in rest.pictures()] == [1, 0] * 4


@pytest.mark.parametrize(
    ("choice", "complaint"),
    [
        ({"side": "held-out"}, r"no picture of the split 'held-out' \(train.held_out is 0\)"),
        ({"labels": (None,), "labelled": True}, "no picture of the split 'all', with a label"),
    ],
)
def test_a_choice_of_no_picture_is_refused(chosen, choice, complaint):
    with pytest.raises(ExportError, match=complaint):
        chosen(**choice)


@pytest.mark.parametrize(
    ("resolution_px", "complaint"),
    [
        (32, r"32 px were asked for, the shards of 'moth' have 16 px; ask for no more, or raise"),
        (
            12,
            r"12 px were asked for; a side is a power of two from 4 px, of these shards: 4, 8, 16",
        ),
        (2, r"a power of two from 4 px"),
        (0, r"a power of two from 4 px"),
        (-8, r"a power of two from 4 px"),
    ],
)
def test_a_side_that_cannot_be_had_is_refused_with_those_that_can(chosen, resolution_px, complaint):
    with pytest.raises(ExportError, match=complaint):
        chosen(resolution_px=resolution_px)


@pytest.mark.parametrize("side_px", [4, 8])
def test_smaller_pictures_are_means_of_areas(chosen, side_px):
    collection = chosen(resolution_px=side_px)
    assert collection.sides_px[-1] == side_px
    for k, picture in enumerate(collection.pictures()):
        whole = drawn(k, side=SIDE).transpose(2, 0, 1)
        assert np.array_equal(collection.pixels(picture), area_shrunk(whole, side_px=side_px))


def test_only_the_pictures_of_a_side_are_credited(chosen, museum):
    collection = chosen(side="held-out", held_out=0.4)
    rows = credits_of(Versions(museum.store), collection.record, images=collection.sha256s)
    assert 0 < rows.num_rows < NUM
    assert set(rows["sha256"].to_pylist()) == {f"of {sha256}" for sha256 in collection.sha256s}


def test_shards_that_are_not_the_published_ones_are_not_exported(museum):
    record = museum.publish()
    keys = shard_keys(record)
    museum.store.write(keys[0], museum.store.read(keys[1]))
    with pytest.raises(ShardError, match="than its manifest lists; build deduped_shards again"):
        choose(museum.store, record, **EVERYTHING)
