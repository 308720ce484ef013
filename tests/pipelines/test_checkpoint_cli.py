import hashlib
import json

import pytest
import torch
from safetensors.torch import save
from typer.testing import CliRunner

from pipelines.cli import app
from wunderkammer.gan.interop.nvlabs import convert
from wunderkammer.gan.interop.nvlabs_writer import write_nvlabs_pickle
from wunderkammer.gan.interop.pickle_reader import read_nvlabs_pickle
from wunderkammer.gan.interop.portable import Portable, read_portable
from wunderkammer.gan.networks.build import build_networks
from wunderkammer.gan.networks.params import StyleGan2Network
from wunderkammer.stages import TRAINED_CHECKPOINT
from wunderkammer.storage.store import open_store
from wunderkammer.storage.versions import Draft, Record, Summary, Versions

PARAMS = StyleGan2Network(
    resolution_px=16,
    channels=3,
    z_dim=8,
    w_dim=12,
    num_mapping_layers=2,
    channel_base=64,
    channel_max=8,
)


@pytest.fixture
def run(workplace):
    def invoke(*arguments):
        return CliRunner().invoke(app, [str(argument) for argument in arguments])

    return invoke


@pytest.fixture
def tensors():
    torch.manual_seed(0)
    generator, discriminator = build_networks(PARAMS)
    parts = {"average": generator, "discriminator": discriminator}
    return {
        f"{prefix}.{name}": tensor
        for prefix, network in parts.items()
        for name, tensor in network.state_dict().items()
    }


@pytest.fixture
def pickle(tensors, tmp_path):
    write_nvlabs_pickle(tmp_path / "x.pkl", Portable(PARAMS, tensors))
    return tmp_path / "x.pkl"


@pytest.fixture
def finished(workplace, tensors):
    """A finished checkpoint of the subject corgi."""
    described = {"generator": PARAMS.model_dump(mode="json"), "num_images": 64000}
    draft = Draft(
        data_version="d",
        summary=Summary(),
        files={
            "checkpoint.safetensors": save(tensors),
            "checkpoint.json": json.dumps(described).encode(),
        },
    )
    record = Record(
        subject="corgi",
        stage=TRAINED_CHECKPOINT.name,
        version="",
        data_version="d",
        fingerprint="f",
        code_version="1",
        sections={},
        upstreams={},
        files=(),
        summary=Summary(),
        created_at="2026-11-20T00:00:00+00:00",
    )
    Versions(open_store()).commit(record, draft)


def same(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)


def test_a_pickle_is_imported_beside_it_with_a_start_to_copy(run, pickle, tensors):
    result = run("import-checkpoint", pickle)
    assert result.exit_code == 0, result.stderr
    file = pickle.with_suffix(".safetensors")
    found = read_portable(file)
    assert found.networks == PARAMS
    assert same(found.network("average"), Portable(PARAMS, tensors).network("average"))
    assert found.provenance["sha256"] == hashlib.sha256(pickle.read_bytes()).hexdigest()
    assert "stylegan2, 16 px, channels: 3, labels: 0" in result.stdout
    assert f"start: {{kind: file, path: {file}, sha256: {found.sha256}}}" in result.stdout


def test_the_generator_alone_is_imported_to_where_it_is_asked_for(run, pickle, tmp_path):
    out = tmp_path / "other.safetensors"
    result = run("import-checkpoint", pickle, "--out", out, "--generator-only")
    assert result.exit_code == 0
    assert read_portable(out).network("discriminator") == {}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\x80\x03cposix\nsystem\n(X\x04\x00\x00\x00truetR.", "asks for 'posix.system'"),
        (b"\x80\x03", "the pickle is cut off"),
        (None, "No such file or directory; name a pickle that is there"),
    ],
)
def test_a_file_that_cannot_be_taken_is_refused_in_a_line(run, tmp_path, content, reason):
    file = tmp_path / "bad.pkl"
    if content is not None:
        file.write_bytes(content)
    result = run("import-checkpoint", file)
    assert result.exit_code == 1
    assert reason in result.stderr
    assert "bad.pkl" in result.stderr
    assert "Traceback" not in result.stderr
    assert not file.with_suffix(".safetensors").exists()


def test_a_file_of_another_hash_is_refused(run, pickle):
    result = run("import-checkpoint", pickle, "--sha256", "0" * 64)
    assert result.exit_code == 1
    assert "not to 0000" in result.stderr


def test_a_finished_checkpoint_is_exported_as_safetensors(run, finished, tensors, tmp_path):
    out = tmp_path / "y.safetensors"
    result = run("export-checkpoint", "corgi", "--out", out)
    assert result.exit_code == 0, result.stderr
    found = read_portable(out)
    assert same(found.tensors, tensors)
    assert found.provenance["subject"] == "corgi"
    assert "safetensors of corgi, 64000 images" in result.stdout


def test_a_finished_checkpoint_is_exported_for_nvlabs(run, finished, tensors, tmp_path):
    out = tmp_path / "y.pkl"
    result = run("export-checkpoint", "corgi", "--format", "nvlabs-pickle", "--out", out)
    assert result.exit_code == 0, result.stderr
    found = convert(read_nvlabs_pickle(out))
    assert same(found.network("average"), Portable(PARAMS, tensors).network("average"))


def test_a_truncation_is_refused_where_there_is_none(run, finished, tmp_path):
    result = run("export-checkpoint", "corgi", "--out", tmp_path / "y", "--psi", "0.7")
    assert result.exit_code == 1
    assert "--psi=0.7 belongs to --format onnx, not to safetensors" in result.stderr


@pytest.mark.parametrize(
    ("kind", "out", "reason"),
    [
        ("onnx", "nowhere/y.onnx", "there is no folder"),
        ("safetensors", ".", "is a folder; name a file in it"),
    ],
)
def test_where_nothing_can_be_written_is_said_with_the_remedy(
    run, finished, tmp_path, kind, out, reason
):
    result = run("export-checkpoint", "corgi", "--format", kind, "--out", tmp_path / out)
    assert result.exit_code == 1
    assert reason in result.stderr
    assert str(tmp_path / out) in result.stderr


def test_a_pickle_is_not_read_for_a_place_that_is_not_there(run, tmp_path):
    result = run("import-checkpoint", tmp_path / "x.pkl", "--out", tmp_path / "no" / "x")
    assert result.exit_code == 1
    assert f"there is no folder {tmp_path / 'no'}; make it" in result.stderr


def test_a_subject_without_a_finished_checkpoint_is_told_what_to_run(run, workplace, tmp_path):
    workplace.write("corgi")
    result = run("export-checkpoint", "corgi", "--out", tmp_path / "y")
    assert result.exit_code == 1
    assert "run `wunderkammer refresh corgi` first" in result.stderr


def test_a_subject_that_no_refresh_can_train_is_told_why(run, workplace, tmp_path):
    workplace.write("corgi", filter={"min_side_px": "big"})
    result = run("export-checkpoint", "corgi", "--out", tmp_path / "y")
    assert result.exit_code == 1
    assert "can't be trained as it is" in result.stderr
    assert "corgi.yaml: filter.min_side_px: 'big' is not allowed" in result.stderr
    assert "wunderkammer refresh" not in result.stderr
    result = run("export-checkpoint", "corgy", "--out", tmp_path / "y")
    assert "did you mean 'corgi'?" in result.stderr
