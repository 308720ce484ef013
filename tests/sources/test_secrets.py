"""Keys from the environment are sent where they belong, and stand nowhere else afterwards."""

import base64
import json
import logging
import sqlite3
import tempfile
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from secrets import token_hex
from typing import Any
from urllib.parse import quote, urlencode

import dagster as dg
import pyarrow.parquet as pq
import pytest
import yaml
from exhibits import EXHIBITS, Exhibit, is_picture, params_of
from listings import pages_of
from scraping import stream_here
from stand_in import HTML, Asked, Reply

from pipelines.definitions import defs
from pipelines.sensors import sync_subjects
from resources.subjects import SubjectFiles
from wunderkammer.conduct.errors import FetchError
from wunderkammer.sources.open_source import LISTINGS

# The constants of the stand-ins that hold what they accept.
KEYS = {
    "flickr": ("KEY",),
    "instagram": ("TOKEN",),
    "openverse": ("CLIENT_ID", "CLIENT_SECRET"),
    "reddit": ("CLIENT_ID", "SECRET"),
    "smithsonian": ("KEY",),
}


@dataclass(frozen=True)
class Planted:
    """An exhibit whose keys are unlike any other text; `needles` are what may be found nowhere."""

    exhibit: Exhibit
    needles: tuple[str, ...]


@pytest.fixture(params=sorted(KEYS))
def planted(request, tmp_path, monkeypatch) -> Iterator[Planted]:
    middles = []
    for name in KEYS[request.param]:
        middles.append(token_hex(12))
        # Signs that look otherwise within a URL, a form, HTML and a header.
        value = f"{middles[-1]}/+=%&<~"
        monkeypatch.setattr(f"{request.param}_stand_in.{name}", value)
    with EXHIBITS[request.param](tmp_path) as exhibit:
        for name, value in exhibit.secrets.items():
            monkeypatch.setenv(name, value)
        values = [*exhibit.secrets.values(), ":".join(exhibit.secrets.values())]
        encoded = [base64.b64encode(value.encode()).decode() for value in values]
        yield Planted(exhibit, (*middles, *encoded, *exhibit.told))


def echo(asked: Asked) -> str:
    """All that was asked, as careless sites print it on their pages of errors."""
    query = urlencode(asked.query)
    return f"{asked.method} {asked.path}?{query} {asked.query} {asked.headers} {asked.body!r}"


def as_page(asked: Asked) -> bytes:
    return HTML + f"<p>No such page: {echo(asked)}</p>".encode()


def as_error(asked: Asked) -> bytes:
    """In the words of each of the APIs at once."""
    text = echo(asked)
    error = {"message": text, "code": 190, "type": text}
    told = {"stat": "fail", "code": 100, "message": text, "error": error, "detail": text}
    return json.dumps({**told, "reason": text, "status": 500, "response": text}).encode()


def sent(status: int, body: bytes, kind: str = "application/json", **headers: str) -> Reply:
    return Reply(status, body, {"Content-Type": kind, **headers})


Fault = Callable[[Asked], Reply]
FAULTS: dict[str, Fault] = {
    "401 that quotes it": lambda asked: sent(401, as_error(asked)),
    "400 that quotes it": lambda asked: sent(400, as_error(asked)),
    "403 page that quotes it": lambda asked: sent(403, as_page(asked), "text/html"),
    "404 that quotes it": lambda asked: sent(404, as_page(asked), "text/html"),
    "500 that quotes it": lambda asked: sent(500, as_page(asked), "text/html"),
    "error in a 200 that quotes it": lambda asked: sent(200, as_error(asked)),
    "page in a 200 that quotes it": lambda asked: sent(200, as_page(asked), "text/html"),
    "JSON of another shape": lambda asked: sent(200, json.dumps([echo(asked)] * 3).encode()),
    "JSON that is cut": lambda asked: sent(200, as_error(asked)[:-9]),
    "redirect with it in the query": lambda asked: sent(
        302, b"", Location=f"/login?next={quote(echo(asked))}"
    ),
    "redirect with it in the path": lambda asked: sent(
        302, b"", Location=f"/login/{quote(echo(asked), safe='')}"
    ),
    "redirect to a private address": lambda asked: sent(
        302, b"", Location=f"http://10.0.0.1/{quote(echo(asked))}?{urlencode(asked.query)}"
    ),
    "redirect to no address": lambda asked: sent(
        302, b"", Location=f"gopher://{quote(echo(asked))}"
    ),
    "redirect with it as a password": lambda asked: sent(
        302, b"", Location=f"https://me:{quote(echo(asked))}@example.org/"
    ),
    "header that quotes it": lambda asked: sent(503, b"", **{"Retry-After": quote(echo(asked))}),
}


def spoil(exhibit: Exhibit, fault: Fault) -> None:
    """Answer every question so; pictures still come."""
    healthy = exhibit.site.answer

    def answer(asked: Asked) -> Reply:
        if asked.path.startswith("/login"):
            return sent(404, as_page(asked), "text/html")
        return healthy(asked) if is_picture(asked) else fault(asked)

    exhibit.site.answer = answer


