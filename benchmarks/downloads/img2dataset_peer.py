"""img2dataset, told to keep every file as it came; it hashes them too, as is its default."""

import math

from img2dataset import download

from benchmarks.downloads.clock import Task, found_below, read_task, run

OUTPUT = "output"
SHARDS_A_PROCESS = 4


def _work(task: Task) -> None:
    download(
        url_list=str(task.folder / "list.txt"),
        output_folder=str(task.folder / OUTPUT),
        output_format="files",
        resize_mode="no",
        disable_all_reencoding=True,
        processes_count=task.processes,
        thread_count=task.threads,
        # As many shards as keep every process busy to the end.
        number_sample_per_shard=math.ceil(task.num_files / (SHARDS_A_PROCESS * task.processes)),
    )


if __name__ == "__main__":
    given = read_task()
    (given.folder / "list.txt").write_text("\n".join(given.urls()))
    run(lambda: _work(given), lambda _: found_below(given.folder / OUTPUT, f"*.{given.form}"))
