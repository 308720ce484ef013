import pytest
import torch

from wunderkammer.gan.augment.params import RealsAffine, RealsAugment, RealsBlur
from wunderkammer.gan.augment.reals import RealsAugmentation

P = torch.tensor(0.0)


def augmentation(**settings):
    return RealsAugmentation(RealsAugment(kind="reals", **settings))


def random_pictures(num=4, channels=3, side=16):
    random = torch.Generator().manual_seed(1)
    return torch.rand(num, channels, side, side, generator=random) * 2 - 1


def ramp(side=32):
    """Along x, 1 / 32 a pixel, 0 in the middle."""
    return ((torch.arange(side) - (side - 1) / 2) / 32).expand(1, 1, side, side).contiguous()


def test_it_is_for_reals_only():
    assert augmentation(mirror_h=0.5).reals_only


def test_flips_come_as_often_as_they_are_asked_for_and_are_exact(draws):
    pictures = random_pictures(1).expand(2000, -1, -1, -1)
    result = augmentation(mirror_h=0.3, mirror_v=0.6)(pictures, draws(2000), P)
    known = [pictures[0].flip(dims) for dims in ([], [-1], [-2], [-1, -2])]
    shares = [float((result == k).flatten(1).all(dim=1).float().mean()) for k in known]
    assert shares == pytest.approx([0.7 * 0.4, 0.3 * 0.4, 0.7 * 0.6, 0.3 * 0.6], abs=0.03)


def test_a_crop_of_a_quarter_of_each_edge_doubles_what_is_left(draws):
    result = augmentation(crop=(0.25, 0.25))(ramp(), draws(1), P)
    torch.testing.assert_close(result, ramp() / 2, atol=2e-3, rtol=0)


def test_edges_are_cropped_each_by_its_own_share(draws):
    result = augmentation(crop=(0.0, 0.4))(ramp().expand(50, -1, -1, -1), draws(50), P)
    left, right = result[:, 0, 16, 8], result[:, 0, 16, -9]
    assert (right - left).std() > 0.03  # the widths
    assert (right + left).std() > 0.03  # the middles


def test_a_zoom_of_two_halves_the_slope_and_a_shear_tilts_it(draws):
    zoomed = augmentation(affine=RealsAffine(scale=(2.0, 2.0)))(ramp(), draws(1), P)
    inner = (..., slice(8, -8), slice(8, -8))
    torch.testing.assert_close(zoomed[inner], (ramp() / 2)[inner], atol=2e-3, rtol=0)
    sheared = augmentation(affine=RealsAffine(shear_deg=30.0))(ramp().mT, draws(1), P)
    torch.testing.assert_close(sheared[inner], ramp().mT[inner], atol=5e-3, rtol=0)  # along x only
    tilted = augmentation(affine=RealsAffine(shear_deg=30.0))(ramp(), draws(1), P)
    assert float((tilted[0, 0, 20, 16] - tilted[0, 0, 12, 16]).abs()) > 0.01


def test_an_affine_map_comes_as_often_as_p_says_and_else_changes_no_bit(draws):
    pictures = random_pictures(1).expand(500, -1, -1, -1)
    affine = RealsAffine(p=0.8, scale=(0.8, 1.5), rotate_deg=5.0, shear_deg=5.0)
    result = augmentation(affine=affine)(pictures, draws(500), P)
    untouched = (result == pictures).flatten(1).all(dim=1).float().mean()
    assert float(untouched) == pytest.approx(0.2, abs=0.05)


def test_brightness_is_a_factor_on_the_light_and_white_is_the_end_of_it(told):
    grey = torch.tensor([-1.0, -0.5, 0.0, 0.5]).view(4, 1, 1, 1).expand(4, 3, 2, 2)
    result = augmentation(brightness=(0.8, 2.0))(grey, told(4, uniform=1.0), P)
    assert result[:, 0, 0, 0].tolist() == [-1.0, 0.0, 1.0, 1.0]


def test_a_blur_comes_as_often_as_p_says(draws):
    pictures = random_pictures(1).expand(500, -1, -1, -1)
    blurred = augmentation(blur=RealsBlur(p=0.3, sigma_px=(0.4, 0.5)))(pictures, draws(500), P)
    changed = (blurred != pictures).flatten(1).any(dim=1)
    assert float(changed.float().mean()) == pytest.approx(0.3, abs=0.06)
    assert float(blurred[changed].std()) < 0.9 * float(pictures.std())


def test_opacity_is_moved_but_neither_blurred_nor_lit(told):
    pictures = random_pictures(channels=4)
    lit = augmentation(brightness=(2.0, 2.0), blur=RealsBlur(sigma_px=(1.0, 1.0)))
    assert torch.equal(lit(pictures, told(4), P)[:, 3], pictures[:, 3])
    flipped = augmentation(mirror_h=1.0)(pictures, told(4), P)
    assert torch.equal(flipped, pictures.flip(-1))
