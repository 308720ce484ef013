import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wunderkammer.params import digest
from wunderkammer.storage import tables
from wunderkammer.storage.tables import (
    Pile,
    Rows,
    columns_digest,
    from_parquet,
    to_parquet,
    values,
)

TEXTS = st.lists(st.text(max_size=4), unique=True, max_size=12)


@pytest.fixture(autouse=True)
def few_at_a_time(monkeypatch):
    monkeypatch.setattr(tables, "CHUNK_ROWS", 3)
    monkeypatch.setattr(tables, "PACK_ROWS", 6)


def of(*parts: list[str]) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(part, pa.string()) for part in parts], pa.string())


def test_a_table_comes_back_from_parquet():
    table = pa.table({"id": of(["a"], ["b", None]), "tags": [["x"], [], None]})
    assert from_parquet(to_parquet(table)).equals(table)


@given(st.lists(TEXTS, max_size=4))
def test_the_values_of_a_column_are_those_of_its_parts(parts):
    assert list(values(of(*parts))) == [text for part in parts for text in part]


@given(known=TEXTS, asked=st.lists(st.text(max_size=4), max_size=12))
def test_a_row_is_found_by_its_text_and_by_no_other(known, asked):
    rows = Rows(pa.table({"number": range(len(known)), "text": of(known[:2], known[2:])}), "text")
    expected = [known.index(text) if text in known else None for text in (*asked, *known)]
    found = rows.find([*asked, *known])
    assert [None if row < 0 else row for row in found] == expected
    assert rows.take(found)["number"].to_pylist() == expected


def test_of_equal_texts_one_is_found():
    assert Rows(pa.table({"text": of(["a", "b", "b"])}), "text").find(["b"])[0] in (1, 2)


class SameHash(str):
    __slots__ = ()

    def __hash__(self) -> int:
        return hash("a")


def test_another_text_of_the_same_hash_is_not_taken_for_it():
    rows = Rows(pa.table({"text": of(["a", "c"])}), "text")
    assert rows.find([SameHash("b"), SameHash("a"), "c"]).tolist() == [-1, 0, 1]


@given(
    columns=st.integers(0, 7).flatmap(
        lambda num_rows: st.dictionaries(
            st.text(max_size=3),
            st.lists(
                st.none() | st.text(max_size=3) | st.lists(st.text(max_size=2), max_size=2),
                min_size=num_rows,
                max_size=num_rows,
            ),
            max_size=3,
        )
    )
)
def test_columns_have_the_digest_of_a_dict_of_them_in_any_order(columns):
    table = pa.table(
        {name: pa.array(map(str, column), pa.string()) for name, column in columns.items()}
    )
    order = pa.array(range(table.num_rows), pa.int64())[::-1]
    assert columns_digest(table, order) == digest(table.take(order).to_pydict())


@given(parts=st.lists(st.lists(st.integers(0, 99), max_size=5), max_size=6), data=st.data())
def test_a_pile_gives_back_any_of_its_rows(parts, data):
    schema = pa.schema([("number", pa.int64()), ("tags", pa.list_(pa.string()))])
    pile = Pile(schema)
    for part in parts:
        rows = [{"number": number, "tags": [str(number)]} for number in part]
        pile.add(pa.Table.from_pylist(rows, schema=schema))
    numbers = [number for part in parts for number in part]
    assert pile.num_rows == len(numbers)
    assert pile.column("number").to_pylist() == numbers
    places = st.lists(st.integers(0, len(numbers) - 1), max_size=8) if numbers else st.just([])
    order = data.draw(places)
    taken = pile.take(pa.array(order, pa.int64()))
    assert taken.schema == schema
    assert taken["number"].to_pylist() == [numbers[place] for place in order]
    assert taken["tags"].to_pylist() == [[str(numbers[place])] for place in order]
