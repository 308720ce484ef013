"""The comparison in Markdown."""

import platform
from collections.abc import Sequence
from importlib.metadata import version

from benchmarks.document import table
from benchmarks.downloads.rounds import IMG2DATASET, LIMIT, REQUESTS, Result

PEERS = (REQUESTS, IMG2DATASET)

LEGEND = """\
A site on this machine, in a process of its own, gives a JPEG of its own under each path. \
Contestants take turns, a process each; files/s is the median over rounds, from the first look at \
the list to the last file in its place, the start of worker processes included and imports not. \
The limit asks over 16 connections, counts bytes and does nothing else. `our network` fetches and \
hashes; `our raw_scrape` also stores, decodes and records each picture, draws contact sheets and \
commits. The requests loop writes each file; img2dataset hashes and writes each file \
(`resize_mode` no, `disable_all_reencoding`, `output_format` files), with the numbers of processes \
and threads that were best of those tried. CPU time is that of all processes of a contestant, the \
site's apart."""


def heading(device: str, *, command: str, versions: Sequence[str]) -> str:
    """The start of a device's section: what was run on what."""
    ours = [f"Python {platform.python_version()}", f"pycurl {version('pycurl')}", *versions]
    facts = f"{', '.join(ours)}. Command: `{command}`."
    return "\n\n".join([f"## Downloads on {device}", facts, LEGEND])


def summary(results: Sequence[Result]) -> str:
    """How fast each contestant is, against the limit and against the peers."""
    pace = {result.contestant.name: result.files_per_s for result in results}
    rivals = [name for name in PEERS if name in pace]
    head = ["", "files/s", "least", "most", "CPU µs a file", "of the site", "share of the limit"]
    rows = []
    for result in results:
        name = result.contestant.name
        row = [name, *(f"{number:.0f}" for number in (pace[name], *result.extremes))]
        row += [f"{result.us_per_file(what):.0f}" for what in ("cpu_s", "site_cpu_s")]
        row.append(f"{pace[name] / pace[LIMIT]:.0%}")
        rows.append([*row, *(f"{pace[name] / pace[rival]:.2f}" for rival in rivals)])
    lines = [table([*head, *(f"over {rival}" for rival in rivals)], rows)]
    first = results[0].rounds[0]
    num_files = results[0].num_files
    facts = f"{num_files} files of {first.num_bytes / num_files / 1000:.1f} KB, "
    facts += f"{len(results[0].rounds)} rounds."
    for result in results:
        if result.contestant.name == IMG2DATASET:
            best = result.contestant
            facts += f" img2dataset: {best.processes} processes of {best.threads} threads."
    return "\n\n".join([facts, *lines])
