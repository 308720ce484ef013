import socket

import pytest
from typer.testing import CliRunner

from pipelines.cli import app


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
