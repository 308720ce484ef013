from pathlib import Path

import pytest
import yaml

from wunderkammer.subject import SubjectSpec, load_subjects

SHIPPED = Path(__file__).parents[1] / "subjects"
FIVE = ("corgi", "foram", "quilt", "spider", "zine")


def test_the_embedded_subject_is_usable():
    assert "patchwork" in load_subjects(SHIPPED).subjects


@pytest.mark.parametrize("name", FIVE)
def test_a_shipped_recipe_is_usable_and_waits_for_a_person(name):
    """Nobody's machine is to train for weeks, or ask a site, because this project was tried out."""
    folder = load_subjects(SHIPPED)
    assert folder.problems == ()
    assert folder.subjects[name].spec.automatic is False


@pytest.mark.parametrize("name", [*FIVE, "patchwork"])
def test_a_shipped_recipe_says_what_it_is_in_each_section_it_names(name):
    tree = yaml.safe_load((SHIPPED / f"{name}.yaml").read_text())
    assert tree["description"]
    assert set(tree) <= set(SubjectSpec.model_fields)
    assert {"scrape", "filter", "dedupe", "shard", "train", "video"} <= set(tree)
