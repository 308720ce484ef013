import numpy as np
import pytest

from wunderkammer.gan.evaluation.material import OtherPicturesError, read_material
from wunderkammer.gan.holdout import split


def test_the_pictures_are_split_as_the_training_split_them(collection):
    sha256s = collection.shard()
    collection.train(held_out=0.2, seed=3)
    train, held_out = split(sha256s, share=0.2, seed=3)
    material = read_material(collection.inputs(), labels=())
    np.testing.assert_array_equal(material.training_NCHW, collection.images_NCHW[train])
    np.testing.assert_array_equal(material.held_out_NCHW, collection.images_NCHW[held_out])
    assert material.sha256s == tuple(sha256s[index] for index in train)
    assert material.labels_N is None
    assert not material.mirror


def test_where_nothing_is_held_out_all_was_trained_on(collection):
    sha256s = collection.shard()
    collection.train(mirror=True)
    material = read_material(collection.inputs(), labels=())
    np.testing.assert_array_equal(material.training_NCHW, collection.images_NCHW)
    assert len(material.held_out_NCHW) == 0
    assert material.sha256s == tuple(sha256s)
    assert material.mirror


def test_what_the_recipe_says_by_now_is_not_what_was_trained(collection):
    sha256s = collection.shard()
    collection.train(held_out=0.5)
    _, held_out = split(sha256s, share=0.5, seed=0)
    material = read_material(collection.inputs(), labels=())
    assert len(material.held_out_NCHW) == len(held_out) > 0


def test_labels_are_numbers_of_the_checkpoints_names_as_frequent_as_they_are(collection):
    names = ["tulip" if k % 3 == 0 else "rose" for k in range(60)]
    sha256s = collection.shard(names)
    collection.train(labels=("rose", "tulip"), held_out=0.1)
    material = read_material(collection.inputs(), labels=("rose", "tulip"))
    train, _ = split(sha256s, share=0.1, seed=0)
    assert material.labels_N.tolist() == [int(names[index] == "tulip") for index in train]
    drawn = material.labels_for(3000, seed=0)
    assert drawn.mean() == pytest.approx(1 / 3, abs=0.05)
    np.testing.assert_array_equal(drawn, material.labels_for(3000, seed=0))


def test_other_shards_than_the_training_saw_are_refused_with_the_remedy(collection):
    collection.shard()
    collection.train()
    collection.shard(data_version="more images")
    with pytest.raises(OtherPicturesError, match="wunderkammer refresh quilt"):
        read_material(collection.inputs(), labels=())


def test_some_of_the_training_pictures_are_drawn_by_the_seed(collection):
    collection.shard()
    collection.train()
    material = read_material(collection.inputs(), labels=())
    some = material.some_training(10, seed=0)
    assert len(set(some.tolist())) == 10
    assert (np.diff(some) > 0).all()
    np.testing.assert_array_equal(some, material.some_training(10, seed=0))
    assert material.some_training(100, seed=0).tolist() == list(range(60))
