"""The physical limit: connections that ask, count what comes, and do nothing else."""

import asyncio
from collections.abc import Iterator

from benchmarks.downloads.clock import Counts, Task, as_counted, read_task, run
from wunderkammer.conduct.loop import run_loop

NUM_CONNECTIONS = 16


class _Asking(asyncio.Protocol):
    def __init__(self, numbers: Iterator[int], task: Task) -> None:
        self.num_files = self.num_bytes = 0
        self.is_over = asyncio.get_running_loop().create_future()
        self._numbers = numbers
        self._task = task
        self._num_left = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._ask()

    def data_received(self, data: bytes) -> None:
        num_came = len(data)
        if not self._num_left:
            head, _, body = data.partition(b"\r\n\r\n")
            self._num_left = int(head.rpartition(b"Content-Length: ")[2])
            self.num_bytes += self._num_left
            num_came = len(body)
        self._num_left -= num_came
        if not self._num_left:
            self.num_files += 1
            self._ask()

    def _ask(self) -> None:
        number = next(self._numbers, None)
        if number is None:
            self._transport.close()
            self.is_over.set_result(None)
        else:
            request = f"GET /{number}.{self._task.form} HTTP/1.1\r\nHost: limit\r\n\r\n"
            self._transport.write(request.encode())


async def _ask_all(task: Task) -> Counts:
    loop = asyncio.get_running_loop()
    numbers = iter(range(task.num_files))
    asking = []
    for _ in range(NUM_CONNECTIONS):
        where = "127.0.0.1", task.port
        _, one = await loop.create_connection(lambda: _Asking(numbers, task), *where)
        asking.append(one)
    for one in asking:
        await one.is_over
    return sum(one.num_files for one in asking), sum(one.num_bytes for one in asking)


if __name__ == "__main__":
    given = read_task()
    run(lambda: run_loop(_ask_all(given)), as_counted)
