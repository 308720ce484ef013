"""The course of a training as one picture."""

import io
from collections.abc import Sequence

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from wunderkammer.gan.checkpoints.archive import Tick

PANELS = (
    ("Loss", ("loss/generator", "loss/discriminator")),
    ("R1: mean squared gradient", ("loss/r1_penalty",)),
    ("Mean sign of scores", ("scores/real_sign", "scores/fake_sign")),
)


def loss_plot(ticks: Sequence[Tick]) -> bytes:
    """Losses, R1 and the signs of the discriminator's scores over the images shown: a PNG."""
    figure = Figure(figsize=(10, 3), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    for axes, (title, names) in zip(figure.subplots(1, len(PANELS)), PANELS, strict=True):
        for name in names:
            points = [(t.num_images / 1000, t.measures[name]) for t in ticks if name in t.measures]
            if points:
                axes.plot(*zip(*points, strict=True), marker=".", label=name.split("/")[1])
        axes.set_title(title, fontsize="medium")
        axes.set_xlabel("kimg")
        axes.grid(alpha=0.3)
        if axes.lines:
            axes.legend(fontsize="small")
    sink = io.BytesIO()
    figure.savefig(sink, format="png")
    return sink.getvalue()
