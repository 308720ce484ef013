from typing import Annotated, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, ValidationError

from wunderkammer.params import Params, digest


class Plain(Params):
    kind: Literal["plain"] = "plain"


class Noisy(Params):
    kind: Literal["noisy"] = "noisy"
    strength: float = 0.5


class Recipe(Params):
    kind: Literal["recipe"] = "recipe"
    size_px: int = 256
    ratio: float = 1.0
    background: tuple[int, int, int] = (255, 255, 255)
    label: str | None = None
    augment: Annotated[Plain | Noisy, Field(discriminator="kind")] = Plain()


class RecipeOfTomorrow(Recipe):
    sharpness: float = 0.0
    fill: Noisy = Noisy()


UNICODE = st.text(alphabet=st.characters(codec="utf-8"), max_size=5)
RECIPES = st.builds(
    Recipe,
    size_px=st.integers(0, 1024),
    ratio=st.floats(0.0, 1e300),
    background=st.tuples(*[st.integers(0, 255)] * 3),
    label=st.none() | UNICODE,
    augment=st.just(Plain()) | st.builds(Noisy, strength=st.sampled_from([0.25, 0.5])),
)


def shuffled(value):
    if isinstance(value, dict):
        return {key: shuffled(value[key]) for key in reversed(value)}
    return [shuffled(item) for item in value] if isinstance(value, list) else value


def test_a_section_of_defaults_is_its_kind_alone():
    assert Recipe().canonical() == {"kind": "recipe"}


def test_a_nested_section_keeps_its_kind_even_where_that_is_its_default():
    assert Recipe(augment=Noisy()).canonical() == {"kind": "recipe", "augment": {"kind": "noisy"}}


def test_two_kinds_with_equal_settings_have_different_digests():
    assert digest(Recipe(augment=Noisy()).canonical()) != digest(Recipe().canonical())


@given(RECIPES)
def test_a_new_field_with_a_default_changes_no_digest(recipe):
    tomorrow = RecipeOfTomorrow.model_validate(dict(recipe))
    assert digest(tomorrow.canonical()) == digest(recipe.canonical())


@given(RECIPES, RECIPES)
def test_digests_are_equal_exactly_when_the_settings_are(one, other):
    assert (digest(one.canonical()) == digest(other.canonical())) == (one == other)


@given(RECIPES)
def test_the_canonical_form_reads_back_as_the_same_settings(recipe):
    assert Recipe.model_validate(recipe.canonical(), strict=False) == recipe


@given(st.dictionaries(UNICODE, st.integers() | UNICODE | st.lists(UNICODE)))
def test_the_order_of_keys_does_not_change_a_digest(value):
    assert digest(shuffled(value)) == digest(value)


def test_a_digest_never_changes_between_releases():
    value = {"kind": "square", "min_side_px": 96, "name": "Krähe", "ratio": 1.5, "none": None}
    known = "33a57a01"
    assert digest(value)[:8] == known


def test_the_order_of_a_list_is_part_of_its_meaning():
    assert digest({"include": ["a", "b"]}) != digest({"include": ["b", "a"]})


@pytest.mark.parametrize("ratio", [float("inf"), float("-inf"), float("nan")])
def test_an_infinite_number_is_refused(ratio):
    with pytest.raises(ValidationError, match="finite number"):
        Recipe(ratio=ratio)


def test_a_section_can_not_be_changed_after_it_was_read():
    with pytest.raises(ValidationError, match="frozen"):
        Recipe().size_px = 3
