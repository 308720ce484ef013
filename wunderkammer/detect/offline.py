"""Ultralytics without its habits: it asks nobody, tells nobody, and writes nothing at home.

Left alone it looks weights, fonts and newer versions up, reports its use, keeps settings in the
home folder, and runs what a checkpoint or an architecture says (`eval`, pickles).
"""

import os
from functools import lru_cache
from tempfile import TemporaryDirectory

ENVIRONMENT = {
    "YOLO_OFFLINE": "1",
    "YOLO_AUTOINSTALL": "0",
    "YOLO_VERBOSE": "0",
    # Checkpoints are read as data, architectures without `eval`.
    "ULTRALYTICS_SAFE_LOAD": "1",
}
# Settings of its own that would load other packages or report to somebody.
SILENT = (
    "sync",
    "clearml",
    "comet",
    "dvc",
    "mlflow",
    "raytune",
    "tensorboard",
    "wandb",
    "vscode_msg",
    "openvino_msg",
)


@lru_cache(maxsize=1)
def prepare_ultralytics() -> TemporaryDirectory[str]:
    """Make ultralytics ready in this process; call it before anything else of it is imported.

    Returns the folder that it takes for its home, which goes with the process.

    Raises:
        RuntimeError: it was imported before, as it is.
    """
    home = TemporaryDirectory(prefix="wunderkammer-ultralytics-", ignore_cleanup_errors=True)
    os.environ.update(ENVIRONMENT, YOLO_CONFIG_DIR=home.name)
    from ultralytics import utils

    if utils.ONLINE or not utils.SAFE_LOAD:
        raise RuntimeError(
            "ultralytics was imported before prepare_ultralytics(), so it may ask the network and "
            "run what checkpoints say; call prepare_ultralytics() first"
        )
    utils.SETTINGS.update(dict.fromkeys(SILENT, False))
    return home
