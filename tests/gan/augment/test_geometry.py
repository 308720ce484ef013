from math import cos, pi, sin

import pytest
import torch

from wunderkammer.gan.augment.amounts import Amounts, laws
from wunderkammer.gan.augment.geometry import MOVES, apply, inverse_of_moves, is_identity

SIDE = 40
MIRRORS = {"mirror_h", "mirror_v"}


def inverse(**amounts):
    rows = {name: torch.tensor([a], dtype=torch.float64) for name, a in amounts.items()}
    return inverse_of_moves(rows, side_px=SIDE)[0]


def origin_of(point, **amounts):
    x, y, one = (inverse(**amounts) @ torch.tensor([*point, 1.0], dtype=torch.float64)).tolist()
    assert one == 1.0
    return x, y


@pytest.mark.parametrize(
    ("amounts", "image_of_3_5"),
    [
        ({"mirror_h": (1.0,)}, (-3.0, 5.0)),
        ({"mirror_v": (1.0,)}, (3.0, -5.0)),
        ({"rotation_90": (0.0,)}, (3.0, 5.0)),
        ({"rotation_90": (1.0,)}, (-5.0, 3.0)),
        ({"rotation_90": (2.0,)}, (-3.0, -5.0)),
        ({"rotation_90": (3.0,)}, (5.0, -3.0)),
        ({"translation_px": (0.11, -0.06)}, (7.0, 3.0)),
        ({"zoom": (1.0,)}, (6.0, 10.0)),
        ({"stretch": (1.0,)}, (6.0, 2.5)),
        ({"rotation_before": (pi / 2,)}, (-5.0, 3.0)),
        ({"rotation_after": (0.3,)}, (3 * cos(0.3) - 5 * sin(0.3), 3 * sin(0.3) + 5 * cos(0.3))),
        ({"translation": (0.11, -0.06)}, (7.4, 2.6)),
        ({"translation_x": (0.1, 0.0)}, (7.0, 5.0)),
        ({"translation_y": (0.0, 0.1)}, (3.0, 9.0)),
    ],
)
def test_each_move_takes_a_point_where_its_name_says(amounts, image_of_3_5):
    assert origin_of(image_of_3_5, **amounts) == pytest.approx((3.0, 5.0), abs=1e-12)


def test_moves_are_applied_in_the_order_in_which_they_stand():
    zoomed_then_shifted = (2 * 3.0 + 4.0, 2 * 5.0)
    assert origin_of(zoomed_then_shifted, zoom=(1.0,), translation=(0.1, 0.0)) == (3.0, 5.0)
    turned_then_shifted = (-5.0 + 4.0, 3.0)
    assert origin_of(turned_then_shifted, rotation_90=(1.0,), translation_px=(0.1, 0.0)) == (
        3.0,
        5.0,
    )


def test_the_order_is_the_papers(draws):
    drawn = Amounts(frozenset(MOVES), strength=1.0)
    assert [gate for gate in drawn.gates if gate in MOVES] == [
        *("mirror_h", "mirror_v", "rotation_90", "translation_px"),
        *("zoom", "rotation_before", "stretch", "rotation_after"),
        *("translation", "translation_x", "translation_y"),
    ]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_neutral_amounts_are_exactly_the_identity(dtype):
    rows = {name: torch.zeros(2, len(laws(1.0)[name]), dtype=dtype) for name in laws(1.0)}
    identity = inverse_of_moves(rows, side_px=SIDE)
    assert torch.equal(identity, torch.eye(3, dtype=dtype).expand(2, 3, 3))
    assert is_identity(identity).tolist() == [True, True]


def test_one_sample_that_moves_does_not_make_another_move():
    rows = {"zoom": torch.tensor([[0.0], [0.1]]), "rotation_before": torch.zeros(2, 1)}
    assert is_identity(inverse_of_moves(rows, side_px=SIDE)).tolist() == [True, False]


@pytest.mark.parametrize("allowed", [True, False])
def test_nothing_but_the_flips_turns_a_picture_into_its_mirror_image(draws, allowed):
    names = MOVES - {"rotation_before", "rotation_after"} | {"rotation"}
    drawn = Amounts(frozenset(names if allowed else names - MIRRORS), strength=1.0)
    amounts = drawn(draws(500), torch.tensor(1.0))
    determinants = torch.linalg.det(inverse_of_moves(amounts, side_px=SIDE))
    assert bool((determinants < 0).any()) == allowed


def test_apply_is_the_matrix_on_every_point():
    matrix = inverse(rotation_before=(0.3,), zoom=(0.2,), translation=(0.1, 0.2))
    axis = torch.tensor([-1.0, 0.5, 4.0], dtype=torch.float64)
    places = apply(matrix[None], axis)[0]
    for row, y in enumerate(axis):
        for column, x in enumerate(axis):
            expected = (matrix @ torch.stack([x, y, torch.ones_like(x)]))[:2]
            torch.testing.assert_close(places[row, column], expected)
