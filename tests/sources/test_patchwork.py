import pickle
from collections import Counter
from io import BytesIO

import imagehash
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, UnidentifiedImageError

from wunderkammer.patchwork.quilt_blocks import BLOCKS
from wunderkammer.sources.params import PatchworkParams
from wunderkammer.sources.patchwork import AUTHOR, PatchworkItem, patchwork_items


def some_items(**changes: object) -> list[PatchworkItem]:
    counts = {
        "num_quilts": 30,
        "side_px": 96,
        "num_near_duplicates": 5,
        "num_off_subject": 8,
        "num_too_small": 3,
        "num_broken": 4,
    }
    params = PatchworkParams.model_validate({"kind": "patchwork", **counts, **changes})
    items = patchwork_items(params)
    assert all(isinstance(item, PatchworkItem) for item in items)
    return [item for item in items if isinstance(item, PatchworkItem)]


def of_kind(items: list[PatchworkItem], *kinds: str) -> list[PatchworkItem]:
    return [item for item in items if item.kind in kinds]


def picture(item: PatchworkItem) -> Image.Image:
    image = Image.open(BytesIO(item.read()))
    image.load()
    assert (image.format, image.mode) == ("JPEG", "RGB")
    return image


def distance(one: Image.Image, other: Image.Image) -> int:
    return int(imagehash.phash(one) - imagehash.phash(other))


def test_there_are_as_many_items_of_each_kind_as_asked_for() -> None:
    assert Counter(item.kind for item in some_items()) == {
        "quilt": 30,
        "near-duplicate": 5,
        "off-subject": 8,
        "too-small": 3,
        "truncated": 2,
        "not-an-image": 2,
    }


@pytest.mark.parametrize("kind", ["near_duplicates", "off_subject", "too_small", "broken"])
def test_a_kind_can_be_left_out(kind: str) -> None:
    default = {item.id for item in some_items()}
    fewer = {item.id for item in some_items(**{f"num_{kind}": 0})}
    assert fewer < default


def test_ids_and_keys_name_one_item_each() -> None:
    items = some_items()
    assert len({item.id for item in items}) == len({item.key for item in items}) == len(items)


def test_provenance_says_who_drew_it_what_it_shows_and_what_one_may_do_with_it() -> None:
    quilt = some_items()[1]
    assert (quilt.author, quilt.licence) == (AUTHOR, "CC0-1.0")
    assert quilt.licence_url is not None
    assert "publicdomain/zero" in quilt.licence_url
    assert (quilt.title, quilt.label) == ("Log cabin quilt", "log_cabin")


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others() -> None:
    first, again, other = some_items(), some_items(), some_items(seed=-3)
    assert [item.read() for item in first] == [item.read() for item in again]
    assert [item.id for item in first] == [item.id for item in other]
    changed = [one.read() != two.read() for one, two in zip(first, other, strict=True)]
    pages = [item.kind == "not-an-image" for item in first]
    assert changed == [not page for page in pages]
    assert not {item.key for item in first} & {item.key for item in other}


def test_an_item_is_the_same_whatever_is_read_before_it_and_wherever() -> None:
    items = some_items()
    forwards = {item.id: item.read() for item in items}
    elsewhere = pickle.loads(pickle.dumps(list(reversed(items))))
    assert forwards == {item.id: item.read() for item in elsewhere}


def test_a_longer_list_leaves_the_shorter_one_as_it_was() -> None:
    few = {item.key for item in of_kind(some_items(), "quilt", "off-subject")}
    more = some_items(num_quilts=50, num_off_subject=20, num_near_duplicates=9)
    assert few < {item.key for item in more}


def test_the_size_that_is_asked_for_is_part_of_the_key() -> None:
    assert some_items(side_px=96)[0].key != some_items(side_px=97)[0].key


