"""Ours without a scrape around it: every URL through `Network.download`, its content hashed."""

import asyncio

from benchmarks.downloads.clock import Counts, Task, as_counted, read_task, run
from benchmarks.downloads.conduct import NUM_CONNECTIONS, conduct
from wunderkammer.conduct.loop import run_loop
from wunderkammer.conduct.network import Network
from wunderkammer.conduct.params import ConductParams
from wunderkammer.conduct.requests import Download

MAX_BYTES = 1 << 20


async def _download_all(task: Task) -> Counts:
    params = ConductParams.model_validate_json(conduct(task.port))
    network = Network(params, contact=str(params.contact), scratch=task.folder)
    urls = iter(task.urls())
    sizes = []

    async def download() -> None:
        for url in urls:
            found = await network.download(Download(url=url, max_bytes=MAX_BYTES, robots=True))
            sizes.append(found.num_bytes)

    # More at once than connections, so that none of them waits for the next URL.
    await asyncio.gather(*(download() for _ in range(2 * NUM_CONNECTIONS)))
    await network.close()
    return len(sizes), sum(sizes)


if __name__ == "__main__":
    given = read_task()
    run(lambda: run_loop(_download_all(given)), as_counted)
