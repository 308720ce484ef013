"""The network with random weights under the real names, through the real way of loading."""

import hashlib

import numpy as np
import pytest
import torch

from wunderkammer.gan.evaluation.inception import (
    SIDE_PX,
    InceptionFileError,
    _sampled,
    inception_network,
    load_inception,
)


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_network_has_the_names_of_the_published_file():
    names = set(inception_network().state_dict())
    assert len(names) == 566
    assert {"Conv2d_1a_3x3.conv.weight", "Mixed_6e.branch7x7dbl_5.bn.running_var", "fc.bias"} <= (
        names
    )
    assert inception_network().fc.weight.shape == (1008, 2048)


def test_pictures_of_any_size_get_their_2048_numbers(inception_file):
    network = load_inception(
        inception_file, resize="tensorflow", sha256_prefix=sha256(inception_file)[:8]
    )
    images = torch.randint(0, 256, (2, 3, 32, 32), generator=torch.Generator().manual_seed(1))
    found = network(images.byte())
    assert found.shape == (2, 2048)
    assert found.isfinite().all()
    assert (found[0] != found[1]).any()
    torch.testing.assert_close(network(images.byte()), found)
    assert not network.training


def test_the_blocks_pool_over_the_pictures_own_pixels_and_the_last_one_takes_the_largest():
    network = inception_network().to_empty(device="cpu")
    ones = torch.ones(1, 192, 4, 4)
    torch.testing.assert_close(network.Mixed_5b._pool(ones), ones)
    ramp = torch.arange(16.0).reshape(1, 1, 4, 4)
    assert network.Mixed_7b._pool(ramp)[0, 0, 0, 0] == (0 + 1 + 4 + 5) / 4
    assert network.Mixed_7c._pool(ramp)[0, 0, 0, 0] == 5


def test_a_file_that_is_not_there_is_named_with_what_to_do(tmp_path):
    with pytest.raises(InceptionFileError, match=r"no file .*missing\.pth.*leave it out"):
        load_inception(tmp_path / "missing.pth", resize="tensorflow")


def test_another_file_is_refused_by_its_hash_before_it_is_read(tmp_path):
    path = tmp_path / "other.pth"
    path.write_bytes(b"cos\nsystem\n(S'exit 1'\ntR.")
    with pytest.raises(InceptionFileError, match=rf"{sha256(path)}, it must begin with 6726825d"):
        load_inception(path, resize="tensorflow")


def test_a_file_that_would_run_code_is_refused_though_its_hash_be_right(tmp_path):
    path = tmp_path / "hostile.pth"
    torch.save({"fc.bias": pytest.raises}, path)
    with pytest.raises(Exception, match="Weights only load failed"):
        load_inception(path, resize="tensorflow", sha256_prefix=sha256(path)[:8])


@pytest.mark.parametrize(
    ("tensors", "message"),
    [({}, r"Missing key.*fc\.bias"), ({"fc.scale": torch.ones(1)}, r"Unexpected key.*fc\.scale")],
)
def test_names_that_are_missing_or_too_many_are_refused(tmp_path, tensors, message):
    path = tmp_path / "strange.pth"
    torch.save(tensors, path)
    with pytest.raises(RuntimeError, match=message):
        load_inception(path, resize="tensorflow", sha256_prefix=sha256(path)[:8])


def test_tensorflow_samples_at_whole_multiples_of_the_step():
    ramp = torch.arange(4.0).reshape(1, 1, 1, 4)
    found = _sampled(ramp, axis=3)[0, 0, 0]
    expected = np.minimum(np.arange(SIDE_PX) * 4 / SIDE_PX, 3)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    torch.testing.assert_close(_sampled(ramp.transpose(2, 3), axis=2)[0, 0, :, 0], found)


def test_the_two_ways_of_resizing_differ_where_a_picture_is_made_smaller(inception_file):
    lines = torch.zeros(1, 3, 2 * SIDE_PX, 2 * SIDE_PX, dtype=torch.uint8)
    lines[..., ::2] = 255
    prefix = sha256(inception_file)[:8]
    seen = {}
    for resize in ("tensorflow", "antialias"):
        network = load_inception(inception_file, resize=resize, sha256_prefix=prefix)
        network.network = torch.nn.Identity()
        seen[resize] = network(lines)
    assert seen["tensorflow"].min() == (255 - 128) / 128, "every second column is all it sees"
    torch.testing.assert_close(
        seen["antialias"].mean(), torch.tensor(-0.5 / 128), atol=0.01, rtol=0
    )
