import asyncio
import sys

import pytest

from wunderkammer.conduct.loop import new_event_loop, run_loop


def test_a_loop_gives_the_result_and_is_closed():
    async def main():
        return asyncio.get_running_loop()

    assert run_loop(main()).is_closed()


def test_an_error_comes_through():
    async def main():
        raise LookupError("gone")

    with pytest.raises(LookupError, match="gone"):
        run_loop(main())


def test_without_uvloop_the_loop_can_still_watch_sockets(monkeypatch):
    monkeypatch.setitem(sys.modules, "uvloop", None)
    loop = new_event_loop()
    assert isinstance(loop, asyncio.SelectorEventLoop)
    loop.close()
