import pytest
import torch
from torch.autograd import gradgradcheck

from wunderkammer.gan.augment.color import NAMES as COLORS
from wunderkammer.gan.augment.geometry import BLITS
from wunderkammer.gan.augment.params import PRESETS, AdaAugment, transform_names
from wunderkammer.gan.augment.pipeline import AdaPipeline

ALWAYS, NEVER = torch.tensor(1.0), torch.tensor(0.0)


def pipeline(transforms="bgcfnc", *, channels=3, mirror=True, strength=1.0):
    names = transform_names(AdaAugment(kind="ada", transforms=transforms), mirror=mirror)
    return AdaPipeline(names, channels=channels, strength=strength)


def random_pictures(num=4, channels=3, side=8, dtype=torch.float32):
    random = torch.Generator().manual_seed(1)
    return torch.rand(num, channels, side, side, generator=random, dtype=dtype) * 2 - 1


def is_untouched(result, pictures):
    return (result == pictures).flatten(1).all(dim=1)


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("transforms", ["blit", "geom", "bgcfnc"])
def test_at_p_0_no_bit_changes(draws, transforms, channels):
    pictures = random_pictures(channels=channels)
    result = pipeline(transforms, channels=channels)(pictures, draws(4), NEVER)
    assert torch.equal(result, pictures)


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("transforms", [*PRESETS, "blit", "color", "noise", ("zoom", "hue")])
def test_at_p_1_every_picture_changes_and_keeps_its_shape(draws, transforms, channels):
    pictures = random_pictures(channels=channels)
    result = pipeline(transforms, channels=channels)(pictures, draws(4), ALWAYS)
    assert result.shape == pictures.shape
    assert result.isfinite().all()
    assert not is_untouched(result, pictures).all()


def test_below_p_1_a_picture_is_left_alone_as_often_as_all_gates_are_shut(draws):
    """The condition for what is seen not to leak into what is generated."""
    pictures = random_pictures(1).expand(4000, -1, -1, -1)
    result = pipeline(("noise", "cutout"))(pictures, draws(4000), torch.tensor(0.6))
    share = is_untouched(result, pictures).float().mean()
    assert float(share) == pytest.approx(0.4**2, abs=0.02)


def test_a_cutout_comes_last_and_is_0_whatever_came_before(told):
    result = pipeline("bgcfnc")(random_pictures(), told(4, uniform=0.5, normal=0.7), ALWAYS)
    assert not result[..., 2:6, 2:6].any()
    assert result[..., :2, :].abs().min() > 0


def test_noise_comes_after_the_colours(draws):
    """Else a contrast of 2^-20 would take it away."""
    flat = torch.zeros(1, 3, 8, 8)
    module = pipeline(("contrast", "noise"))
    module.amounts.constant[0] = -20.0
    assert module(flat, draws(1), ALWAYS).abs().max() > 1e-3


def test_samples_do_not_depend_on_how_a_batch_is_split(draws):
    module, pictures, p = pipeline(), random_pictures(8, side=16), torch.tensor(0.7)
    whole = module(pictures, draws(8), p)
    parts = [slice(0, 3), slice(3, 4), slice(4, 8)]
    split = [module(pictures[rows], draws(8, rows), p) for rows in parts]
    torch.testing.assert_close(torch.cat(split), whole, atol=1e-5, rtol=1e-5)


def test_the_same_stream_gives_the_same_pictures_and_gradients(draws, in_order):
    module, p = pipeline(), torch.tensor(0.7)

    def run():
        pictures = random_pictures(side=16).requires_grad_()
        score = module(pictures, draws(4), p).pow(3).sum()
        (gradient,) = torch.autograd.grad(score, pictures, create_graph=True)
        return torch.autograd.grad(gradient.square().sum(), pictures)[0]

    assert torch.equal(run(), run())


@pytest.mark.parametrize("channels", [1, 4])
def test_a_penalty_on_gradients_through_everything_has_right_derivatives(draws, channels):
    module, p = pipeline(channels=channels), torch.tensor(0.7)
    pictures = random_pictures(1, channels, side=4, dtype=torch.float64).requires_grad_()
    assert gradgradcheck(lambda x: module(x, draws(1), p).pow(3), (pictures,))


def test_opacity_moves_with_the_colours_and_keeps_its_value(draws):
    grey = random_pictures(4, 1).expand(-1, 4, -1, -1)
    moved = pipeline("bg", channels=4)(grey, draws(4), ALWAYS)
    torch.testing.assert_close(moved[:, 3], moved[:, 0])
    result = pipeline(("color", "filter", "noise"), channels=4)(grey, draws(4), ALWAYS)
    assert torch.equal(result[:, 3], grey[:, 3])
    assert not torch.equal(result[:, 0], grey[:, 0])
    cut = pipeline("cutout", channels=4)(torch.ones(4, 4, 8, 8), draws(4), ALWAYS)
    assert torch.equal(cut[:, 3], cut[:, 0])


def test_a_strength_makes_every_move_smaller(draws):
    pictures = random_pictures(64, side=16)

    def change(strength):
        result = pipeline(("translation", "brightness"), strength=strength)
        return float((result(pictures, draws(64), ALWAYS) - pictures).abs().mean())

    assert change(0.01) < change(0.1) < change(1.0)


@pytest.mark.parametrize("mirror", [True, False])
def test_a_letter_is_never_shown_as_its_mirror_image_unless_that_is_allowed(draws, mirror):
    letter = torch.zeros(8, 8)
    letter[1:7, 2] = letter[1, 2:6] = letter[3, 2:5] = 1.0  # an F
    module = pipeline(("blit",), mirror=mirror)
    module.amounts.reach[:] = 0.0  # no shifts: a reflection at an edge is not of the letter
    shown = module(letter.expand(200, 1, 8, 8), draws(200), ALWAYS)[:, 0]
    turned = [letter.rot90(k) for k in range(4)]
    mirrored = [letter.flip(1).rot90(k) for k in range(4)]
    assert all(any(torch.equal(one, known) for known in turned + mirrored) for one in shown)
    assert any(torch.equal(one, known) for one in shown for known in mirrored) == mirror


def test_nothing_is_read_back_from_the_device(draws, monkeypatch):
    module, pictures, p = pipeline(), random_pictures(), torch.tensor(0.5)
    module(pictures, draws(4), p)  # what is made once and kept

    def refuse(self, *args):
        raise AssertionError("a tensor was read")

    for name in ("item", "tolist", "numpy", "__bool__", "__float__", "__int__", "__index__"):
        monkeypatch.setattr(torch.Tensor, name, refuse)
    module(pictures, draws(4), p)


def test_whole_pixels_alone_are_not_resampled(draws):
    pictures = random_pictures(32)
    result = pipeline("blit")(pictures, draws(32), ALWAYS)
    assert set(result.flatten().tolist()) <= set(pictures.flatten().tolist())


def test_colours_that_a_grey_picture_does_not_have_are_refused():
    with pytest.raises(ValueError, match="hue, saturation do nothing to a picture of 1 channel"):
        pipeline(("hue", "saturation"), channels=1)


def test_the_groups_know_their_gates():
    gates = set(pipeline("bgc").amounts.gates)
    assert gates > COLORS
    assert gates > BLITS - {"mirror_v"}
