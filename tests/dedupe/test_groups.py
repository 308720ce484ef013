from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wunderkammer.dedupe.groups import Duplicates, Findings, find_duplicates
from wunderkammer.dedupe.leaders import VERIFIED, WAYS
from wunderkammer.dedupe.params import PhashParams
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
        "source_width": 200,
        "source_height": 200,
        "num_bytes": 1000,
        "box_x0": 5,
        "box_y0": 7,
        "box_x1": 5 + side,
        "box_y1": 7 + side,
        "decision": "kept",
    }


def table(rows: Sequence[Row]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=CROPS)


def found(rows: Sequence[Row], max_distance: int, **settings: Any) -> Duplicates:
    params = PhashParams(max_distance=max_distance, **settings)
    return find_duplicates(table(rows), params=params)


def witnesses(rows: Sequence[Row], max_distance: int) -> dict[str, tuple[str, int, bool] | None]:
    verdict = found(rows, max_distance)
    return {
        row["id"]: None
        if verdict.duplicate_of[i] < 0
        else (
            rows[verdict.duplicate_of[i]]["id"],
            int(verdict.distances[i]),
            bool(verdict.is_exact[i]),
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
@settings(max_examples=80, deadline=None)
def test_the_verdicts_are_those_of_a_slow_reference_in_any_order_of_rows(
    rows: list[Row], max_distance: int, seed: int
) -> None:
    verdicts = witnesses(rows, max_distance)
    assert verdicts == slow_witnesses(rows, max_distance)
    shuffled = [rows[i] for i in np.random.default_rng(seed).permutation(len(rows))]
    assert witnesses(shuffled, max_distance) == verdicts


@given(rows=crowded_rows(), max_distance=st.integers(0, 16))
@settings(max_examples=80, deadline=None)
def test_kept_ones_are_far_apart_and_dropped_ones_near_a_kept_one(
    rows: list[Row], max_distance: int
) -> None:
    verdict = found(rows, max_distance)
    hashes = [row["phash"] for row in rows]
    kept = np.flatnonzero(verdict.is_kept)
    near = [(i, j) for i in kept for j in kept if i < j and distance(hashes, i, j) <= max_distance]
    assert near == []
    for dropped in np.flatnonzero(~verdict.is_kept):
        witness = verdict.duplicate_of[dropped]
        assert verdict.is_kept[witness]
        assert distance(hashes, dropped, witness) == verdict.distances[dropped] <= max_distance


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
        assert [rows[i]["label"] for i in np.flatnonzero(found(rows, 6).is_kept)] == ["cat"]


def test_a_chain_drops_only_what_is_near_a_kept_picture() -> None:
    rows = [
        crop("first", phash=0b0000, side=4),
        crop("second", phash=0b0011, side=3),
        crop("third", phash=0b1111, side=2),
    ]
    assert witnesses(rows, 2) == {"first": None, "second": ("first", 2, False), "third": None}


def test_ten_thousand_copies_of_a_picture_leave_one() -> None:
    verdict = found([crop(f"{i:05d}", phash=12345) for i in range(10_000)], 16)
    assert np.flatnonzero(verdict.is_kept).tolist() == [0]
    assert np.all(verdict.duplicate_of[1:] == 0)


def test_no_rows_give_no_verdicts() -> None:
    assert found([], 6).is_kept.shape == (0,)


@pytest.mark.parametrize(("column", "more"), [("phash", {}), ("dhash", {"max_dhash_distance": 3})])
def test_a_crop_without_a_hash_is_refused(column: str, more: dict[str, int]) -> None:
    row = {**crop("a", phash=1), "dhash": 1, column: None}
    with pytest.raises(ValueError, match=f"1 of 1 crops have no {column}"):
        found([row], 6, **more)


def test_of_equally_large_and_sharp_ones_the_least_compressed_is_kept_then_the_approved() -> None:
    rows = [
        {**crop("small file", phash=1), "num_bytes": 100},
        {**crop("large file", phash=1), "num_bytes": 300},
        {**crop("large picture", phash=1), "num_bytes": 300, "source_width": 400},
    ]
    assert kept_names(rows) == ["large file"]
    equal = [crop("a", phash=1), {**crop("b", phash=1), "review": "accepted"}]
    reviewed = table(equal).append_column("review", pa.array([None, "accepted"]))
    verdict = find_duplicates(reviewed, params=PhashParams())
    assert verdict.duplicate_of.tolist() == [1, -1]


def test_a_second_hash_may_tell_apart_what_the_first_does_not() -> None:
    rows = [
        {**crop("a", phash=1, side=9), "dhash": 0},
        {**crop("b", phash=1, side=8), "dhash": 0b11},
        {**crop("c", phash=3, side=7), "dhash": 0b111},
    ]
    assert kept_names(rows) == ["a"]
    assert kept_names(rows, max_dhash_distance=2) == ["a", "c"]
    assert kept_names(rows, max_dhash_distance=1) == ["a", "b"]


def test_pictures_of_one_group_are_duplicates_within_a_radius_of_their_own() -> None:
    far = [{**crop(n, phash=p, side=s), "group": g} for n, p, s, g in BURSTS]
    assert kept_names(far) == ["a", "b", "c", "d"]
    assert kept_names(far, max_group_distance=12) == ["a", "c", "d"]
    verdict = found(far, 6, max_group_distance=64)
    assert verdict.duplicate_of.tolist() == [-1, 0, 0, -1]
    assert verdict.distances.tolist() == [-1, 12, 20, -1]
    assert [WAYS[way] for way in verdict.found_by[1:3]] == ["provenance", "provenance"]


BURSTS = (
    ("a", 0, 9, "one"),
    ("b", 2**12 - 1, 8, "one"),
    ("c", 2**20 - 1, 7, "one"),
    ("d", 2**31 - 1, 6, None),
)


def kept_names(rows: Sequence[Row], **settings: Any) -> list[str]:
    return [rows[i]["id"] for i in np.flatnonzero(found(rows, 6, **settings).is_kept)]


class Alike:
    """A closer look that knows which pictures are one, by name, and what it was asked."""

    def __init__(self, *pairs: tuple[str, str]) -> None:
        self.pairs = [set(pair) for pair in pairs]
        self.asked: list[tuple[list[str], list[str]]] = []

    def __call__(self, ranked: pa.Table, new: np.ndarray, seen: np.ndarray) -> list[Findings]:
        names = ranked["id"].to_pylist()
        self.asked.append(([names[i] for i in new], [names[i] for i in seen]))
        pairs = [
            (i, j)
            for i in new
            for j in (*new, *seen)
            if i != j and {names[i], names[j]} in self.pairs
        ]
        places = np.array(pairs, np.int64).reshape(-1, 2)
        return [Findings(places, np.full(len(pairs), 0.9), np.ones(len(pairs), bool), VERIFIED)]


def test_what_a_closer_look_finds_alike_is_dropped_and_says_so() -> None:
    rows = [crop("a", phash=0, side=9), crop("b", phash=2**30 - 1, side=8)]
    verdict = find_duplicates(table(rows), params=PhashParams(), look=Alike(("b", "a")))
    assert verdict.duplicate_of.tolist() == [-1, 0]
    assert verdict.distances.tolist() == [-1, 30]
    assert WAYS[verdict.found_by[1]] == "verified"
    assert verdict.likeness[1] == 0.9
    assert not verdict.is_exact.any()


def test_what_loses_its_keeper_to_a_closer_look_is_looked_at_itself() -> None:
    rows = [
        crop("best", phash=0, side=9),
        crop("keeper", phash=2**30 - 1, side=8),
        crop("near keeper", phash=2**29 - 1, side=7),
        crop("near it too", phash=2**30, side=6),
    ]
    look = Alike(("best", "keeper"), ("best", "near keeper"))
    verdict = find_duplicates(table(rows), params=PhashParams(max_distance=2), look=look)
    assert verdict.duplicate_of.tolist() == [-1, 0, 0, 0]
    look = Alike(("best", "keeper"))
    verdict = find_duplicates(table(rows), params=PhashParams(max_distance=2), look=look)
    assert verdict.duplicate_of.tolist() == [-1, 0, -1, 0], "it is near the keeper alone"
    assert look.asked[0] == (["best", "keeper"], [])
    assert look.asked[1] == (["near keeper"], ["best", "keeper"])


@given(
    rows=crowded_rows(),
    links=st.lists(st.tuples(st.integers(0, 39), st.integers(0, 39)), max_size=20),
    groups=st.lists(st.sampled_from([None, "x", "y"]), min_size=40, max_size=40),
    limit=st.sampled_from([None, 0, 9, 64]),
    seed=st.integers(0, 2**32),
)
@settings(max_examples=80, deadline=None)
def test_with_every_way_of_finding_each_dropped_one_is_near_a_kept_one_and_no_two_kept_are_near(
    rows: list[Row],
    links: list[tuple[int, int]],
    groups: list[str | None],
    limit: int | None,
    seed: int,
) -> None:
    rows = [{**row, "group": group} for row, group in zip(rows, groups, strict=False)]
    links = [(i, j) for i, j in links if i < len(rows) > j and i != j]
    params = PhashParams(max_distance=4, max_group_distance=limit)

    def near(one: Row, other: Row) -> bool:
        bits = (one["phash"] ^ other["phash"]).bit_count()
        is_burst = one["group"] is not None and one["group"] == other["group"]
        is_linked = {one["id"], other["id"]} in [{f"{i}", f"{j}"} for i, j in links]
        return bits <= 4 or (limit is not None and is_burst and bits <= limit) or is_linked

    def duplicates(order: np.ndarray) -> dict[str, str | None]:
        shuffled = [rows[i] for i in order]
        look = Alike(*((f"{i}", f"{j}") for i, j in links))
        verdict = find_duplicates(table(shuffled), params=params, look=look)
        return {
            row["id"]: None if k < 0 else shuffled[k]["id"]
            for row, k in zip(shuffled, verdict.duplicate_of, strict=True)
        }

    verdicts = duplicates(np.arange(len(rows)))
    of_name = {row["id"]: row for row in rows}
    kept = [name for name, other in verdicts.items() if other is None]
    assert not [(a, b) for a in kept for b in kept if a < b and near(of_name[a], of_name[b])]
    for name, other in verdicts.items():
        assert other is None or (other in kept and near(of_name[name], of_name[other]))
    assert duplicates(np.random.default_rng(seed).permutation(len(rows))) == verdicts
