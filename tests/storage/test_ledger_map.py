import logging
import os
import signal

import pyarrow as pa
import pytest

from wunderkammer.ledger_map import map_ledgered
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
