"""What the search for near-duplicates costs: ours, faiss's exact ones and imagededup's, in one run.

    python benchmarks/dedupe.py [--peers PYTHON] [--size NUMBER] [--rounds NUMBER] [--write]

All pairs of 64-bit hashes within a Hamming distance, of random hashes with planted neighbours; each
search in a process of its own, in turn. All find the same pairs, or it stops. PYTHON is that of an
environment with what benchmarks/peers.txt names; `make peers` makes one in .peers, which is looked
at without this option.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.document import DOCUMENT, processor, table, write_section

CONTESTANT = Path(__file__).parent / "duplicates" / "contestant.py"
OWN_PEERS = Path(__file__).parents[1] / ".peers" / "bin" / "python"
PACKAGES = ("faiss-cpu", "imagededup", "numpy")
DISTANCES = (8, 10)
NUM_COPIES = 2000
PEERS = {"faiss flat": (50_000, 200_000), "faiss multi-hash": (20_000,), "imagededup": (10_000,)}


@dataclass(frozen=True)
class Contest:
    """What is searched: so many hashes, the distance, copies of one, and how many are known."""

    size: int
    distance: int
    copies: int = 0
    known: int = 0

    def words(self, name: str) -> list[str]:
        """The arguments of the contestant."""
        numbers = (self.size, self.distance, "--copies", self.copies, "--known", self.known)
        return [name, *map(str, numbers)]


@dataclass(frozen=True)
class Outcome:
    """Medians of CPU-seconds and of MiB beyond the data, and how many pairs there are."""

    cpu_s: float
    peak_mb: float
    num_pairs: int


def main(arguments: list[str] | None = None) -> None:
    """Compare, and print the tables."""
    options = parse(arguments)
    own = (whole_rows(options.size, options.rounds), added_rows(options.size, options.rounds))
    peers = peer_rows(options.peers, options.rounds) if options.peers.exists() else []
    words = sys.argv[1:] if arguments is None else arguments
    text = section(
        *own,
        peers=peers,
        command=" ".join(["python benchmarks/dedupe.py", *words]),
        versions=versions(options.peers) if peers else "none, for want of `make peers`",
    )
    print(text)
    if options.write:
        write_section(DOCUMENT, text)


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=formatter)
    parser.add_argument("--peers", type=Path, default=OWN_PEERS, metavar="PYTHON")
    parser.add_argument("--size", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--write", action="store_true", help="into docs/benchmarks.md too")
    return parser.parse_args(arguments)


def whole_rows(size: int, num_rounds: int) -> list[list[str]]:
    """Ours on all hashes, with and without a crowd of equal ones."""
    rows = []
    for distance in DISTANCES:
        for copies in (0, min(NUM_COPIES, size // 4)):
            outcome = raced({"ours": sys.executable}, Contest(size, distance, copies), num_rounds)
            rows.append(
                [
                    f"{distance} bits{f', one hash {copies:,} times' if copies else ''}",
                    *figures(outcome["ours"]),
                ]
            )
    return rows


def added_rows(size: int, num_rounds: int) -> list[list[str]]:
    """What it costs that a hundredth is new: the search, and the search with its memory."""
    rows = []
    known = size - size // 100
    for distance in DISTANCES:
        whole, added, remembered = (
            raced({name: sys.executable}, Contest(size, distance, known=num), num_rounds)[name]
            for name, num in (("ours", 0), ("ours", known), ("remembered", known))
        )
        for what, outcome in (
            ("all", whole),
            ("only pairs with a new one", added),
            ("all pairs, those of the known ones remembered", remembered),
        ):
            share = f"{100 * outcome.cpu_s / whole.cpu_s:.1f} %"
            rows.append([f"{distance} bits: {what}", *figures(outcome), share])
    return rows


def peer_rows(python: Path, num_rounds: int) -> list[list[str]]:
    """Each peer beside ours, where it finishes."""
    rows = []
    for peer, sizes in PEERS.items():
        for size in sizes:
            for distance in DISTANCES:
                both = {"ours": sys.executable, peer: str(python)}
                found = raced(both, Contest(size, distance), num_rounds)
                ratio = found[peer].cpu_s / found["ours"].cpu_s
                rows.append(
                    [
                        f"{peer}, {size:,} hashes, {distance} bits",
                        f"{found[peer].cpu_s:.3g}",
                        f"{found['ours'].cpu_s:.3g}",
                        f"{ratio:.3g}",
                    ]
                )
    return rows


def raced(pythons: dict[str, str], contest: Contest, num_rounds: int) -> dict[str, Outcome]:
    """The outcome of each contestant, by name; they take turns.

    Raises:
        RuntimeError: they do not find the same pairs.
    """
    print(contest, *pythons, file=sys.stderr, flush=True)
    told: dict[str, list[dict[str, float]]] = {name: [] for name in pythons}
    for _ in range(num_rounds):
        for name, python in pythons.items():
            told[name].append(searched(python, contest.words(name)))
    if len({one["pairs"] for all_ in told.values() for one in all_}) != 1:
        raise RuntimeError(f"{' and '.join(pythons)} do not find the same pairs in {contest}")
    return {
        name: Outcome(
            cpu_s=median(one["cpu_s"] for one in all_),
            peak_mb=median(one["peak_mb"] for one in all_),
            num_pairs=int(all_[0]["num_pairs"]),
        )
        for name, all_ in told.items()
    }


def searched(python: str, words: Sequence[str]) -> dict[str, float]:
    """What a contestant tells."""
    done = subprocess.run(
        [python, str(CONTESTANT), *words], check=True, stdout=subprocess.PIPE, text=True
    )
    told: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return told


def figures(outcome: Outcome) -> list[str]:
    """The cells of an outcome."""
    return [f"{outcome.cpu_s:.3g}", f"{outcome.peak_mb:.0f}", f"{outcome.num_pairs:,}"]


def versions(python: Path) -> str:
    """Of the peers."""
    code = "import sys; from importlib.metadata import version\n"
    code += "for name in sys.argv[1:]: print(name, version(name))"
    command = [str(python), "-c", code, *PACKAGES]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return ", ".join(done.stdout.splitlines())


def section(
    whole: list[list[str]],
    added: list[list[str]],
    *,
    peers: list[list[str]],
    command: str,
    versions: str,
) -> str:
    """What was run on what, and what came out."""
    cost = ["CPU-s", "MiB beyond the data", "pairs"]
    parts = [
        f"## Search for near-duplicates on one core of {processor()}",
        f"Peers: {versions}. Command: `{command}`.",
        "All pairs of 64-bit hashes within a Hamming distance, none missed: random hashes, of "
        "which one in fifty has a neighbour within 12 bits. Medians of processes that took turns, "
        "after a small search that compiles or loads what is needed; all found the same pairs.",
        table(["all hashes", *cost], whole),
        "A hundredth is new. It is in 1.99 % of all pairs of hashes.",
        table(["a hundredth is new", *cost, "of all"], added),
    ]
    if peers:
        parts += [
            "faiss flat is `IndexBinaryFlat.range_search` on one thread, which compares each hash "
            "with each; faiss multi-hash is `IndexBinaryMultiHash` with as many bits flipped as "
            "make it exact; imagededup is its own compiled search, its default, with the time of "
            "its processes. Sizes are those that finish in a minute.",
            table(["against", "CPU-s", "ours, CPU-s", "ratio"], peers),
        ]
    return "\n\n".join(parts)


if __name__ == "__main__":
    main()
