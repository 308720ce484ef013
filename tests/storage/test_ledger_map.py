import logging
import os
import signal

import pyarrow as pa
import pytest

from wunderkammer.ledger_map import map_ledgered
from wunderkammer.storage.blobs import Blobs
from wunderkammer.storage.ledger import MAX_PARTS, Ledger
from wunderkammer.storage.store import Store
from wunderkammer.workers import Casualty, Workers

SCHEMA = pa.schema([("key", pa.string()), ("value", pa.int64()), ("reason", pa.string())])
LOG = logging.getLogger("test")


def triple(number: int) -> dict[str, object]:
    if number == 7:
        os.kill(os.getpid(), signal.SIGKILL)
    return {"value": 3 * number}


def refuse_to_run(number: int) -> dict[str, object]:
    raise AssertionError(f"{number} was computed again")


def note(number: int, casualty: Casualty) -> dict[str, object]:
    return {"value": number, "reason": casualty.reason}


def mapped(ledger, numbers, fn=triple):
    items = {f"k{n}": n for n in numbers}
    workers = Workers(num_workers=1, batch_size=4)
    return map_ledgered(
        ledger, items, fn=fn, on_casualty=note, what="triples", log=LOG, workers=workers
    )


@pytest.fixture
def ledger(tmp_path):
    return Ledger(Store(str(tmp_path)), "ledger/a", SCHEMA)


def test_rows_come_in_the_order_of_the_items_and_are_reused(ledger):
    mapped(ledger, [3, 1])
    table = mapped(ledger, [1, 2, 3])
    assert table["key"].to_pylist() == ["k1", "k2", "k3"]
    assert table["value"].to_pylist() == [3, 6, 9]
    assert mapped(ledger, [2, 1], fn=refuse_to_run)["value"].to_pylist() == [6, 3]


def test_a_poisonous_item_becomes_the_row_that_on_casualty_makes(ledger):
    table = mapped(ledger, [6, 7, 8])
    assert table["reason"].to_pylist() == [None, "crashed_worker", None]


def test_no_items_give_an_empty_table(ledger):
    assert mapped(ledger, []).num_rows == 0


def test_many_parts_are_merged_without_losing_a_row(ledger):
    for n in range(MAX_PARTS + 5):
        ledger.append(pa.table({"key": [f"k{n}"], "value": [n], "reason": ["x"]}, schema=SCHEMA))
    ledger.compact()
    assert len(list(ledger.store.keys("ledger/a"))) == 1
    assert sorted(ledger.rows()["value"].to_pylist()) == list(range(MAX_PARTS + 5))


def test_what_may_pass_is_not_held_against_an_item_the_next_time(ledger):
    assert mapped(ledger, [7])["reason"].to_pylist() == ["crashed_worker"]
    assert mapped(ledger, [7], fn=double)["value"].to_pylist() == [14]


def double(number: int) -> dict[str, object]:
    return {"value": 2 * number}


def test_a_row_whose_blob_is_gone_is_made_again(tmp_path):
    store = Store(str(tmp_path))
    schema = pa.schema([("key", pa.string()), ("sha256", pa.string()), ("reason", pa.string())])
    ledger = Ledger(store, "ledger/b", schema, blob_columns=("sha256",))
    kept, gone = Blobs(store).put(b"kept"), Blobs(store).put(b"gone")
    rows = [
        {"key": "a", "sha256": kept},
        {"key": "b", "sha256": gone},
        {"key": "c", "sha256": "f" * 64, "reason": "not_an_image"},
    ]
    ledger.append(pa.Table.from_pylist(rows, schema=schema))
    assert ledger.rows()["key"].to_pylist() == ["a", "b", "c"]
    (tmp_path / Blobs.key(gone)).write_bytes(b"")
    assert ledger.rows()["key"].to_pylist() == ["a", "c"]


def test_a_damaged_part_is_ignored_and_the_others_are_read(ledger, tmp_path):
    mapped(ledger, [1, 2])
    (tmp_path / "ledger/a/0123.parquet").write_bytes(b"")
    assert sorted(ledger.rows()["key"].to_pylist()) == ["k1", "k2"]
