import pytest
import torch
from torch.autograd import gradgradcheck

from wunderkammer.gan.augment.diffaugment import DiffAugmentation

P = torch.tensor(0.0)


def random_pictures(num=4, channels=3, side=16, dtype=torch.float32):
    random = torch.Generator().manual_seed(1)
    return torch.rand(num, channels, side, side, generator=random, dtype=dtype) * 2 - 1


def test_colours_in_the_middle_of_their_ranges_change_nothing(told):
    pictures = random_pictures()
    result = DiffAugmentation({"color"}, channels=3)(pictures, told(4, uniform=0.5), P)
    torch.testing.assert_close(result, pictures)


def test_colours_at_the_lower_ends_are_darker_half_as_rich_in_contrast_and_grey(told):
    pictures = random_pictures()
    result = DiffAugmentation({"color"}, channels=3)(pictures, told(4, uniform=0.0), P)
    mean = pictures.mean(dim=(1, 2, 3), keepdim=True)
    expected = (pictures.mean(dim=1, keepdim=True) - mean) / 2 + mean - 0.5
    torch.testing.assert_close(result, expected.expand_as(pictures))


def test_a_translation_is_by_whole_pixels_up_to_an_eighth_and_lets_0_in(draws):
    pictures = random_pictures(200) + 2.0
    result = DiffAugmentation({"translation"}, channels=3)(pictures, draws(200), P)
    seen = set()
    for picture, shifted in zip(pictures, result, strict=True):
        found = [
            (x, y)
            for x in range(-2, 3)
            for y in range(-2, 3)
            if torch.equal(
                shifted[:, max(y, 0) : 16 + y, max(x, 0) : 16 + x],
                picture[:, max(-y, 0) : 16 - y, max(-x, 0) : 16 - x],
            )
        ]
        (x, y), uncovered = found[0], 256 - (16 - abs(found[0][0])) * (16 - abs(found[0][1]))
        assert int((shifted == 0).sum()) == 3 * uncovered
        seen.add((x, y))
    assert len(seen) == 25


def test_a_cutout_is_a_square_of_half_the_side_cut_off_at_the_edges(draws):
    result = DiffAugmentation({"cutout"}, channels=1)(torch.ones(100, 1, 16, 16), draws(100), P)
    sizes = (result == 0).flatten(1).sum(dim=1)
    assert sizes.max() == 64
    assert sizes.min() >= 16


def test_every_picture_changes_whatever_p_is(draws):
    pictures = random_pictures(8)
    module = DiffAugmentation(("color", "translation", "cutout"), channels=3)
    result = module(pictures, draws(8), P)
    assert (result != pictures).flatten(1).any(dim=1).all()
    assert torch.equal(result, module(pictures, draws(8), torch.tensor(1.0)))
    assert not module.reals_only


def test_opacity_keeps_its_value(draws):
    pictures = random_pictures(channels=4)
    result = DiffAugmentation({"color"}, channels=4)(pictures, draws(4), P)
    assert torch.equal(result[:, 3], pictures[:, 3])
    assert not torch.equal(result[:, :3], pictures[:, :3])


def test_samples_do_not_depend_on_how_a_batch_is_split(draws):
    pictures = random_pictures(6)
    module = DiffAugmentation(("color", "translation", "cutout"), channels=3)
    whole = module(pictures, draws(6), P)
    parts = [module(pictures[rows], draws(6, rows), P) for rows in (slice(0, 2), slice(2, 6))]
    torch.testing.assert_close(torch.cat(parts), whole)


@pytest.mark.parametrize("channels", [1, 3])
def test_second_derivatives_are_right(draws, channels, in_order):
    module = DiffAugmentation(("color", "translation", "cutout"), channels=channels)
    pictures = random_pictures(2, channels, side=4, dtype=torch.float64).requires_grad_()
    assert gradgradcheck(lambda x: module(x, draws(2), P).pow(3), (pictures,))
