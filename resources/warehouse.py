"""Where images, manifests, checkpoints and films are kept."""

import dagster as dg

from wunderkammer.storage.store import Store, open_store


class Warehouse(dg.ConfigurableResource[None]):
    """The store that every stage reads and writes: a folder or an object-store URL."""

    location: str | None = None

    def open(self) -> Store:
        """The configured store, else the one that `WUNDERKAMMER_DATA` names, else `data/`."""
        return Store(self.location) if self.location else open_store()
