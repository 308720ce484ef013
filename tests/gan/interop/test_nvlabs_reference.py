"""Against the reference itself, where a checkout of it is at hand.

Set WUNDERKAMMER_NVLABS_REFERENCE to a checkout of StyleGAN2-ADA-PyTorch to run these.
"""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from wunderkammer.gan.interop.nvlabs import convert
from wunderkammer.gan.interop.nvlabs_writer import write_nvlabs_pickle
from wunderkammer.gan.interop.pickle_reader import read_nvlabs_pickle
from wunderkammer.gan.networks.build import build_networks

CHECKOUT = os.environ.get("WUNDERKAMMER_NVLABS_REFERENCE")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        CHECKOUT is None, reason="WUNDERKAMMER_NVLABS_REFERENCE names no checkout of the reference"
    ),
]

WRITE = """
import pickle, sys
import torch
from training import networks
c, file = int(sys.argv[2]), sys.argv[1]
channels = dict(channel_base=1024, channel_max=64, conv_clamp=256)
torch.manual_seed(0)
def generator():
    made = networks.Generator(
        z_dim=64, c_dim=c, w_dim=64, img_resolution=64, img_channels=3,
        mapping_kwargs=dict(num_layers=4), synthesis_kwargs=channels)
    for name, tensor in [*made.named_parameters(), *made.named_buffers()]:
        if name.endswith(("noise_strength", "bias", "w_avg")):
            tensor.data.add_(torch.randn_like(tensor) * 0.2)
    return made.eval().requires_grad_(False)
D = networks.Discriminator(c_dim=c, img_resolution=64, img_channels=3, **channels)
parts = dict(G=generator(), D=D.eval().requires_grad_(False), G_ema=generator())
with open(file, "wb") as out:
    pickle.dump(dict(parts, training_set_kwargs=None, augment_pipe=None), out)
"""

USE = """
import sys
import numpy as np
import torch
import legacy
with open(sys.argv[1], "rb") as file:
    data = legacy.load_network_pkl(file)
G, D = data["G_ema"], data["D"]
z = torch.from_numpy(np.random.RandomState(5).randn(4, G.z_dim)).float()
labels = torch.eye(max(G.c_dim, 1))[torch.arange(4) % max(G.c_dim, 1)][:, :G.c_dim]
images = [G(z, labels, truncation_psi=psi, noise_mode="const") for psi in (1, 0.7)]
np.savez(sys.argv[2], whole=images[0], pulled=images[1], scores=D(images[0], labels)[:, 0])
"""


def in_checkout(script, *arguments):
    run = subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize("num_labels", [0, 5])
def test_both_directions_give_the_references_outputs(tmp_path, num_labels):
    theirs, ours = tmp_path / "theirs.pkl", tmp_path / "ours.pkl"
    in_checkout(WRITE, theirs, num_labels)
    portable = convert(read_nvlabs_pickle(theirs))
    write_nvlabs_pickle(ours, portable)
    outputs = []
    for file in (theirs, ours):
        in_checkout(USE, file, Path(f"{file}.npz"))
        outputs.append({name: torch.from_numpy(a) for name, a in np.load(f"{file}.npz").items()})
    generator, discriminator = build_networks(portable.networks)
    generator.load_state_dict(portable.network("average"))
    discriminator.load_state_dict(portable.network("discriminator"))
    z = torch.from_numpy(np.random.RandomState(5).randn(4, 64)).float()
    labels = torch.eye(num_labels)[torch.arange(4)] if num_labels else None
    with torch.no_grad():
        found = {
            "whole": generator(z, labels),
            "pulled": generator(z, labels, truncation_psi=0.7),
            "scores": discriminator(outputs[0]["whole"], labels),
        }
    for name, expected in outputs[0].items():
        torch.testing.assert_close(found[name], expected, rtol=0, atol=1e-4)
        torch.testing.assert_close(outputs[1][name], expected, rtol=0, atol=0)
