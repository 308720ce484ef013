from pathlib import Path

from wunderkammer.reference import settings_reference

DOCS = Path(__file__).parents[1] / "docs" / "subjects.md"


def test_the_docs_list_every_setting_as_the_models_check_it():
    """After a change of settings: `python -m wunderkammer.reference docs/subjects.md`."""
    assert DOCS.read_text().endswith(settings_reference())


def test_each_row_gives_what_is_allowed_and_the_default():
    reference = settings_reference()
    assert "| `min_side_px` | whole number, ≥ 1 | required |" in reference
    assert (
        "| `background` | list of 3 (whole number, ≥ 0, ≤ 255) | `[255, 255, 255]` |" in reference
    )
    assert "| `loop` | true or false | `true` |" in reference
