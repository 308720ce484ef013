"""What one writes at first: a loop over the URLs with one session of requests."""

import requests

from benchmarks.downloads.clock import Counts, Task, as_counted, read_task, run


def _work(task: Task) -> Counts:
    num_bytes = 0
    with requests.Session() as session:
        for number, url in enumerate(task.urls()):
            answer = session.get(url, timeout=10)
            answer.raise_for_status()
            num_bytes += (task.folder / f"{number}.{task.form}").write_bytes(answer.content)
    return task.num_files, num_bytes


if __name__ == "__main__":
    given = read_task()
    run(lambda: _work(given), as_counted)
