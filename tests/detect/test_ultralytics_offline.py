"""What importing others' packages may not do; in a process of its own, since it shows only once."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]

IMPORT = """
import json, os, socket, sys, urllib.request

asked = []
def refuse(name):
    def ask(*arguments, **keywords):
        asked.append(name)
        raise OSError("no network in this test")
    return ask

socket.getaddrinfo = refuse("getaddrinfo")
socket.create_connection = refuse("create_connection")
socket.socket.connect = refuse("connect")
urllib.request.urlopen = refuse("urlopen")

import cv2, numpy, torch
from PIL import Image
before = dict(os.environ), Image.open, torch.save, cv2.getNumThreads(), numpy.get_printoptions()
from wunderkammer.detect.ultralytics_offline import ultralytics_module
from wunderkammer.detect.openvino_backend import openvino_module
tasks = ultralytics_module("nn.tasks")
tasks.DetectionModel("yolo11n.yaml", verbose=False)
openvino_module().Core()
after = dict(os.environ), Image.open, torch.save, cv2.getNumThreads(), numpy.get_printoptions()
utils = ultralytics_module("utils")
print(json.dumps({
    "asked": asked,
    "same": [one == two for one, two in zip(before, after)],
    "online": utils.ONLINE,
    "autoinstall": utils.AUTOINSTALL,
    "settings": str(utils.SETTINGS_FILE),
    "telemetry": sys.modules.get("openvino_telemetry") is not None,
}))
"""


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    pytest.importorskip("openvino", exc_type=ImportError)
    home = tmp_path_factory.mktemp("home")
    run = subprocess.run(
        [sys.executable, "-c", IMPORT],
        cwd=PROJECT,
        env={"HOME": str(home), "PATH": "", "XDG_CACHE_HOME": str(home / "cache")},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    left = [str(path) for path in home.rglob("*") if "cache" not in path.parts]
    return {**json.loads(run.stdout.splitlines()[-1]), "left": left, "said": run.stderr}


def test_nobody_is_asked_over_the_network(seen):
    assert seen["asked"] == []
    assert seen["online"] is False
    assert seen["telemetry"] is False


def test_nothing_is_installed_by_itself(seen):
    assert seen["autoinstall"] is False


def test_nothing_is_left_in_the_home_folder_nor_elsewhere(seen):
    assert seen["left"] == []
    assert not Path(seen["settings"]).exists()


def test_the_process_is_left_as_it_was(seen):
    assert seen["same"] == [True] * 5
    assert seen["said"] == ""


def test_ultralytics_and_openvino_are_imported_in_one_place_only():
    offending = [
        str(file.relative_to(PROJECT))
        for folder in ("wunderkammer", "assets", "resources", "pipelines")
        for file in (PROJECT / folder).rglob("*.py")
        if any(
            line.strip().startswith((f"import {name}", f"from {name}"))
            for line in file.read_text().splitlines()
            for name in ("ultralytics", "openvino")
        )
    ]
    assert offending == ["wunderkammer/detect/openvino_backend.py"]
