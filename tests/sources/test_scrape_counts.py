from collections import Counter

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from wunderkammer.manifests import RAW
from wunderkammer.sources.counts import (
    MAX_NAME_CHARS,
    MAX_ROWS,
    OTHERS,
    licence_counts,
    new_rows,
    scrape_counts,
)


def table(*rows: dict[str, object]) -> pa.Table:
    same = {"decision": "kept", "num_bytes": 1_000_000}
    return pa.Table.from_pylist([{**same, **row} for row in rows], schema=RAW)


def test_pictures_are_counted_by_source_licence_and_outcome():
    before = table(
        {"sha256": "1", "source": "met"},
        {"sha256": "9", "source": "met"},
    )
    manifest = table(
        {"sha256": "1", "source": "met", "licence": "CC0 1.0"},
        {"sha256": "2", "source": "commons", "licence": "CC BY 4.0"},
        {"sha256": "3", "source": "commons", "licence": "CC0 1.0", "num_bytes": 500_000},
        {"sha256": "4", "licence": " Unknown "},
        {"source": "commons", "decision": "rejected", "reason": "licence", "num_bytes": None},
        {"sha256": "9", "source": "met", "decision": "rejected", "reason": "gone_from_source"},
        {"source": "flickr", "decision": "rejected", "reason": "licence", "num_bytes": None},
    )
    assert scrape_counts(manifest, before, kind="folder") == {
        "new": 3,
        "gone": 1,
        "total_mb": 3.5,
        "new_mb": 2.5,
        "sources": {
            "commons": {"kept": 2, "new": 2, "rejected": 1, "mb": 1.5},
            "folder": {"kept": 1, "new": 1, "rejected": 0, "mb": 1.0},
            "met": {"kept": 1, "new": 0, "rejected": 1, "mb": 1.0},
            "flickr": {"kept": 0, "new": 0, "rejected": 1, "mb": 0.0},
        },
        "licences": {"CC0 1.0": 2, "CC BY 4.0": 1, "no known licence": 1},
        "outcomes": {"kept": 4, "licence": 2, "gone_from_source": 1},
        "kept from commons": 2,
        "kept from folder": 1,
        "kept from met": 1,
        "kept from flickr": 0,
    }


def test_nothing_at_all_is_counted_too():
    counts = scrape_counts(table(), table(), kind="folder")
    assert (counts["new"], counts["total_mb"], counts["sources"]) == (0, 0.0, {})
    assert counts["outcomes"] == {"kept": 0}


def test_a_picture_under_another_name_is_not_new_and_one_let_in_now_is():
    before = table({"sha256": "1", "id": "a"}, {"sha256": "2", "id": "b", "decision": "rejected"})
    now = table({"sha256": "1", "id": "c"}, {"sha256": "2", "id": "b"})
    assert new_rows(now, before)["id"].to_pylist() == ["b"]


@given(st.lists(st.integers(0, 3 * MAX_ROWS).map(lambda n: n * n % 61), max_size=300))
def test_many_licences_are_folded_and_none_is_lost(numbers):
    names = [f"{number:02d}" + "x" * MAX_NAME_CHARS for number in numbers]
    counts = licence_counts(table(*({"licence": name} for name in names)))
    assert sum(counts.values()) == len(names)
    assert all(len(name) <= MAX_NAME_CHARS for name in counts)
    assert len(counts) <= MAX_ROWS + 1
    if len(set(names)) <= MAX_ROWS:
        assert OTHERS not in counts
        assert list(counts.values()) == [n for _, n in Counter(names).most_common()]
