"""Seconds per kimg of our trainer, a stand-in for the reference, and the reference itself.

    python benchmarks/train.py [--reference CHECKOUT] [--write]

CHECKOUT is a folder with NVlabs/stylegan2-ada-pytorch; nothing in it is changed. Without it the
stand-in, which has the reference's structure of operations, is the peer. On a GPU the reference
builds its CUDA plugins first, which needs nvcc, ninja and a C++ compiler.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import torch
import yaml

from benchmarks.document import DOCUMENT, processor, write_section
from benchmarks.side_by_side.referee import compare
from benchmarks.side_by_side.setting import NETWORKS, Setting
from benchmarks.side_by_side.table import heading, tables
from benchmarks.side_by_side.worker import OURS, REFERENCE, STAND_IN
from wunderkammer.gan.augment.params import GROUPS, PRESETS

AUGMENTS = (*GROUPS, *PRESETS)
DEFAULTS = {
    "cpu": [("auto", 64), ("auto", 128)],
    "cuda": [("auto", 256), ("stylegan2", 1024)],
}
CPU_BATCH = 8
CPU_THREADS = 2
# A round holds every phase: on a CPU one step, on a GPU the 16 after which all of it comes again.
STEPS = {"cpu": 1, "cuda": 16}


def main(arguments: list[str] | None = None) -> None:
    """Compare, and print the tables."""
    options = parse(arguments)
    kind = torch.device(options.device).type
    names = [*(options.peers or peers(kind, has_reference=options.reference is not None)), OURS]
    parts = [heading(device_name(options), command=command(arguments))]
    print(parts[0], flush=True)
    for setting in settings(options):
        comparison = compare(
            setting,
            names,
            checkout=options.reference,
            num_rounds=options.rounds,
            num_steps=options.steps or STEPS[kind],
            say=lambda line: print(line, file=sys.stderr, flush=True),
        )
        parts.append(tables(comparison))
        print(f"\n{parts[-1]}", flush=True)
    if options.write:
        write_section(DOCUMENT, "\n\n".join(parts))


def peers(kind: str, *, has_reference: bool) -> list[str]:
    """On a GPU the stand-in tells nothing of a reference that has its own kernels and float16."""
    if not has_reference:
        return [STAND_IN]
    return [REFERENCE, STAND_IN] if kind == "cpu" else [REFERENCE]


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=formatter)
    parser.add_argument("--reference", type=Path, metavar="CHECKOUT")
    parser.add_argument("--preset", choices=NETWORKS, help="default: auto (GPU: and stylegan2)")
    parser.add_argument("--resolution", type=int, nargs="+", metavar="PX")
    parser.add_argument("--batch", type=int, help=f"default: the preset's; CPU: {CPU_BATCH}")
    parser.add_argument("--micro-batch", type=int, help="samples that the peers compute at once")
    parser.add_argument("--rounds", type=int, default=3, help="after one that is not counted")
    parser.add_argument("--steps", type=int, help="a round; default: 1, on a GPU 16")
    parser.add_argument("--threads", type=int, default=CPU_THREADS)
    parser.add_argument("--device", default="cuda:0" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--aug", default="bgc", choices=["none", *AUGMENTS])
    parser.add_argument("--p", type=float, default=0.2, help="probability of augmentation")
    parser.add_argument("--peers", nargs="+", choices=[REFERENCE, STAND_IN])
    parser.add_argument(
        "--set",
        nargs="+",
        default=[],
        metavar="KEY=VALUE",
        help="of ours, as in a recipe's train section: precision=bfloat16 micro_batch=4",
    )
    parser.add_argument("--write", action="store_true", help="into docs/benchmarks.md too")
    options = parser.parse_args(arguments)
    if options.reference is None and REFERENCE in (options.peers or []):
        parser.error("--peers reference needs --reference CHECKOUT")
    return options


def settings(options: argparse.Namespace) -> Iterator[Setting]:
    """What is to be compared, one after the other."""
    kind = torch.device(options.device).type
    pairs = DEFAULTS[kind]
    if options.preset or options.resolution:
        sides_px = options.resolution or [64]
        pairs = [(options.preset or "auto", side_px) for side_px in sides_px]
    for preset, side_px in pairs:
        yield Setting(
            preset=preset,
            resolution_px=side_px,
            device=options.device,
            batch=options.batch or (CPU_BATCH if kind == "cpu" else None),
            micro_batch=options.micro_batch,
            threads=options.threads if kind == "cpu" else 0,
            augment="" if options.aug == "none" else options.aug,
            probability=options.p,
            more={k: yaml.safe_load(v) for k, _, v in (s.partition("=") for s in options.set)},
        )


def device_name(options: argparse.Namespace) -> str:
    """As a reader would tell it."""
    if torch.device(options.device).type == "cuda":
        return torch.cuda.get_device_name(options.device)
    threads = f"{options.threads} thread{'s' if options.threads > 1 else ''}"
    return f"{threads} of {processor()}"


def command(arguments: list[str] | None) -> str:
    """The command line without the folder of a machine."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if "--reference" in words:
        words[words.index("--reference") + 1] = "CHECKOUT"
    return " ".join(["python benchmarks/train.py", *words])


if __name__ == "__main__":
    main()
