import io

import numpy as np
import pytest
from PIL import Image

from wunderkammer.gan.networks.stylegan2_generator import StyleGan2Generator
from wunderkammer.gan.training.grid import draw_grid, encode_grid, grid_latents, tile


@pytest.mark.parametrize(("side", "channels"), [(8, 3), (32, 1), (128, 3)])
def test_a_sheet_shows_every_latent_at_a_size_that_can_be_seen(side, channels, tiny_networks):
    generator = StyleGan2Generator(tiny_networks(side, channels))
    latents = grid_latents(generator, seed=0)
    sheet = draw_grid(generator, latents)
    assert sheet.shape == (384, 640, 3)
    assert len(latents) == 15 if side == 128 else 60


def test_a_sheet_of_large_pictures_is_no_larger(tiny_networks):
    images = np.zeros((15, 3, 512, 512), np.uint8)
    assert tile(images).shape == (384, 640, 3)


def test_tiles_go_row_by_row_and_the_rest_stays_black():
    images = np.stack([np.full((3, 64, 64), 10 * n, np.uint8) for n in range(1, 5)])
    sheet = tile(images)
    assert sheet[::64, ::64, 0].tolist() == [[10, 20, 30], [40, 0, 0]]


def test_the_same_seed_gives_the_same_latents(tiny_networks):
    generator = StyleGan2Generator(tiny_networks(8))
    first, again, other = (grid_latents(generator, seed=seed) for seed in (3, 3, 4))
    assert first.equal(again)
    assert not first.equal(other)


def test_even_noise_becomes_a_jpeg_of_at_most_200_kb():
    noise = np.random.default_rng(0).integers(0, 256, (1200, 2000, 3), np.uint8)
    content = encode_grid(noise)
    assert len(content) <= 200_000
    assert Image.open(io.BytesIO(content)).format == "JPEG"
