import socket

import pytest
from typer.testing import CliRunner

from pipelines.cli import app
from wunderkammer.stages import FILTERED_CROPS
from wunderkammer.storage.store import open_store
from wunderkammer.storage.versions import Draft, Record, Summary, Versions


@pytest.fixture
def run(workplace):
    workplace.write("quilt")
    return lambda *words: CliRunner().invoke(app, ["review", *words])


def test_an_unknown_subject_is_named_with_those_that_are_known(run):
    result = run("quild")
    assert result.exit_code == 2
    assert "did you mean 'quilt'" in result.output


def test_a_subject_without_crops_is_told_what_makes_them(run):
    result = run("quilt")
    assert result.exit_code == 1
    assert "run: wunderkammer refresh quilt" in result.output


def test_a_port_that_is_taken_is_named_with_the_remedy(run, monkeypatch):
    from wunderkammer.review import session

    monkeypatch.setattr(session.Session, "deck", lambda self: None)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = run("quilt", "--port", str(port))
    assert result.exit_code == 1
    assert f"port {port} can't be used" in result.output
    assert "--port" in result.output


def test_crops_whose_manifest_is_missing_are_named_with_what_makes_them_again(run):
    record = Record(
        subject="quilt",
        stage=FILTERED_CROPS.name,
        version="",
        data_version="0",
        fingerprint="0",
        code_version="1",
        sections={},
        upstreams={},
        files=(),
        summary=Summary(),
        created_at="2026-01-01T00:00:00+00:00",
    )
    Versions(open_store()).commit(record, Draft("0", Summary()))
    result = run("quilt")
    assert (result.exit_code, result.exception.__class__) == (1, SystemExit)
    assert "manifest.parquet is missing" in result.output
    assert "--rescrape" in result.output


def test_crops_that_cannot_be_read_are_no_fault_of_the_port(run, monkeypatch):
    from wunderkammer.review import session

    def deck(self):
        raise PermissionError(13, "Permission denied", "current.json")

    monkeypatch.setattr(session.Session, "deck", deck)
    result = run("quilt")
    assert result.exit_code == 1
    assert "the crops of 'quilt' can't be read" in result.output
    assert "current.json" in result.output
    assert "port" not in result.output
