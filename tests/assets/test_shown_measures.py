"""How the measures of a version look in the UI."""

import dagster as dg

from assets.materialization import _shown


def rows(value: dg.TableMetadataValue) -> tuple[list[str], list[dict[str, object]]]:
    return (
        [f"{column.name}: {column.type}" for column in value.schema.columns],
        [dict(record.data) for record in value.records],
    )


def test_numbers_by_name_are_a_table():
    assert rows(_shown({"CC0 1.0": 3, "CC BY": 1})) == (
        ["name: string", "count: int"],
        [{"name": "CC0 1.0", "count": 3}, {"name": "CC BY", "count": 1}],
    )


def test_numbers_by_name_and_name_are_a_table_with_more_columns():
    shown = _shown({"met": {"kept": 2, "mb": 1.5}, "commons": {"kept": 0, "mb": 0.0}})
    assert rows(shown) == (
        ["name: string", "kept: int", "mb: float"],
        [{"name": "met", "kept": 2, "mb": 1.5}, {"name": "commons", "kept": 0, "mb": 0.0}],
    )


def test_what_dagster_can_plot_or_what_is_no_table_stays_as_it_is():
    for value in (3, 2.5, "cpu", [1, 2], {}, {"a": [1]}, {"a": 1, "b": {"c": 2}}):
        assert _shown(value) is value