def test_the_most_blocks_a_side_changes_the_quilts_and_their_keys() -> None:
    few, many = some_items(max_blocks=1), some_items(max_blocks=4)
    assert not {item.key for item in few} & {item.key for item in many}
    assert any(a.read() != b.read() for a, b in zip(few, many, strict=True))


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(), number=st.integers(0, 29), side_px=st.integers(32, 256))
def test_a_quilt_is_near_its_size_and_nearly_square(seed: int, number: int, side_px: int) -> None:
    width, height = picture(some_items(seed=seed, side_px=side_px)[number]).size
    assert 0.9 * side_px <= min(width, height)
    assert max(width, height) <= 1.3 * side_px
    assert max(width, height) <= 1.1 * min(width, height)


def test_every_family_has_its_label_and_as_many_quilts_as_the_others() -> None:
    labels = Counter(item.label for item in some_items(num_quilts=300) if item.kind == "quilt")
    assert labels == {block.label: 20 for block in BLOCKS}


@pytest.mark.parametrize("side_px", [48, 96, 160])
def test_near_duplicates_look_like_their_original_and_say_which_it_is(side_px: int) -> None:
    items = some_items(num_near_duplicates=30, side_px=side_px)
    originals = {item.group: item for item in of_kind(items, "quilt")}
    copies = of_kind(items, "near-duplicate")
    distances = []
    for copy in copies:
        assert copy.group is not None
        original = originals[copy.group]
        assert copy.label == original.label
        assert copy.read() != original.read()
        distances.append(distance(picture(copy), picture(original)))
    assert sum(d <= 6 for d in distances) >= 29


def test_there_may_be_more_near_duplicates_than_quilts() -> None:
    items = some_items(num_quilts=2, num_near_duplicates=5)
    copies = of_kind(items, "near-duplicate")
    assert [copy.original for copy in copies] == [0, 1, 0, 1, 0]
    assert len({copy.read() for copy in copies}) == 5


def test_different_quilts_hardly_ever_look_like_duplicates() -> None:
    quilts = of_kind(some_items(num_quilts=150), "quilt")
    hashes = np.array([int(str(imagehash.phash(picture(q))), 16) for q in quilts], np.uint64)
    apart = np.bitwise_count(hashes[:, None] ^ hashes[None, :])
    close_pairs = int((apart[np.triu_indices(len(quilts), 1)] <= 6).sum())
    assert close_pairs <= 1


def test_most_of_what_is_no_quilt_is_panoramic_and_some_of_it_square() -> None:
    sizes = [picture(item).size for item in of_kind(some_items(), "off-subject")]
    aspects = [width / height for width, height in sizes]
    assert sum(aspect > 2 for aspect in aspects) == 6
    assert sum(aspect < 1.1 for aspect in aspects) == 2
    assert all(min(size) >= 96 for size in sizes)


@pytest.mark.parametrize("side_px", [32, 48, 160])
def test_too_small_ones_are_below_half_the_size(side_px: int) -> None:
    for item in of_kind(some_items(side_px=side_px, num_too_small=12), "too-small"):
        assert max(picture(item).size) <= side_px / 2


def test_truncated_files_begin_as_pictures_and_can_not_be_decoded_to_the_end() -> None:
    for item in of_kind(some_items(), "truncated"):
        image = Image.open(BytesIO(item.read()))
        assert image.format == "JPEG"
        with pytest.raises(OSError, match="truncated"):
            image.load()


def test_a_web_page_poses_as_a_picture() -> None:
    for item in of_kind(some_items(), "not-an-image"):
        assert item.id.endswith(".jpg")
        assert item.read().startswith(b"<!DOCTYPE html>")
        with pytest.raises(UnidentifiedImageError):
            Image.open(BytesIO(item.read()))


def test_one_broken_file_is_a_truncated_one_and_two_are_one_of_each() -> None:
    kinds = ("truncated", "not-an-image")
    assert [i.kind for i in of_kind(some_items(num_broken=1), *kinds)] == ["truncated"]
    assert [i.kind for i in of_kind(some_items(num_broken=2), *kinds)] == list(kinds)
