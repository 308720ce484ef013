import json

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from wunderkammer.gan.interop.onnx_export import write_onnx
from wunderkammer.gan.networks.build import build_networks
from wunderkammer.gan.networks.params import DcganNetwork, StyleGan2Network

pytestmark = pytest.mark.slow

PARAMS = StyleGan2Network(
    resolution_px=16,
    channels=3,
    z_dim=8,
    w_dim=12,
    num_labels=3,
    num_mapping_layers=2,
    channel_base=64,
    channel_max=8,
)


def some_generator(params):
    generator, _ = build_networks(params)
    with torch.no_grad():
        for name, tensor in generator.named_parameters():
            if name.endswith(("noise_strength", "bias")):
                tensor.normal_()
        if params.kind == "stylegan2":
            generator.mapping.average.normal_()
    return generator.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    torch.manual_seed(0)
    generator = some_generator(PARAMS)
    file = tmp_path_factory.mktemp("onnx") / "g.onnx"
    write_onnx(file, generator)
    return generator, file


def run(file, **inputs):
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    feed = {name: np.asarray(value, np.float32) for name, value in inputs.items()}
    (images,) = session.run(None, feed)
    return torch.from_numpy(images)


@pytest.mark.parametrize("num", [1, 3])
@pytest.mark.parametrize("psi", [1.0, 0.7])
def test_onnxruntime_draws_the_same_images(exported, num, psi):
    generator, file = exported
    z, labels = torch.randn(num, 8), torch.eye(3)[torch.arange(num)]
    expected = generator(z, labels, truncation_psi=psi, noise_mode="const")
    found = run(file, z=z, labels=labels, truncation_psi=psi)
    assert expected.std() > 0.5
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4)


def test_the_file_is_sound_and_says_what_it_is(exported):
    _, file = exported
    model = onnx.load(file)
    onnx.checker.check_model(model, full_check=True)
    shapes = {
        value.name: [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]
        for value in (*model.graph.input, *model.graph.output)
    }
    assert shapes == {
        "z": ["num", 8],
        "labels": ["num", 3],
        "truncation_psi": [],
        "images": ["num", 3, 16, 16],
    }
    (entry,) = [prop for prop in model.metadata_props if prop.key == "wunderkammer"]
    header = json.loads(entry.value)
    assert StyleGan2Network.model_validate_json(json.dumps(header["networks"])) == PARAMS
    assert list(file.parent.iterdir()) == [file]


def test_a_fixed_truncation_needs_no_input(tmp_path):
    generator = some_generator(PARAMS.model_copy(update={"num_labels": 0}))
    write_onnx(tmp_path / "g.onnx", generator, truncation_psi=0.7)
    z = torch.randn(2, 8)
    found = run(tmp_path / "g.onnx", z=z)
    torch.testing.assert_close(found, generator(z, truncation_psi=0.7), rtol=0, atol=1e-4)


def test_a_family_without_a_w_is_written_without_truncation(tmp_path):
    params = DcganNetwork(
        resolution_px=16, channels=1, z_dim=4, layout="sane", channel_base=64, channel_max=8
    )
    generator = some_generator(params)
    write_onnx(tmp_path / "g.onnx", generator)
    z = torch.randn(3, 4)
    torch.testing.assert_close(run(tmp_path / "g.onnx", z=z), generator(z), rtol=0, atol=1e-4)
    with pytest.raises(ValueError, match=r"truncation_psi=0\.5"):
        write_onnx(tmp_path / "h.onnx", generator, truncation_psi=0.5)
