"""Rules that keep the parts of the project apart, and its files free of where they were made."""

import ast
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

PROJECT = Path(__file__).parents[1]
WRAPPERS = ("assets", "resources", "pipelines")
# Each costs tenths of a second to seconds, at every start of Dagster's code server and its runs.
HEAVY = {
    "aiohttp",
    "av",
    "cv2",
    "matplotlib",
    "numba",
    "pandas",
    "PIL",
    "pycurl",
    "pypdfium2",
    "scipy",
    "simplejpeg",
    "skimage",
    "tensorboard",
    "torch",
    "torchvision",
    "ultralytics",
}
ALGORITHMIC = HEAVY | {"ffmpeg", "imagehash", "numpy", "obstore", "pyarrow", "safetensors"}

IMPORT_LIBRARY = """
import importlib, json, pkgutil, sys
import wunderkammer
names = [m.name for m in pkgutil.walk_packages(wunderkammer.__path__, "wunderkammer.")]
for name in names:
    importlib.import_module(name)
print(json.dumps([names, sorted({name.split(".")[0] for name in sys.modules})]))
"""

IMPORT_DEFINITIONS = """
import json, sys
import dagster as dg
from pipelines.definitions import defs
dg.Definitions.validate_loadable(defs)
print(json.dumps(sorted({name.split(".")[0] for name in sys.modules})))
"""

IMPORT_COMMAND_LINE = """
import json, sys
import pipelines.cli
print(json.dumps(sorted({name.split(".")[0] for name in sys.modules})))
"""


def fresh_interpreter(script):
    run = subprocess.run(
        [sys.executable, "-c", script], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    return json.loads(run.stdout)


def ruff(code, filename):
    """The rules that `code` would break in the file of that name."""
    command = [Path(sys.executable).with_name("ruff"), "check", "--output-format=json"]
    run = subprocess.run(
        [*command, f"--stdin-filename={filename}", "-"],
        cwd=PROJECT,
        input=code,
        capture_output=True,
        text=True,
    )
    return {fault["code"] for fault in json.loads(run.stdout)}


def git(*arguments):
    if shutil.which("git") is None:
        pytest.skip("there is no git here")
    run = subprocess.run(["git", *arguments], cwd=PROJECT, capture_output=True, text=True)
    if run.returncode not in (0, 1):
        pytest.skip(f"not in a git checkout: {run.stderr.strip()}")
    return run.stdout.splitlines()


def test_no_module_of_the_library_imports_dagster_or_what_wraps_the_library():
    names, loaded = fresh_interpreter(IMPORT_LIBRARY)
    files = [*(PROJECT / "wunderkammer").rglob("*.py")]
    assert len(names) == len(files) - 1  # the package itself is the one that is not walked to
    assert not {"dagster", *WRAPPERS} & set(loaded)


def test_loading_the_definitions_imports_nothing_heavy():
    loaded = fresh_interpreter(IMPORT_DEFINITIONS)
    assert "dagster" in loaded
    assert HEAVY & set(loaded) == set()


def test_the_command_line_starts_without_dagster():
    loaded = fresh_interpreter(IMPORT_COMMAND_LINE)
    assert ({"dagster"} | HEAVY) & set(loaded) == set()


@pytest.mark.parametrize("code", ["import dagster\n", "from dagster import asset\n"])
def test_the_linter_refuses_dagster_in_the_library_and_nowhere_else(code):
    assert "TID251" in ruff(code, "wunderkammer/sources/new.py")
    for folder in (*WRAPPERS, "tests"):
        assert "TID251" not in ruff(code, f"{folder}/new.py")


@pytest.mark.parametrize("package", WRAPPERS)
def test_the_linter_refuses_the_wrappers_in_the_library(package):
    assert "TID251" in ruff(f"import {package}\n", "wunderkammer/sources/new.py")


def imported_roots(file):
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield str(node.module).split(".")[0]


def test_what_wraps_the_library_imports_nothing_that_an_algorithm_needs():
    files = [file for package in WRAPPERS for file in (PROJECT / package).rglob("*.py")]
    assert len(files) > 10
    offending = {file.name: ALGORITHMIC & set(imported_roots(file)) for file in files}
    assert {name: roots for name, roots in offending.items() if roots} == {}


def test_no_file_names_a_folder_of_the_machine_that_it_was_written_on():
    own = {PROJECT, PROJECT.parent, Path.home(), Path(sys.prefix)}
    everywhere = {Path("/"), Path("/tmp"), Path("/home"), Path("/srv"), Path("/opt"), Path("/usr")}
    assert git("grep", "-nIF", *(f"-e{folder}/" for folder in sorted(own - everywhere))) == []


def index_places(environ):
    """The hosts and folders of the package indices that this machine is set up to use."""
    pip = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True
    )
    words = pip.stdout.replace("'", " ").replace('"', " ").replace("\\n", " ").split()
    words += [word for name, value in environ.items() if "INDEX" in name for word in value.split()]
    urls = [urlsplit(word) for word in words if "://" in word]
    places = {url.path if url.scheme == "file" else url.hostname for url in urls}
    return {place for place in places if place}


def test_the_places_of_indices_are_found():
    environ = {
        "UV_DEFAULT_INDEX": "https://user:word@packages.example/simple",
        "PIP_EXTRA_INDEX_URL": "file:///srv/wheels https://mirror.invalid/simple",
    }
    assert {"packages.example", "mirror.invalid", "/srv/wheels"} <= index_places(environ)


def test_no_file_names_a_package_index():
    places = index_places(os.environ)
    if places:
        assert git("grep", "-nIF", *(f"-e{place}" for place in sorted(places))) == []
    lock = (PROJECT / "requirements.lock").read_text()
    assert "://" not in lock
    assert "--" not in lock.replace("--hash=", "")
