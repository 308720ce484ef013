import hashlib
import io

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from typer.testing import CliRunner

from pipelines.cli import app
from pipelines.export_cli import ExportFormat
from wunderkammer.export.write import WRITERS
from wunderkammer.manifests import SHARDS
from wunderkammer.shards.write import ShardImage, shard_name, write_shards
from wunderkammer.stages import DEDUPED_SHARDS
from wunderkammer.storage.store import open_store
from wunderkammer.storage.versions import Draft, Record, Summary, Versions


@pytest.fixture
def run(workplace, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def invoke(*arguments):
        return CliRunner().invoke(app, ["export", *map(str, arguments)])

    return invoke


@pytest.fixture
def built(workplace, tmp_path):
    """The shards of the subject corgi: ten pictures of 16 px, the last without a label."""
    images = []
    for k in range(10):
        sink = io.BytesIO()
        pixels = np.random.default_rng(k).integers(0, 256, (16, 16, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(sink, "png")
        sha256 = hashlib.sha256(sink.getvalue()).hexdigest()
        images.append(ShardImage(sink.getvalue(), sha256, "dog" if k < 9 else None, "x.png"))
    (shard,) = write_shards(images, folder=tmp_path, names=None, max_shard_mb=1)
    name = shard_name(0, num_shards=1)
    rows = [
        {"id": f"{k}", "sha256": f"{k}", "crop_sha256": f"{k}", "decision": "kept"}
        | {"image_sha256": image.sha256, "label": image.label, "shard": name, "row": k}
        for k, image in enumerate(images)
    ]
    record = Record(
        subject="corgi",
        stage=DEDUPED_SHARDS.name,
        version="",
        data_version="d",
        fingerprint="f",
        code_version="1",
        sections={"shard": {"resolution_px": 16, "codec": "png"}},
        upstreams={},
        files=(),
        summary=Summary(),
        created_at="2026-11-20T00:00:00+00:00",
    )
    draft = Draft("d", Summary(), pa.Table.from_pylist(rows, schema=SHARDS), {name: shard.path})
    return Versions(open_store()).commit(record, draft)


def test_the_command_offers_what_can_be_written():
    assert [kind.value for kind in ExportFormat] == list(WRITERS)


def test_an_export_is_written_beside_its_credits_and_says_where(run, built, tmp_path):
    result = run("corgi", "--format", "nvlabs-zip", "--labelled", "--resolution", 8)
    assert result.exit_code == 0, result.output
    assert "corgi-nvlabs-zip: 9 pictures of corgi at 8 px" in result.output
    names = sorted(path.name for path in (tmp_path / "corgi-nvlabs-zip").iterdir())
    assert names == ["attributions.csv", "attributions.md", "corgi.zip", "export.json"]


def test_labels_without_numbers_are_told(run, built):
    result = run("corgi", "--format", "hdf5", "--out", "here")
    assert "1 of them have no label, so labels have no numbers" in result.output
    assert "--labelled" in result.output


def test_an_earlier_export_is_replaced_only_by_force(run, built):
    for arguments, code in (((), 0), ((), 1), (("--force",), 0)):
        result = run("corgi", "--format", "hdf5", *arguments)
        assert result.exit_code == code
    assert "is there already" in run("corgi", "--format", "hdf5").stderr


def test_a_split_is_that_of_the_recipe(run, built, workplace):
    workplace.write("corgi", train={"held_out": 0.3})
    sizes = [
        int(
            run("corgi", "--format", "imagefolder", "--split", side, "--out", side).output.split()[
                1
            ]
        )
        for side in ("all", "train", "held-out")
    ]
    assert sizes[0] == 10 == sizes[1] + sizes[2]
    assert sizes[2] > 0


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("corgi", "--resolution", 64), "64 px were asked for, the shards of 'corgi' have 16 px"),
        (("corgi", "--resolution", 15), "a side is a power of two from 4 px"),
        (("corgi", "--split", "held-out"), "(train.held_out is 0)"),
        (("teapot",), "deduped_shards of 'teapot' was never built; run: wunderkammer refresh"),
        (("unicorn",), "unicorn"),
    ],
)
def test_what_cannot_be_exported_is_refused_with_the_remedy(
    run, built, workplace, arguments, complaint
):
    workplace.write("corgi")
    workplace.write("teapot")
    result = run(*arguments, "--format", "hdf5")
    assert result.exit_code != 0
    assert complaint in result.stderr
    assert "Traceback" not in result.output


def test_a_damaged_shard_is_named(run, built):
    store = open_store()
    (key,) = [key for key in store.keys("subjects/corgi") if key.endswith("of-00001.parquet")]
    content = bytearray(store.read(key))
    content[200] ^= 1
    store.write(key, bytes(content))
    result = run("corgi", "--format", "hdf5")
    assert result.exit_code == 1
    assert "train-00000-of-00001.parquet is not the file that was published" in result.stderr
