import hashlib

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from wunderkammer.storage.tables import to_parquet
from wunderkammer.upkeep.hashes import among, in_parquet, in_text, links, of_names


def sha256(number):
    return hashlib.sha256(bytes([number])).hexdigest()


@given(st.lists(st.integers(0, 255)), st.lists(st.integers(0, 255)))
def test_which_of_some_are_among_others(some, others):
    held = np.sort(of_names([sha256(number) for number in others]))
    found = among(of_names([sha256(number) for number in some]), held)
    assert found.tolist() == [number in others for number in some]


def test_hashes_are_found_wherever_a_table_or_a_text_names_them():
    a, b, c, d, e, f = map(sha256, range(6))
    member = pa.struct([("id", pa.string()), ("sha256", pa.string())])
    table = pa.table(
        {
            "key": [f"pdf:{a}:9", "nothing", None],
            "blob": [b, None, None],
            "members": pa.array([None, [{"id": "x", "sha256": c}], []], pa.list_(member)),
            "detail": ["", f"{d} and {e}", None],
            "image": pa.array([f.encode(), None, None], pa.binary()),
            "size": [1, 2, 3],
        }
    )
    content = to_parquet(table)
    expected = np.sort(of_names([a, b, c, d, e]))
    assert np.array_equal(in_parquet(content), expected)
    assert sorted(in_text(f'{{"x": "{a}", "y": ["{b}"]}}'.encode())) == sorted(of_names([a, b]))
    (made_rows, made), (used_rows, used) = links(content)
    assert dict(zip(made.tolist(), made_rows.tolist(), strict=True)) == dict(
        zip(of_names([b, c]).tolist(), [0, 1], strict=True)
    )
    assert set(zip(used.tolist(), used_rows.tolist(), strict=True)) == set(
        zip(of_names([a, d, e]).tolist(), [0, 1, 1], strict=True)
    )
