import pytest
import torch

from wunderkammer.gan.training.diversity import diversity


def test_the_diversity_of_two_images_is_the_root_mean_square_of_their_difference():
    images = torch.stack([torch.zeros(3, 4, 4), torch.full((3, 4, 4), 0.5)])
    assert float(diversity(images)) == pytest.approx(0.5)


def test_the_diversity_is_the_mean_over_all_pairs():
    images = torch.tensor([0.0, 1.0, 3.0])[:, None, None, None].expand(3, 1, 2, 2)
    assert float(diversity(images)) == pytest.approx((1 + 2 + 3) / 3)


def test_one_image_many_times_has_no_diversity():
    image = torch.randn(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    assert float(diversity(image.expand(10, -1, -1, -1))) == 0.0


def test_sixteen_bit_images_are_measured_in_thirty_two():
    images = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(0)).bfloat16()
    assert diversity(images).dtype == torch.float32
    assert float(diversity(images)) == pytest.approx(2**0.5, rel=0.15)


def test_a_single_image_is_refused():
    with pytest.raises(ValueError, match="1 images have no distance"):
        diversity(torch.zeros(1, 3, 4, 4))