def quote_in_titles(exhibit: Exhibit) -> None:
    """Let what is asked with stand in what is told of a picture, and so in its row."""
    healthy, title = exhibit.site.answer, exhibit.row["title"]

    def answer(asked: Asked) -> Reply:
        reply = healthy(asked)
        words = f"{title} {asked.headers.get('Authorization')} {asked.query.get('api_key')}"
        quoted = json.dumps(words)[1:-1].encode()
        return replace(reply, body=reply.body.replace(title.encode(), quoted))

    exhibit.site.answer = answer


@pytest.mark.parametrize("name", FAULTS)
def test_no_error_of_a_listing_shows_a_key(planted, name, monkeypatch, caplog):
    caplog.set_level(logging.DEBUG)
    exhibit = planted.exhibit
    spoil(exhibit, FAULTS[name])
    params = params_of(exhibit.section)
    listing = LISTINGS[type(params)]
    with pytest.raises(FetchError) as caught:
        pages_of(lambda network: listing(params, network), params.conduct)
    assert exhibit.site.asked, "the key was sent"
    texts = [*all_texts(caught.value), caplog.text]
    assert [n for n in planted.needles for text in texts if n in text] == []


def all_texts(error: BaseException) -> Iterator[str]:
    yield "".join(traceback.format_exception(error))
    chain: BaseException | None = error
    while chain is not None:
        yield f"{chain!r} {chain}"
        chain = chain.__cause__ or chain.__context__


@pytest.fixture
def workroom(workplace, tmp_path, monkeypatch) -> Iterator[dg.DagsterInstance]:
    """An instance whose files, like those of everything else, lie below the folder of the test."""
    monkeypatch.setattr("wunderkammer.ledger_map.guarded_stream", stream_here)
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    settings = {"python_logs": {"managed_python_loggers": ["root"], "python_log_level": "DEBUG"}}
    workplace.home.mkdir()
    with dg.instance_for_test(temp_dir=str(workplace.home), overrides=settings) as instance:
        yield instance


def write(workplace, name: str, section: Mapping[str, Any]) -> None:
    file = workplace.write(name)
    recipe = yaml.safe_load(file.read_text())
    file.write_text(yaml.safe_dump({**recipe, "scrape": dict(section)}))


def run(instance: dg.DagsterInstance, name: str) -> dg.ExecuteInProcessResult:
    sync_subjects(instance, SubjectFiles().load())
    job = defs.resolve_job_def("rescrape")
    return job.execute_in_process(instance=instance, partition_key=name, raise_on_error=False)


def texts_below(root: Path) -> Iterator[tuple[Path, str]]:
    """The content of every file, decompressed, and the names of all."""
    for file in filter(Path.is_file, root.rglob("*")):
        content = file.read_bytes()
        yield file, str(file) + content.decode("latin-1")
        if content.startswith(b"PAR1"):
            yield file, str(pq.read_table(file).to_pylist())
        elif content.startswith(b"SQLite format 3"):
            with closing(sqlite3.connect(file)) as database:
                yield file, "\n".join(database.iterdump())


def test_a_key_stands_nowhere_after_runs_that_went_well_and_runs_that_failed(
    planted, workplace, workroom, tmp_path, caplog, capfd, monkeypatch
):
    caplog.set_level(logging.DEBUG)
    exhibit = planted.exhibit
    write(workplace, "corgi", exhibit.section)
    failed = failing(exhibit, FAULTS["500 that quotes it"], lambda: run(workroom, "corgi"))
    assert not failed.success
    quote_in_titles(exhibit)
    assert run(workroom, "corgi").success
    result = failing(
        exhibit, FAULTS["redirect with it in the path"], lambda: run(workroom, "corgi")
    )
    (event,) = result.get_asset_materialization_events()
    assert "measure/problems" in event.materialization.metadata
    for variable in exhibit.secrets:
        monkeypatch.delenv(variable)
    write(workplace, "spider", exhibit.section)
    without = run(workroom, "spider")
    assert without.success == (exhibit.section["kind"] == "openverse")

    told = capfd.readouterr()
    texts = [*texts_below(tmp_path), *((Path(n), getattr(told, n)) for n in ("out", "err"))]
    texts.append((Path("log"), caplog.text))
    found = [(file, n) for n in planted.needles for file, text in texts if n in text]
    assert found == []
    check_that_it_is_found(exhibit, texts)


def failing(exhibit: Exhibit, fault: Fault, do: Callable[[], Any]) -> Any:
    """What `do` gives while every question of a listing has this answer."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exhibit.site, "answer", exhibit.site.answer)
        spoil(exhibit, fault)
        return do()


def check_that_it_is_found(exhibit: Exhibit, texts: list[tuple[Path, str]]) -> None:
    """What is no secret stands where a secret would."""

    def places(words: str) -> set[str]:
        return {file.suffix or file.name for file, text in texts if words in text}

    assert places(exhibit.row["title"]) >= {".parquet"}
    assert places("the listing broke off") >= {".db", ".json", "log", "err"}
