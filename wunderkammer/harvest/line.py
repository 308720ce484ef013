"""A network with its event loop, in a thread of its own."""

import asyncio
from collections.abc import Coroutine
from concurrent.futures import Future
from pathlib import Path
from threading import Thread
from typing import Any, TypeVar

from wunderkammer.conduct.loop import new_event_loop
from wunderkammer.conduct.network import Network
from wunderkammer.conduct.params import ConductParams

T = TypeVar("T")


class NetworkLine:
    """Runs coroutines on one `Network` beside the main thread; a context manager."""

    def __init__(self, params: ConductParams, *, contact: str, scratch: Path) -> None:
        self.network = Network(params, contact=contact, scratch=scratch)
        self._loop = new_event_loop()
        self._thread = Thread(target=self._run, name="network", daemon=True)
        self._thread.start()

    def start(self, coroutine: Coroutine[Any, Any, T]) -> "Future[T]":
        """Begin a coroutine; cancelling the future cancels it."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def close(self) -> None:
        """Cancel what runs and close the connections."""
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    async def _end(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await self.network.close()
