"""What looking for objects costs on a CPU: ultralytics with torch, and our ways, in one run.

    python benchmarks/detect.py [--weights FILE] [--pictures FOLDER] [--write]

From files to boxes. Without weights, a network is trained first, on discs and squares, which takes
a minute; without pictures, some with discs and squares are drawn.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path


def main(arguments: list[str] | None = None) -> None:
    """Compare, and print the table."""
    options = parse(arguments)
    # What follows counts the CPUs that it may use.
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.threads])
    # Here, since the processes of the contestants import this file too: a decoder needs none of it.
    from benchmarks.detection.contest import compete
    from benchmarks.detection.report import section
    from benchmarks.detection.task import lay_out
    from benchmarks.document import DOCUMENT, write_section

    with tempfile.TemporaryDirectory() as folder:
        task = lay_out(options, Path(folder))
        rounds = compete(task, num_rounds=options.rounds, num_few=options.few)
    words = sys.argv[1:] if arguments is None else arguments
    text = section(rounds, options, command=" ".join(["python benchmarks/detect.py", *words]))
    print(text)
    if options.write:
        write_section(DOCUMENT, text)


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=formatter)
    parser.add_argument("--weights", type=Path, help="of a detector")
    parser.add_argument("--pictures", type=Path, help="a folder of JPEG files")
    parser.add_argument("--architecture", default="yolo11n", help="of the one that is trained")
    parser.add_argument("--size", type=int, default=640, metavar="PX")
    parser.add_argument("--few", type=int, default=16, help="pictures of the short run")
    parser.add_argument("--many", type=int, default=96, help="pictures of the long run")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--write", action="store_true", help="into docs/benchmarks.md too")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
