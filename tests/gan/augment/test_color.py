from math import pi, sqrt

import pytest
import torch
from torch.autograd import gradgradcheck

from wunderkammer.gan.augment.color import recolor

DOUBLE = torch.float64


def random_pictures(num=2, channels=3):
    random = torch.Generator().manual_seed(0)
    return torch.rand(num, channels, 4, 4, generator=random, dtype=DOUBLE) * 2 - 1


def recolored(pictures, **amounts):
    rows = {name: torch.full((len(pictures), 1), a, dtype=DOUBLE) for name, a in amounts.items()}
    return recolor(pictures, rows)


def luma(pictures):
    return pictures.mean(dim=1, keepdim=True)


def test_brightness_adds():
    pictures = random_pictures()
    torch.testing.assert_close(recolored(pictures, brightness=0.3), pictures + 0.3)


def test_contrast_is_a_factor_in_octaves():
    pictures = random_pictures()
    torch.testing.assert_close(recolored(pictures, contrast=-1.0), pictures / 2)


def test_a_luma_flip_negates_the_mean_of_the_colours_and_keeps_their_differences():
    pictures = random_pictures()
    flipped = recolored(pictures, luma_flip=1.0)
    torch.testing.assert_close(luma(flipped), -luma(pictures))
    torch.testing.assert_close(flipped - luma(flipped), pictures - luma(pictures))


def test_hue_keeps_luma_and_the_length_of_a_colour():
    pictures = random_pictures()
    turned = recolored(pictures, hue=0.7)
    torch.testing.assert_close(luma(turned), luma(pictures))
    torch.testing.assert_close(turned.norm(dim=1), pictures.norm(dim=1))
    assert (turned - pictures).abs().max() > 0.1


def test_a_third_of_a_hue_turn_takes_red_to_green_green_to_blue_and_blue_to_red():
    pictures = random_pictures()
    torch.testing.assert_close(recolored(pictures, hue=2 * pi / 3), pictures.roll(1, dims=1))


def test_saturation_scales_the_distance_from_grey_down_to_grey():
    pictures = random_pictures()
    doubled = recolored(pictures, saturation=1.0)
    torch.testing.assert_close(doubled - luma(pictures), 2 * (pictures - luma(pictures)))
    torch.testing.assert_close(
        recolored(pictures, saturation=-200.0), luma(pictures).expand_as(pictures)
    )


def test_all_together_are_the_papers_matrices_in_its_order():
    b, c, theta, s = 0.2, 0.5, 1.1, -0.6
    v = torch.tensor([1.0, 1.0, 1.0, 0.0], dtype=DOUBLE) / sqrt(3.0)
    identity, along = torch.eye(4, dtype=DOUBLE), torch.outer(v, v)
    shift, scale, cross = identity.clone(), identity * 2**c, torch.zeros(4, 4, dtype=DOUBLE)
    shift[:3, 3], scale[3, 3] = b, 1.0
    cross[:3, :3] = torch.linalg.cross(v[None, :3], torch.eye(3, dtype=DOUBLE), dim=1).mT
    turn = torch.linalg.matrix_exp(theta * cross)
    matrix = (along + (identity - along) * 2**s) @ turn @ (identity - 2 * along) @ scale @ shift
    pictures = random_pictures()
    expected = torch.einsum("ij,njhw->nihw", matrix[:3, :3], pictures) + matrix[:3, 3:, None]
    result = recolored(pictures, brightness=b, contrast=c, luma_flip=1.0, hue=theta, saturation=s)
    torch.testing.assert_close(result, expected)


def test_one_channel_changes_as_a_grey_of_three_does():
    grey = random_pictures(channels=1)
    amounts = {"brightness": 0.1, "contrast": 0.4, "luma_flip": 1.0}
    three = recolored(grey.expand(-1, 3, -1, -1), **amounts)
    torch.testing.assert_close(recolored(grey, **amounts).expand_as(three), three)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("dtype", [torch.float32, DOUBLE])
def test_neutral_amounts_change_no_bit(channels, dtype):
    pictures = random_pictures(channels=channels).to(dtype)
    names = ("brightness", "contrast", "luma_flip", "hue", "saturation")
    assert torch.equal(recolored(pictures, **dict.fromkeys(names, 0.0)), pictures)


def test_each_sample_has_amounts_of_its_own():
    pictures = random_pictures()
    result = recolor(pictures, {"brightness": torch.tensor([[0.0], [0.5]], dtype=DOUBLE)})
    torch.testing.assert_close(
        result - pictures,
        torch.tensor([0.0, 0.5], dtype=DOUBLE).view(2, 1, 1, 1).expand_as(pictures),
    )


def test_second_derivatives_are_right():
    pictures = random_pictures(num=1)[..., :2, :2].clone().requires_grad_()
    amounts = {"hue": torch.tensor([[0.5]]), "contrast": torch.tensor([[0.3]])}
    assert gradgradcheck(lambda x: recolor(x, amounts).pow(3), (pictures,))
