"""docs/benchmarks.md: a section for each benchmark and device, and what tables are made of."""

from collections.abc import Iterable, Sequence
from pathlib import Path

DOCUMENT = Path(__file__).parents[1] / "docs" / "benchmarks.md"

INTRODUCTION = """# Benchmarks

Each section is what a benchmark wrote with `--write`, on the device in its heading. `make bench` \
runs them all. `make peers` makes `.peers` first, with what the benchmarks of downloads and of \
duplicates compare with. For a comparison with NVlabs/stylegan2-ada-pytorch itself, point the \
training benchmark to a checkout of it:

    .venv/bin/python benchmarks/train.py --reference CHECKOUT --write
"""


def write_section(path: Path, text: str) -> None:
    """Put a section into a document, in place of the one with the same heading."""
    before = path.read_text() if path.is_file() else INTRODUCTION
    introduction, *sections = before.split("\n## ")
    heading = text.split("\n", 1)[0].removeprefix("## ")
    kept = [s for s in sections if s.split("\n", 1)[0] != heading]
    parts = [introduction, *kept, text.removeprefix("## ")]
    path.write_text("\n\n## ".join(part.strip() for part in parts) + "\n")


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown; its first column is text, the others are numbers."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def processor() -> str:
    """The name of this machine's processor."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else "a CPU"
