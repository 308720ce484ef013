from math import pi

import pytest
import torch

from wunderkammer.gan.augment.amounts import PARTS, Amounts, laws

EVERYTHING = frozenset(laws(1.0)) - set(sum(PARTS.values(), ())) | set(PARTS)
NUM = 4000


def amounts_of(draws, names=EVERYTHING, *, p=1.0, strength=1.0):
    return Amounts(frozenset(names), strength=strength)(draws(NUM), torch.tensor(p))


def test_at_p_0_every_amount_is_0(draws):
    assert not any(amount.any() for amount in amounts_of(draws, p=0.0).values())


def test_at_p_1_every_continuous_amount_is_drawn(draws):
    amounts = amounts_of(draws, ["zoom", "translation", "hue", "filter", "noise"])
    assert all(amount.all() for amount in amounts.values())


def test_a_gate_is_open_as_often_as_p_says_and_independently_of_another(draws):
    amounts = amounts_of(draws, p=0.3)
    zoom, noise = (amounts[name][:, 0] != 0 for name in ("zoom", "noise"))
    assert float(zoom.float().mean()) == pytest.approx(0.3, abs=0.03)
    assert float((zoom & noise).float().mean()) == pytest.approx(0.09, abs=0.02)


def test_two_turns_together_are_as_likely_as_p_says(draws):
    amounts = amounts_of(draws, ["rotation"], p=0.4)
    turned = (amounts["rotation_before"] != 0) | (amounts["rotation_after"] != 0)
    assert float(turned.float().mean()) == pytest.approx(0.4, abs=0.03)


def test_both_directions_of_a_shift_share_a_gate(draws):
    shift = amounts_of(draws, ["translation"], p=0.5)["translation"]
    assert torch.equal(shift[:, 0] != 0, shift[:, 1] != 0)
    assert not torch.equal(shift[:, 0], shift[:, 1])


def test_a_shift_along_one_axis_has_none_along_the_other(draws):
    amounts = amounts_of(draws, ["translation_x", "translation_y"])
    assert not amounts["translation_x"][:, 1].any()
    assert not amounts["translation_y"][:, 0].any()
    assert amounts["translation_y"][:, 1].all()


@pytest.mark.parametrize(
    ("name", "spread"),
    [
        ("zoom", 0.2),
        ("stretch", 0.2),
        ("translation", 0.125),
        ("brightness", 0.2),
        ("contrast", 0.5),
        ("saturation", 1.0),
        ("band_3", 1.0),
        ("noise", 0.1),
    ],
)
@pytest.mark.parametrize("strength", [1.0, 0.5])
def test_normal_amounts_have_the_papers_spread_times_the_strength(draws, name, spread, strength):
    amount = amounts_of(draws, strength=strength)[name]
    assert float(amount.mean()) == pytest.approx(0.0, abs=0.06 * spread)
    assert float(amount.std()) == pytest.approx(spread * strength, rel=0.05)


@pytest.mark.parametrize(
    ("name", "reach"),
    [("translation_px", 0.125), ("rotation_before", pi), ("rotation_after", pi), ("hue", pi)],
)
def test_uniform_amounts_fill_the_papers_range(draws, name, reach):
    amount = amounts_of(draws)[name]
    assert reach * 0.99 < float(amount.max()) <= reach
    assert -reach <= float(amount.min()) < -reach * 0.99
    assert float(amount.std()) == pytest.approx(reach / 3**0.5, rel=0.03)


@pytest.mark.parametrize(
    ("name", "levels"), [("mirror_h", 2), ("mirror_v", 2), ("rotation_90", 4), ("luma_flip", 2)]
)
def test_choices_are_equally_likely(draws, name, levels):
    counts = torch.bincount(amounts_of(draws)[name][:, 0].long(), minlength=levels)
    assert len(counts) == levels
    assert (counts / NUM - 1 / levels).abs().max() < 0.03


def test_a_cutout_keeps_its_place_and_only_its_size_follows_the_strength(draws):
    whole, small = (amounts_of(draws, ["cutout"], strength=s)["cutout"] for s in (1.0, 0.5))
    assert torch.equal(whole[:, 0], torch.full((NUM,), 0.5))
    assert torch.equal(small[:, 0], torch.full((NUM,), 0.25))
    assert torch.equal(whole[:, 1:], small[:, 1:])
    assert float(whole[:, 1:].abs().max()) == pytest.approx(0.5, abs=0.01)


def test_rows_of_a_batch_get_the_amounts_that_they_have_in_the_whole(draws):
    module, p = Amounts(EVERYTHING, strength=1.0), torch.tensor(0.5)
    whole = module(draws(8), p)
    for name, part in module(draws(8, slice(3, 8)), p).items():
        assert torch.equal(part, whole[name][3:])
