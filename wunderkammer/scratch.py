"""Working files that are no part of any version: TensorBoard's logs, files being written."""

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from wunderkammer.storage.store import DEFAULT_DATA, Store


def scratch_folder(store: Store, environ: Mapping[str, str] = os.environ) -> Path:
    """`WUNDERKAMMER_SCRATCH`, else `scratch/` of a store on a disk, else `data/scratch/`."""
    named = environ.get("WUNDERKAMMER_SCRATCH")
    if named:
        return Path(named).expanduser()
    root = store.root if store.root is not None else DEFAULT_DATA
    return root / "scratch"


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Have a folder to oneself, for as long as this process lives at most; it is made if need be.

    Raises:
        BlockingIOError: another process has it, or another part of this one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
