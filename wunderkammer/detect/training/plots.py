"""The course of a detector's training and what came of it, as pictures."""

import io
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from wunderkammer.detect.training.average_precision import (
    RECALLS,
    ClassPrecision,
    Examined,
    matches,
)
from wunderkammer.detect.training.state import Epoch
from wunderkammer.images.contact_sheet import MAX_TILES, Tile, contact_sheet
from wunderkammer.labels.sheet import SOUND, DrawnBox, drawn
from wunderkammer.storage.blobs import Blobs

PANEL_INCHES = (3.4, 3.0)
MAX_CURVES = 10
LOSSES = ("box_loss", "cls_loss", "dfl_loss")
MEASURES = ("mAP50", "mAP50-95", "precision", "recall")
FOUND = (255, 140, 0)
SHOWN_OVERLAP = 0.5


def training_plot(history: Sequence[Epoch], *, best_epoch: int) -> bytes:
    """A PNG of losses and measures over the epochs."""
    figure, panels = _panels(len(LOSSES) + 1)
    for axes, loss in zip(panels, LOSSES, strict=False):
        for side, label in (("train", "trained on"), ("val", "held out")):
            points = [(e["epoch"], e[f"{side}/{loss}"]) for e in history if f"{side}/{loss}" in e]
            if points:
                axes.plot(*zip(*points, strict=True), marker=".", label=label)
        axes.set_title(loss.replace("_", " "), fontsize="medium")
    for name in MEASURES:
        points = [(epoch["epoch"], epoch[name]) for epoch in history if name in epoch]
        if points:
            panels[-1].plot(*zip(*points, strict=True), marker=".", label=name)
    panels[-1].axvline(best_epoch, color="0.6", linewidth=1)
    panels[-1].set_title("held out, by epoch", fontsize="medium")
    for axes in panels:
        axes.set_xlabel("epoch")
        _finish(axes)
    return _png(figure)


def precision_recall_plot(classes: Mapping[str, ClassPrecision]) -> bytes:
    """A PNG of precision over recall at an overlap of 0.5, of the classes with the most boxes."""
    figure, (axes,) = _panels(1)
    frequent = sorted(classes.items(), key=lambda item: -item[1].num_boxes)
    for name, found in frequent[:MAX_CURVES]:
        axes.plot(RECALLS, found.precision, label=f"{name[:20]} {found.ap50:.2f}")
    if len(classes) > 1:
        mean = np.mean([found.precision for found in classes.values()], axis=0)
        axes.plot(RECALLS, mean, color="black", linewidth=2, label=f"mean {mean.mean():.2f}")
    axes.set_title("precision over recall", fontsize="medium")
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1.02)
    axes.set_xlabel("recall")
    _finish(axes)
    return _png(figure)


def held_out_sheet(
    rows: pa.Table,
    examined: Sequence[Examined | None],
    names: Sequence[str],
    *,
    confidence: float,
    blobs: Blobs,
) -> bytes:
    """A contact sheet of pictures held out, the worst first: labelled boxes green, found orange.

    Args:
        rows: of `DATASET`, in the order of `examined`.
        confidence: from which a box found counts.
    """
    known = [(place, picture) for place, picture in enumerate(examined) if picture is not None]
    errors = {place: _errors(picture, len(names), confidence) for place, picture in known}
    worst = sorted(known, key=lambda item: -sum(errors[item[0]]))[:MAX_TILES]
    tiles = []
    for place, picture in worst:
        row = rows.slice(place, 1).to_pylist()[0]
        is_sure = picture.confidence_F >= confidence
        boxes = [DrawnBox(box, SOUND) for box in picture.boxes_L4.tolist()]
        boxes += [DrawnBox(box, FOUND) for box in picture.found_F4[is_sure].tolist()]
        content = blobs.get(row["picture_sha256"])
        shown = drawn(content, boxes, width=row["width"], height=row["height"])
        missed, wrong = errors[place]
        tiles.append(Tile(shown, f"{row['name']}\nmissed {missed}, wrong {wrong}"))
    title = (
        f"{len(tiles)} of {rows.num_rows} held out, the worst first; found from {confidence:.2f}"
    )
    return contact_sheet(tiles, title=title)


def _errors(picture: Examined, num_classes: int, confidence: float) -> tuple[int, int]:
    """How many labelled boxes were missed, and how many boxes found are none."""
    is_sure = picture.confidence_F >= confidence
    sure = Examined(
        picture.boxes_L4,
        picture.classes_L,
        picture.found_F4[is_sure],
        picture.confidence_F[is_sure],
        picture.found_classes_F[is_sure],
    )
    num_hits = sum(int(matches(sure, n, SHOWN_OVERLAP).sum()) for n in range(num_classes))
    return len(picture.boxes_L4) - num_hits, int(is_sure.sum()) - num_hits


def _panels(num: int) -> tuple[Figure, Sequence[Axes]]:
    width, height = PANEL_INCHES
    figure = Figure(figsize=(width * num, height), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    return figure, [figure.add_subplot(1, num, place + 1) for place in range(num)]


def _finish(axes: Axes) -> None:
    axes.grid(alpha=0.3)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize="small")


def _png(figure: Figure) -> bytes:
    sink = io.BytesIO()
    figure.savefig(sink, format="png")
    return sink.getvalue()
