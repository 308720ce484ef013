from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wunderkammer.dedupe.groups import find_duplicates
from wunderkammer.manifests import CROPS

Row = dict[str, Any]


def crop(
    name: str, *, phash: int, side: int = 100, sharpness: float = 1.0, content: str | None = None
) -> Row:
    return {
        "id": name,
        "sha256": f"source of {name}",
        "crop_sha256": content or f"crop of {name}",
        "phash": phash,
        "sharpness": sharpness,
        "box_x0": 5,
        "box_y0": 7,
        "box_x1": 5 + side,
        "box_y1": 7 + side,
        "decision": "kept",
    }


def table(rows: Sequence[Row]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=CROPS)


def witnesses(rows: Sequence[Row], max_distance: int) -> dict[str, tuple[str, int, bool] | None]:
    found = find_duplicates(table(rows), max_distance=max_distance)
    return {
        row["id"]: None
        if found.duplicate_of[i] < 0
        else (
            rows[found.duplicate_of[i]]["id"],
            int(found.distances[i]),
            bool(found.is_exact[i]),
        )
        for i, row in enumerate(rows)
    }


def slow_witnesses(rows: Sequence[Row], max_distance: int) -> dict[str, Any]:
    def key(row: Row) -> tuple[Any, ...]:
        window = (row["box_x1"] - row["box_x0"]) * (row["box_y1"] - row["box_y0"])
        return (-window, -row["sharpness"], row["crop_sha256"], row["sha256"], row["id"])

    verdicts: dict[str, Any] = {}
    kept: list[Row] = []
    for row in sorted(rows, key=key):
        near = ((k, (k["phash"] ^ row["phash"]).bit_count()) for k in kept)
        first = next(((k, d) for k, d in near if d <= max_distance), None)
        if first is None:
            kept.append(row)
            verdicts[row["id"]] = None
        else:
            is_exact = first[0]["crop_sha256"] == row["crop_sha256"]
            verdicts[row["id"]] = (first[0]["id"], first[1], is_exact)
    return verdicts


@st.composite
def crowded_rows(draw: st.DrawFn) -> list[Row]:
    centres = draw(st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=3))
    flips = st.lists(st.integers(0, 63), max_size=9)
    hashes = draw(st.lists(st.tuples(st.sampled_from(centres), flips), min_size=1, max_size=40))
    rows = []
    for number, (centre, bits) in enumerate(hashes):
        value = centre ^ sum({1 << bit for bit in bits})
        side, sharpness = draw(st.tuples(st.integers(1, 3), st.sampled_from([0.5, 1.0])))
        content = f"crop {value}" if draw(st.booleans()) else None
        rows.append(crop(f"{number}", phash=value, side=side, sharpness=sharpness, content=content))
    return rows


@given(rows=crowded_rows(), max_distance=st.integers(0, 16), seed=st.integers(0, 2**32))
@settings(max_examples=120, deadline=None)
def test_the_verdicts_are_those_of_a_slow_reference_in_any_order_of_rows(
    rows: list[Row], max_distance: int, seed: int
) -> None:
    verdicts = witnesses(rows, max_distance)
    assert verdicts == slow_witnesses(rows, max_distance)
    shuffled = [rows[i] for i in np.random.default_rng(seed).permutation(len(rows))]
    assert witnesses(shuffled, max_distance) == verdicts


@given(rows=crowded_rows(), max_distance=st.integers(0, 16))
@settings(max_examples=120, deadline=None)
def test_kept_ones_are_far_apart_and_dropped_ones_near_a_kept_one(
    rows: list[Row], max_distance: int
) -> None:
    found = find_duplicates(table(rows), max_distance=max_distance)
    hashes = [row["phash"] for row in rows]
    kept = np.flatnonzero(found.is_kept)
    near = [(i, j) for i in kept for j in kept if i < j and distance(hashes, i, j) <= max_distance]
    assert near == []
    for dropped in np.flatnonzero(~found.is_kept):
        witness = found.duplicate_of[dropped]
        assert found.is_kept[witness]
        assert distance(hashes, dropped, witness) == found.distances[dropped] <= max_distance


def distance(hashes: list[int], i: int, j: int) -> int:
    return (hashes[i] ^ hashes[j]).bit_count()


def test_the_larger_window_is_kept_before_the_sharper_one() -> None:
    rows = [crop("sharp", phash=1, sharpness=9.0), crop("large", phash=3, side=101)]
    assert witnesses(rows, 1) == {"large": None, "sharp": ("large", 1, False)}


def test_the_sharper_of_two_equally_large_ones_is_kept() -> None:
    rows = [crop("a", phash=1, sharpness=1.0), crop("b", phash=1, sharpness=1.5)]
    assert witnesses(rows, 0) == {"b": None, "a": ("b", 0, False)}


def test_a_picture_of_unknown_sharpness_gives_way() -> None:
    rows = [crop("a", phash=1, sharpness=float("nan")), crop("b", phash=1, sharpness=0.0)]
    assert witnesses(rows, 0)["b"] is None


def test_equal_crops_are_exact_duplicates() -> None:
    rows = [crop("a", phash=1, content="same"), crop("b", phash=1, content="same")]
    assert witnesses(rows, 6) == {"a": None, "b": ("a", 0, True)}


def test_names_do_not_decide_which_label_of_equal_pictures_is_kept() -> None:
    # The data version of the crops is the same for both tables, so the shards must be too.
    for names in (("a", "b"), ("b", "a")):
        rows = [
            {**crop(name, phash=1, content="same"), "label": label}
            for name, label in zip(names, ("cat", "dog"), strict=True)
        ]
        found = find_duplicates(table(rows), max_distance=6)
        assert [rows[i]["label"] for i in np.flatnonzero(found.is_kept)] == ["cat"]


def test_a_chain_drops_only_what_is_near_a_kept_picture() -> None:
    rows = [
        crop("first", phash=0b0000, side=4),
        crop("second", phash=0b0011, side=3),
        crop("third", phash=0b1111, side=2),
    ]
    assert witnesses(rows, 2) == {"first": None, "second": ("first", 2, False), "third": None}


def test_ten_thousand_copies_of_a_picture_leave_one() -> None:
    found = find_duplicates(
        table([crop(f"{i:05d}", phash=12345) for i in range(10_000)]), max_distance=16
    )
    assert np.flatnonzero(found.is_kept).tolist() == [0]
    assert np.all(found.duplicate_of[1:] == 0)


def test_no_rows_give_no_verdicts() -> None:
    assert find_duplicates(table([]), max_distance=6).is_kept.shape == (0,)


def test_a_crop_without_a_hash_is_refused() -> None:
    row = crop("a", phash=1)
    row["phash"] = None
    with pytest.raises(ValueError, match="1 of 1 crops have no phash"):
        find_duplicates(table([row]), max_distance=6)
