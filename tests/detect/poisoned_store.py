"""A store that kills who reads from it; imports little, since each worker imports it."""

import os
import signal

from wunderkammer.storage.store import Store


class PoisonedStore(Store):
    """Reading one of its objects ends the process, as a decoder that crashes does."""

    def __init__(self, location, poison):
        super().__init__(location)
        self.poison = poison

    def __getstate__(self):
        return {**super().__getstate__(), "poison": self.poison}

    def __setstate__(self, state):
        super().__setstate__(state)
        self.poison = state["poison"]

    def read(self, key):
        if key.endswith(self.poison):
            os.kill(os.getpid(), signal.SIGKILL)
        return super().read(key)
