"""Ultralytics, imported so that it asks nobody and leaves the process as it was.

At its import it looks for the network, writes settings to the home folder, replaces
`PIL.Image.open` and `torch.save` by its own (the former installs packages) and sets threads and
print options.
"""

import atexit
import importlib
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from types import ModuleType

import cv2
import numpy as np
import torch
from PIL import Image

QUIET = {
    "YOLO_OFFLINE": "true",
    "YOLO_AUTOINSTALL": "false",
    "YOLO_VERBOSE": "false",
    "ULTRALYTICS_SAFE_LOAD": "true",
}


def ultralytics_module(name: str) -> ModuleType:
    """The module `ultralytics.<name>`."""
    with _as_it_was():
        _settle()
        return importlib.import_module(f"ultralytics.{name}")


@cache
def _settle() -> None:
    """Give it a settings folder of this process, which goes with it."""
    folder = tempfile.mkdtemp(prefix="wunderkammer-ultralytics-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.environ.update(QUIET, YOLO_CONFIG_DIR=folder)
    utils = importlib.import_module("ultralytics.utils")
    utils.LOGGER.setLevel(logging.ERROR)


@contextmanager
def _as_it_was() -> Iterator[None]:
    environ = dict(os.environ)
    image_open, torch_save = Image.open, torch.save
    printing, num_threads = np.get_printoptions(), cv2.getNumThreads()
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(environ)
        Image.open, torch.save = image_open, torch_save
        np.set_printoptions(**printing)
        torch.set_printoptions(profile="default")  # type: ignore[no-untyped-call]
        cv2.setNumThreads(num_threads)
