"""Files a second of our network and of a whole raw_scrape, beside other ways to fetch a list.

    python benchmarks/download.py [--peers PYTHON] [--many NUMBER] [--write]

PYTHON is that of an environment with what benchmarks/peers.txt names; `make peers` makes one in
.peers, which is looked at without this option. With --many, so many tiny pictures are scraped and
scraped again, to see the time, the memory and the requests that this takes.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

from benchmarks.document import DOCUMENT, processor, write_section
from benchmarks.downloads import many
from benchmarks.downloads.rounds import IMG2DATASET, OURS, REQUESTS, Contestant, compare
from benchmarks.downloads.table import heading, summary

OWN_PEERS = Path(__file__).parents[1] / ".peers" / "bin" / "python"
NUM_FILES = 5000
MODULES = {REQUESTS: "requests", IMG2DATASET: "img2dataset"}
FIND_VERSION = "import importlib.metadata, sys; print(importlib.metadata.version(sys.argv[1]))"


def main(arguments: list[str] | None = None) -> None:
    """Compare, and print the table."""
    options = parse(arguments)
    peers, versions = find_peers(options.peers)
    parts = [heading(device_name(), command=command(arguments), versions=versions)]
    print(parts[0], flush=True)
    results = compare([*OURS, *peers], num_files=options.files, num_rounds=options.rounds, say=say)
    parts.append(summary(results))
    print(f"\n{parts[-1]}", flush=True)
    if options.many:
        parts.append(many.summary(many.scrape_many(options.many, say=say), num_files=options.many))
        print(f"\n{parts[-1]}", flush=True)
    if options.write:
        write_section(DOCUMENT, "\n\n".join(parts))


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=formatter)
    parser.add_argument("--peers", type=Path, metavar="PYTHON")
    parser.add_argument("--files", type=int, default=NUM_FILES, help="a round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--many", type=int, metavar="NUMBER", help="350000 takes minutes")
    parser.add_argument("--write", action="store_true", help="into docs/benchmarks.md too")
    return parser.parse_args(arguments)


def find_peers(python: Path | None) -> tuple[list[Contestant], list[str]]:
    """The peers that are installed, and their versions; of the others it is said that they aren't.

    requests comes with what this project depends on, so that it is there without an environment.
    """
    pythons = [python] if python is not None else [OWN_PEERS, Path(sys.executable)]
    peers, versions = [], []
    for name, module in MODULES.items():
        found = {str(one): version for one in pythons if (version := _version(one, module))}
        if not found:
            say(f"{name} is left out: {module} is not installed (`make peers` installs it)")
            continue
        where, version = next(iter(found.items()))
        peers.append(Contestant(name, f"{module}_{'loop' if name == REQUESTS else 'peer'}", where))
        versions.append(f"{module} {version}")
    return peers, versions


def _version(python: Path, module: str) -> str | None:
    if not python.exists():
        return None
    asking = [python, "-c", FIND_VERSION, module]
    done = subprocess.run(asking, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else None


def device_name() -> str:
    """As a reader would tell it."""
    return f"{os.cpu_count()} threads of {processor()}"


def command(arguments: list[str] | None) -> str:
    """The command line without the folder of a machine."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if "--peers" in words:
        words[words.index("--peers") + 1] = "PYTHON"
    return " ".join(["python benchmarks/download.py", *words])


def say(line: str) -> None:
    """Tell whoever waits."""
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
