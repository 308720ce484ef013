"""The comparison in Markdown."""

import platform

import torch

from benchmarks.document import table
from benchmarks.side_by_side.peak import floor_s_per_kimg
from benchmarks.side_by_side.referee import Comparison, Timing
from benchmarks.side_by_side.worker import OURS


def heading(device: str, *, command: str) -> str:
    """The start of a device's section: what was run on what."""
    versions = f"Python {platform.python_version()}, torch {torch.__version__}"
    return "\n\n".join([f"## Training on {device}", f"{versions}. Command: `{command}`.", LEGEND])


LEGEND = """\
s/kimg is the time that 1,000 images take, of a step with lazy regularisation: each phase at its \
median, as often as it is due. Contestants take turns, a process each; the same weights gave the \
same losses and gradients in all. The floor is the time of the multiply-adds of convolutions and \
dense layers at the rate of the fastest large matrix product or convolution on this device in the \
same run, in 16 bits for the four highest resolutions and in 32 below. Seconds a phase are wall \
time, in brackets CPU time of all threads."""


def tables(comparison: Comparison) -> str:
    """How fast each contestant is, as a whole and by phase."""
    setting = comparison.setting
    augment = (
        f"ADA `{setting.augment}` at p {setting.probability}"
        if setting.augment
        else "no augmentation"
    )
    rates = ", ".join(f"{v / 1e12:.3g} TFLOP/s {k}" for k, v in comparison.rates.items())
    floor = floor_s_per_kimg(setting, comparison.rates)
    facts = (
        f"{augment}; the peers compute {setting.part} samples at once; the device does {rates}; "
        f"floor {floor:.3g} s/kimg."
    )
    blocks = [f"### {setting.name}", facts, _summary(comparison, floor), _phases(comparison)]
    remarks = [f"{t.name}: {t.remark}." for t in comparison.timings]
    return "\n\n".join([*blocks, " ".join(remarks)])


def _summary(comparison: Comparison, floor: float) -> str:
    pace = {t.name: comparison.setting.s_per_kimg(t.wall_s) for t in comparison.timings}
    rivals = [name for name in pace if name != OURS]
    head = ["", "s/kimg", "CPU-s/kimg", "images/s", "memory MB", "share of the floor"]
    rows = []
    for timing in comparison.timings:
        s = pace[timing.name]
        row = [timing.name, f"{s:.3g}" if s < 100 else f"{s:.0f}"]
        row += [f"{comparison.setting.s_per_kimg(timing.cpu_s):.0f}", f"{1000 / s:.3g}"]
        row += [f"{timing.memory_mb:.0f}", f"{floor / s:.0%}"]
        rows.append([*row, *(f"{pace[rival] / s:.2f}" for rival in rivals)])
    return table([*head, *(f"over {rival}" for rival in rivals)], rows)


def _phases(comparison: Comparison) -> str:
    parts = list(comparison.setting.intervals)
    rows = [[t.name, *(_seconds(t, part) for part in parts)] for t in comparison.timings]
    return table(["seconds", *parts], rows)


def _seconds(timing: Timing, part: str) -> str:
    """A contestant that does several phases in one go counts them in the rest."""
    if part not in timing.wall_s:
        return "in rest"
    return f"{timing.wall_s[part]:.3f} ({timing.cpu_s[part]:.3f})"
