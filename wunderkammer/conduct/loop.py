"""The event loop of a scrape: uvloop where there is one."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def new_event_loop() -> asyncio.AbstractEventLoop:
    """A loop that can watch the sockets of libcurl."""
    try:
        import uvloop
    except ModuleNotFoundError:  # not on Windows
        return asyncio.SelectorEventLoop()
    return uvloop.new_event_loop()


def run_loop(main: Coroutine[Any, Any, T]) -> T:
    """Run `main` on a loop of its own, in this thread, and give its result."""
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(main)
