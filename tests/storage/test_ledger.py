from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wunderkammer.storage.ledger import MAX_PARTS, Ledger
from wunderkammer.storage.store import Store
from wunderkammer.storage.tables import to_parquet

SCHEMA = pa.schema([("key", pa.string()), ("value", pa.int64())])
NUM_ROWS = MAX_PARTS + 8


class DyingStore(Store):
    """A store whose process is gone before its n-th write or delete, as after a SIGKILL."""

    def __init__(self, location: str, num_changes: int) -> None:
        super().__init__(location)
        self.num_changes = num_changes

    def _spend(self) -> None:
        if self.num_changes == 0:
            raise KeyboardInterrupt
        self.num_changes -= 1

    def write(self, key: str, content: bytes | Path) -> None:
        self._spend()
        super().write(key, content)

    def delete(self, key: str) -> None:
        self._spend()
        super().delete(key)


def table(pairs):
    return pa.Table.from_pylist([{"key": k, "value": v} for k, v in pairs], schema=SCHEMA)


def pairs(ledger):
    return sorted((row["key"], row["value"]) for row in ledger.rows().to_pylist())


def test_a_new_ledger_has_no_rows_and_all_columns(tmp_path):
    rows = Ledger(Store(str(tmp_path)), "ledger/a", SCHEMA).rows()
    assert rows.num_rows == 0
    assert rows.schema == SCHEMA


def test_a_batch_appended_twice_counts_once(tmp_path):
    ledger = Ledger(Store(str(tmp_path)), "ledger/a", SCHEMA)
    ledger.append(table([("a", 1), ("b", 2)]))
    ledger.append(table([("a", 1), ("b", 2)]))
    ledger.append(table([("b", 2), ("c", 3)]))
    assert pairs(ledger) == [("a", 1), ("b", 2), ("c", 3)]


def test_ledgers_with_names_that_begin_alike_are_apart(tmp_path):
    store = Store(str(tmp_path))
    Ledger(store, "ledger/a", SCHEMA).append(table([("a", 1)]))
    assert Ledger(store, "ledger/ab", SCHEMA).rows().num_rows == 0


@given(st.lists(st.dictionaries(st.sampled_from("abcdefgh"), st.just(0), min_size=1), max_size=50))
def test_merging_keeps_every_row_once(batches):
    ledger = Ledger(Store("memory:///"), "ledger/a", SCHEMA)
    for batch in batches:
        ledger.append(table((key, ord(key)) for key in batch))
    wanted = sorted({(key, ord(key)) for batch in batches for key in batch})
    assert pairs(ledger) == wanted
    ledger.compact()
    assert pairs(ledger) == wanted


@pytest.mark.parametrize("num_changes", [0, 1, 2, 20, NUM_ROWS])
def test_a_merge_killed_at_any_point_loses_no_row(tmp_path, num_changes):
    ledger = Ledger(Store(str(tmp_path)), "ledger/a", SCHEMA)
    for n in range(NUM_ROWS):
        ledger.append(table([(f"k{n:02}", n)]))
    wanted = pairs(ledger)
    with pytest.raises(KeyboardInterrupt):
        Ledger(DyingStore(str(tmp_path), num_changes), "ledger/a", SCHEMA).compact()
    assert pairs(ledger) == wanted
    ledger.append(table([("new", 1)]))
    ledger.compact()
    assert pairs(ledger) == sorted([*wanted, ("new", 1)])


def test_a_reader_whose_parts_another_process_merges_misses_no_row(tmp_path, monkeypatch):
    ledger = Ledger(Store(str(tmp_path)), "ledger/a", SCHEMA)
    for n in range(NUM_ROWS):
        ledger.append(table([(f"k{n:02}", n)]))
    wanted = pairs(ledger)
    parts = ledger._parts()

    def parts_then_merge():
        monkeypatch.undo()
        Ledger(Store(str(tmp_path)), "ledger/a", SCHEMA).compact()
        return parts

    monkeypatch.setattr(ledger, "_parts", parts_then_merge)
    assert pairs(ledger) == wanted


def test_a_merge_that_yields_a_part_that_is_there_already_keeps_it(tmp_path):
    store = Store(str(tmp_path))
    ledger = Ledger(store, "ledger/a", SCHEMA)
    wanted = [(f"k{n:02}", n) for n in range(NUM_ROWS)]
    ledger.append(table(wanted))
    (whole,) = store.keys("ledger/a")
    for key, value in wanted:
        store.write(f"ledger/a/{key}.parquet", to_parquet(table([(key, value)])))
    ledger.compact()
    assert list(store.keys("ledger/a")) == [whole]
    assert pairs(ledger) == wanted


def test_a_part_that_is_older_than_a_column_holds_nulls_in_it(tmp_path):
    store = Store(str(tmp_path))
    Ledger(store, "ledger/numbers", SCHEMA).append(table([("a", 1)]))
    wider = pa.schema([SCHEMA.field("key"), ("colour", pa.string()), SCHEMA.field("value")])
    ledger = Ledger(store, "ledger/numbers", wider)
    ledger.append(pa.Table.from_pylist([{"key": "b", "colour": "red"}], schema=wider))
    rows = sorted(ledger.rows().to_pylist(), key=lambda row: row["key"])
    assert [row["colour"] for row in rows] == [None, "red"]
    assert [row["value"] for row in rows] == [1, None]
