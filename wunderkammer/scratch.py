"""Working files that are no part of any version: TensorBoard's logs, files being written."""

import os
from collections.abc import Mapping
from pathlib import Path

from wunderkammer.storage.store import DEFAULT_DATA, Store


def scratch_folder(store: Store, environ: Mapping[str, str] = os.environ) -> Path:
    """`WUNDERKAMMER_SCRATCH`, else `scratch/` of a store on a disk, else `data/scratch/`."""
    named = environ.get("WUNDERKAMMER_SCRATCH")
    if named:
        return Path(named).expanduser()
    root = store.root if store.root is not None else DEFAULT_DATA
    return root / "scratch"
