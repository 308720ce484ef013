"""The course of a training as one picture."""

import io
from collections.abc import Sequence

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from wunderkammer.gan.checkpoints.archive import Tick

PANELS = (
    ("Loss", ("loss/generator", "loss/discriminator")),
    ("Penalties", ("scores/r1_penalty", "scores/r2_penalty", "scores/gradient_penalty")),
    ("Mean sign of scores", ("scores/real_sign", "scores/fake_sign")),
    ("Diversity, ADA's p", ("health/diversity", "augment/p")),
    ("Distance to the pictures", ("distance/sliced_wasserstein",)),
)
PANEL_INCHES = (3.4, 3.0)


def loss_plot(ticks: Sequence[Tick]) -> bytes:
    """Losses, penalties, scores and distance over the images shown, as far as measured: a PNG."""
    panels = {title: curves for title, names in PANELS if (curves := _curves(ticks, names))}
    width, height = PANEL_INCHES
    figure = Figure(figsize=(width * max(len(panels), 1), height), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    for number, (title, curves) in enumerate(panels.items(), start=1):
        axes = figure.add_subplot(1, len(panels), number)
        for name, points in curves.items():
            axes.plot(*zip(*points, strict=True), marker=".", label=name.split("/")[1])
        axes.set_title(title, fontsize="medium")
        axes.set_xlabel("kimg")
        axes.grid(alpha=0.3)
        axes.legend(fontsize="small")
    sink = io.BytesIO()
    figure.savefig(sink, format="png")
    return sink.getvalue()


def _curves(ticks: Sequence[Tick], names: Sequence[str]) -> dict[str, list[tuple[float, float]]]:
    """Points (kimg, value) of each measure that some tick has."""
    points = {
        name: [(t.num_images / 1000, t.measures[name]) for t in ticks if name in t.measures]
        for name in names
    }
    return {name: found for name, found in points.items() if found}
