import io

import dagster as dg
import pyarrow as pa
import pytest
from PIL import Image
from typer.testing import CliRunner

from pipelines import collection_cli
from pipelines.cli import app
from wunderkammer.manifests import RAW
from wunderkammer.storage.store import open_store
from wunderkammer.storage.versions import Draft, Record, Summary, Versions


@pytest.fixture
def run(workplace):
    def invoke(*arguments):
        return CliRunner().invoke(app, [str(argument) for argument in arguments])

    return invoke


@pytest.fixture
def scraped(workplace):
    """Two pictures of the subject corgi, of which one has no author."""
    rows = [
        {"id": "a", "sha256": "1", "author": "Ann", "licence": "CC0 1.0", "decision": "kept"},
        {"id": "b", "sha256": "2", "licence": "CC0 1.0", "decision": "kept"},
    ]
    record = Record(
        subject="corgi",
        stage="raw_scrape",
        version="",
        data_version="d",
        fingerprint="f",
        code_version="1",
        sections={"scrape": {"kind": "met"}},
        upstreams={},
        files=(),
        summary=Summary(),
        created_at="2026-11-20T00:00:00+00:00",
    )
    draft = Draft("d", Summary(), pa.Table.from_pylist(rows, schema=RAW))
    Versions(open_store()).commit(record, draft)


def test_the_credits_are_written_beside_a_line_that_says_what_they_lack(
    run, scraped, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    result = run("attributions", "corgi")
    assert result.exit_code == 0, result.stderr
    said = "corgi: 2 pictures, 0 without a known licence, 1 without a known author"
    assert said in result.stdout
    folder = tmp_path / "corgi-attributions"
    assert "by Ann" in (folder / "attributions.md").read_text()
    assert (folder / "attributions.csv").read_bytes().count(b"\r\n") == 3


def test_the_credits_go_where_they_are_asked_for(run, scraped, tmp_path):
    out = tmp_path / "new" / "folder"
    result = run("attributions", "corgi", "--out", out)
    assert result.exit_code == 0
    assert str(out / "attributions.md") in result.stdout
    (tmp_path / "file").touch()
    result = run("attributions", "corgi", "--out", tmp_path / "file")
    assert result.exit_code == 1
    assert "--out" in result.stderr


def test_what_was_never_built_has_no_credits_and_says_what_to_run(run, workplace, scraped):
    workplace.write("corgi")
    result = run("attributions", "corgi", "--stage", "deduped_shards")
    assert result.exit_code == 1
    assert "deduped_shards of 'corgi' was never built; run: wunderkammer refresh" in result.stderr
    result = run("attributions", "dodo")
    assert result.exit_code == 2
    assert "no such subject (known: corgi)" in result.stderr


def test_a_scrape_asks_the_source_alone_and_again_each_time(run, workplace):
    workplace.write("corgi", scrape={"num_quilts": 5, "num_near_duplicates": 0})
    for new in (10, 0):
        result = run("scrape", "corgi")
        assert result.exit_code == 0, result.stderr
        assert f"corgi: 10 pictures kept, {new} of them new, 2 refused." in result.stdout
    versions = Versions(open_store())
    assert versions.current("corgi", "filtered_crops") is None
    with dg.DagsterInstance.from_config(str(workplace.home)) as instance:
        (first, second) = instance.get_runs()
        assert {first.job_name, second.job_name} == {"rescrape"}


def test_a_preview_shows_a_source_and_leaves_no_trace(run, workplace):
    workplace.write("corgi")
    result = run("scrape", "corgi", "--preview", 6)
    assert result.exit_code == 0, result.stderr
    for word in ("6 pictures by patchwork", "CC0", "shorter side, px", "48"):
        assert word in result.stdout
    files = [path for path in workplace.data.rglob("*") if path.is_file()]
    assert files == [workplace.data / "scratch" / "previews" / "corgi.jpg"]
    assert str(files[0]) in result.stdout.replace("\n", "")
    with Image.open(io.BytesIO(files[0].read_bytes())) as sheet:
        assert sheet.format == "JPEG"
    assert not workplace.home.exists()


def test_what_strangers_wrote_is_no_markup_of_the_terminal(run, workplace, monkeypatch):
    workplace.write("corgi")
    from wunderkammer.sources import preview

    tables = (("Licences", ("licence",), (("[bold]x[/bold]",), ("[/red]",))),)
    made = preview.Preview(b"", "1 picture", tables)
    monkeypatch.setattr(preview, "preview_source", lambda *_, **__: made)
    result = run("scrape", "corgi", "--preview", 1)
    assert result.exit_code == 0
    assert "[bold]x[/bold]" in result.stdout
    assert "[/red]" in result.stdout


@pytest.mark.parametrize("arguments", [(), ("--preview", "3")])
def test_a_source_that_can_not_be_asked_is_refused_before_anything_runs(
    run, workplace, monkeypatch, tmp_path, arguments
):
    monkeypatch.delenv("WUNDERKAMMER_CONTACT", raising=False)
    listed = tmp_path / "list.csv"
    listed.write_text("url\nhttps://pictures.example/1.jpg\n")
    file = workplace.write("corgi")
    text = file.read_text()
    start = text.index("scrape:")
    section = f"scrape: {{kind: urls, path: {listed}}}\n"
    file.write_text(text[:start] + section + text[text.index("filter:") :])
    result = run("scrape", "corgi", *arguments)
    assert result.exit_code == 2
    assert "WUNDERKAMMER_CONTACT" in result.stderr
    assert "Traceback" not in result.stderr
    assert not workplace.home.exists()
    assert not workplace.data.exists()


def test_a_source_that_fails_in_a_preview_says_why(run, workplace):
    workplace.write("corgi", scrape={"max_file_mb": 0.00001})
    result = run("scrape", "corgi", "--preview", 3)
    assert result.exit_code == 1
    assert "too_large" in result.stderr
    result = run("scrape", "corgi")
    assert result.exit_code == 1
    assert "raw_scrape of 'corgi' failed" in result.stderr
    assert collection_cli.Collection.RAW_SCRAPE.value in result.stderr
    assert "SourceError" not in result.stderr
    assert "NothingKept" not in result.stderr
