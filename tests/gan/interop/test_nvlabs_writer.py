import pickletools

import pytest
import torch

from wunderkammer.gan.interop.errors import UnsupportedNetworkError
from wunderkammer.gan.interop.nvlabs import convert
from wunderkammer.gan.interop.nvlabs_writer import REBUILD, write_nvlabs_pickle
from wunderkammer.gan.interop.pickle_reader import read_nvlabs_pickle
from wunderkammer.gan.interop.portable import Portable
from wunderkammer.gan.networks.build import build_networks
from wunderkammer.gan.networks.params import DcganNetwork


def portable_of(params, *prefixes):
    generator, discriminator = build_networks(params)
    tensors = {}
    for prefix in prefixes:
        network = discriminator if prefix == "discriminator" else generator
        tensors |= {f"{prefix}.{name}": t.clone() for name, t in network.state_dict().items()}
    return Portable(params, tensors)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"num_labels": 3, "num_label_layers": 2},
        {"residual": False, "channels": 1, "clamp": 256.0, "deviation_group": 0},
    ],
)
def test_what_is_written_is_read_back_the_same(tiny_networks, tmp_path, settings):
    portable = portable_of(tiny_networks(**settings), "average", "discriminator")
    write_nvlabs_pickle(tmp_path / "x.pkl", portable)
    found = convert(read_nvlabs_pickle(tmp_path / "x.pkl"))
    assert found.networks == portable.networks
    for name, tensor in portable.tensors.items():
        torch.testing.assert_close(found.tensors[name], tensor, rtol=0, atol=0)
    assert found.tensors.keys() - portable.tensors.keys() == {
        name.replace("average.", "generator.", 1)
        for name in portable.tensors
        if name.startswith("average.")
    }


def test_a_generator_before_averaging_is_written_as_such(tiny_networks, tmp_path):
    portable = portable_of(tiny_networks(), "average", "generator", "discriminator")
    portable.tensors["generator.synthesis.const"].zero_()
    write_nvlabs_pickle(tmp_path / "x.pkl", portable)
    networks = read_nvlabs_pickle(tmp_path / "x.pkl").networks
    assert not networks["G"].tensors["synthesis.b4.const"].any()
    assert networks["G_ema"].tensors["synthesis.b4.const"].any()


def test_the_code_in_the_file_is_this_projects_own(tiny_networks, tmp_path):
    portable = portable_of(tiny_networks(), "average", "discriminator")
    write_nvlabs_pickle(tmp_path / "x.pkl", portable)
    content = (tmp_path / "x.pkl").read_bytes()
    texts = {text for opcode, text, _ in pickletools.genops(content) if opcode.name == "BINUNICODE"}
    assert [text for text in texts if "\n" in text] == [REBUILD]
    compile(REBUILD, "module_src", "exec")


@pytest.mark.parametrize(
    ("change", "prefixes", "reason"),
    [
        ({}, ["average"], "there is no discriminator"),
        ({"channel_min": 6}, ["average", "discriminator"], "channel_min=6 is at work"),
    ],
)
def test_networks_that_the_reference_cannot_have_are_refused(
    tiny_networks, tmp_path, change, prefixes, reason
):
    portable = portable_of(tiny_networks(**change), *prefixes)
    with pytest.raises(UnsupportedNetworkError, match=reason):
        write_nvlabs_pickle(tmp_path / "x.pkl", portable)
    assert list(tmp_path.iterdir()) == []


def test_a_least_number_of_channels_that_changes_nothing_is_no_matter(tiny_networks, tmp_path):
    portable = portable_of(tiny_networks(channel_min=2), "average", "discriminator")
    write_nvlabs_pickle(tmp_path / "x.pkl", portable)


def test_networks_of_another_family_are_refused(tmp_path):
    params = DcganNetwork(resolution_px=16, channels=1, z_dim=4, layout="sane")
    with pytest.raises(UnsupportedNetworkError, match="dcgan networks can't be written"):
        write_nvlabs_pickle(tmp_path / "x.pkl", Portable(params, {}))
