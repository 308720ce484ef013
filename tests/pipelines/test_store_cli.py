"""`wunderkammer gc` and `wunderkammer verify`, as typed."""

import os
import time

import pytest
from typer.testing import CliRunner

from pipelines.cli import app
from wunderkammer.storage.blobs import Blobs
from wunderkammer.storage.lease import Lease
from wunderkammer.storage.store import Store


@pytest.fixture
def blobs(workplace):
    return Blobs(Store(str(workplace.data)))


def run(*words):
    done = CliRunner().invoke(app, words)
    return done.exit_code, done.output


def test_gc_says_what_would_go_and_then_removes_it(blobs):
    key = Blobs.key(blobs.put(b"x" * 1500))
    assert run("gc") == (0, "removed: nothing, 0 bytes\n")
    old = time.time() - 100_000
    os.utime(blobs.store.path(key), (old, old))
    assert run("gc", "--dry-run") == (0, "would go: 1 blob, 1.5 kB\n")
    assert blobs.store.exists(key)
    assert run("gc", "--keep", "0") == (0, "removed: 1 blob, 1.5 kB\n")
    assert not blobs.store.exists(key)


def test_gc_refuses_what_is_not_allowed_and_a_second_collector(blobs):
    assert run("gc", "--grace-hours", "1")[0] == 2
    assert "a grace of 1 hours is not allowed" in run("gc", "--grace-hours", "1")[1]
    with Lease(blobs.store):
        code, output = run("gc")
    assert code == 2
    assert "removes from this store already" in output


def test_verify_ends_with_status_1_if_anything_is_wrong(blobs):
    sha256 = blobs.put(b"x")
    assert run("verify") == (0, "1 objects, 0 faults\n")
    blobs.store.write(Blobs.key(sha256), b"y")
    code, output = run("verify")
    assert code == 1
    assert output.startswith(f"damaged: {Blobs.key(sha256)}: 1 bytes that hash to ")
    assert output.endswith("1 objects, 1 faults\n  wunderkammer verify --mend\n")
    assert run("verify", "--mend")[0] == 1
    assert run("verify") == (0, "0 objects, 0 faults\n")


def test_verify_names_a_subject_that_the_store_does_not_hold(blobs):
    code, output = run("verify", "cat")
    assert code == 2
    assert "holds nothing of 'cat'" in output
