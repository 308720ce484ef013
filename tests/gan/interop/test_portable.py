import errno
import hashlib
import json
import struct
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from wunderkammer.gan.interop.errors import PortableFileError, UnwritableFileError
from wunderkammer.gan.interop.portable import (
    KEY,
    Portable,
    expected_tensors,
    read_portable,
    write_portable,
)
from wunderkammer.gan.networks.build import build_networks
from wunderkammer.gan.networks.params import DcganNetwork


@pytest.fixture
def portable(tiny_networks):
    params = tiny_networks()
    generator, discriminator = build_networks(params)
    parts = {"average": generator, "discriminator": discriminator}
    tensors = {
        f"{prefix}.{name}": tensor
        for prefix, network in parts.items()
        for name, tensor in network.state_dict().items()
    }
    return Portable(params, tensors, {"from": "a test"})


@pytest.fixture
def file(portable, tmp_path):
    write_portable(tmp_path / "x.safetensors", portable)
    return tmp_path / "x.safetensors"


def rewritten(file, *, header=None, **tensors):
    """The file with its header's text or some tensors replaced (None: removed)."""
    (length,) = struct.unpack("<Q", file.read_bytes()[:8])
    text = json.loads(file.read_bytes()[8 : 8 + length])["__metadata__"][KEY]
    whole = {k: v for k, v in {**load_file(file), **tensors}.items() if v is not None}
    save_file(whole, file, metadata={KEY: text if header is None else header(text)})
    return file


def test_a_failure_to_write_names_the_file_asked_for_and_leaves_none(
    portable, tmp_path, monkeypatch
):
    def fill(part, content):
        part.touch()
        raise OSError(errno.ENOSPC, "No space left on device", str(part))

    monkeypatch.setattr(Path, "write_bytes", fill)
    with pytest.raises(UnwritableFileError) as caught:
        write_portable(tmp_path / "x.safetensors", portable)
    assert str(tmp_path / "x.safetensors") in str(caught.value)
    assert "No space left on device" in str(caught.value)
    assert ".part" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_what_is_written_is_read_back(portable, tmp_path):
    file = tmp_path / "x.safetensors"
    sha256 = write_portable(file, portable)
    found = read_portable(file, sha256=sha256)
    assert found.networks == portable.networks
    assert found.provenance == {"from": "a test"}
    assert found.sha256 == sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    assert found.tensors.keys() == portable.tensors.keys()
    for name, tensor in portable.tensors.items():
        torch.testing.assert_close(found.tensors[name], tensor, rtol=0, atol=0)


def test_a_network_of_it_can_be_loaded(portable):
    generator, discriminator = build_networks(portable.networks)
    generator.load_state_dict(portable.network("average"))
    discriminator.load_state_dict(portable.network("discriminator"))
    assert portable.network("generator") == {}


def test_networks_of_another_family_are_written_too(tmp_path):
    params = DcganNetwork(
        resolution_px=16, channels=1, z_dim=4, layout="sane", channel_base=64, channel_max=8
    )
    generator, _ = build_networks(params)
    tensors = {f"average.{name}": tensor for name, tensor in generator.state_dict().items()}
    write_portable(tmp_path / "x.safetensors", Portable(params, tensors))
    assert read_portable(tmp_path / "x.safetensors").networks == params


def test_nothing_but_the_file_is_left(file):
    assert list(file.parent.iterdir()) == [file]


def test_another_hash_is_refused(file):
    with pytest.raises(PortableFileError, match=r"hashes to .*, not to 00"):
        read_portable(file, sha256="0" * 64)


def test_a_file_that_is_not_safetensors_is_refused(tmp_path):
    for content in (b"", b"not at all", bytes(100), b"\xff" * 8):
        (tmp_path / "x").write_bytes(content)
        with pytest.raises(PortableFileError, match="not a portable checkpoint"):
            read_portable(tmp_path / "x")


def test_a_file_of_tensors_alone_is_refused(tmp_path):
    save_file({"a": torch.zeros(1)}, tmp_path / "x")
    with pytest.raises(PortableFileError, match="no key 'wunderkammer'"):
        read_portable(tmp_path / "x")


def test_a_file_that_is_cut_off_is_refused(file):
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(PortableFileError, match=r"x\.safetensors"):
        read_portable(file)


def test_a_later_format_is_refused(file):
    rewritten(file, header=lambda text: text.replace('"format":1', '"format":2'))
    with pytest.raises(PortableFileError, match="format 2; this version reads format 1"):
        read_portable(file)


def test_settings_that_are_unknown_are_refused(file):
    rewritten(file, header=lambda text: text.replace('"z_dim"', '"zz_dim"'))
    with pytest.raises(PortableFileError, match="zz_dim"):
        read_portable(file)


@pytest.mark.parametrize(
    ("tensors", "reason"),
    [
        ({"average.mapping.average": None}, r"mapping\.average has shape None, expected \(12,\)"),
        ({"average.mapping.average": torch.zeros(3)}, r"shape \(3,\), expected \(12,\)"),
        ({"average.more": torch.zeros(3)}, r"shape \(3,\), expected None"),
        ({"adam.x": torch.zeros(3)}, r"has tensors of \['adam', 'average', 'discriminator'\]"),
    ],
)
def test_tensors_that_are_not_those_of_the_networks_are_refused(file, tensors, reason):
    rewritten(file, **tensors)
    with pytest.raises(PortableFileError, match=reason):
        read_portable(file)


def test_a_checkpoint_without_its_average_is_not_written(portable, tmp_path):
    tensors = {k: v for k, v in portable.tensors.items() if k.startswith("discriminator")}
    with pytest.raises(PortableFileError, match="'average' is needed"):
        write_portable(tmp_path / "x", Portable(portable.networks, tensors))
    assert list(tmp_path.iterdir()) == []


def test_expected_tensors_take_no_memory(tiny_networks):
    huge = tiny_networks(channel_base=2**20, channel_max=2**15)
    assert expected_tensors(huge, "average")["synthesis.const"].device.type == "meta"
