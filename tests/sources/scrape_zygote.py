"""A process that has everything imported, and forks a scrape for each line of its input.

A line names a folder of a test (`Scraper`); the answer is the pid of the child, which scrapes in
one process and exits with 0. The zygote itself never touches the store: its threads would be lost
in a child.
"""

import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from scraping import Scraper, stream_here

from wunderkammer import ledger_map


def main() -> None:
    ledger_map.guarded_stream = stream_here
    for line in sys.stdin:
        order = json.loads(line)
        pid = os.fork()
        if pid == 0:
            Scraper(Path(order["folder"]))(**order["section"])
            os._exit(0)
        print(pid, flush=True)
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main()
