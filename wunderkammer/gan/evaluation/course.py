"""Each measure over the images that were shown: a table and a picture."""

import io
from collections.abc import Mapping

import pyarrow as pa
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

SCHEMA = pa.schema([("measure", pa.string()), ("kimg", pa.float64()), ("value", pa.float64())])
COURSE_COLUMNS = ("num_images", "elapsed_s", "images_per_s", "memory_mb")

NUM_COLUMNS = 4
MAX_PANELS = 16
MAX_MARKED = 50
PANEL_INCHES = (3.0, 2.1)
RESOLUTIONS_DPI = (80, 60, 40)
MAX_BYTES = 200_000


def course_of(stats: pa.Table, *, num_images: int, final: Mapping[str, float]) -> pa.Table:
    """A row a measure and moment: those of every tick, then the `final` ones of the checkpoint.

    `stats` is `stats.parquet` of the training, a row a tick; what a tick did not measure is left
    out.
    """
    rows = [
        {"measure": name, "kimg": kimg / 1000, "value": value}
        for name in stats.column_names
        if name not in COURSE_COLUMNS
        for kimg, value in zip(
            stats["num_images"].to_pylist(), stats[name].to_pylist(), strict=True
        )
        if value is not None
    ]
    rows += [{"measure": k, "kimg": num_images / 1000, "value": v} for k, v in final.items()]
    return pa.Table.from_pylist(rows, SCHEMA)


def course_plot(course: pa.Table, *, num_images: int) -> bytes:
    """A PNG of at most 200 kB with a panel a measure; a line marks the checkpoint's own moment.

    Distances come first. A measure of one moment only is a number and no course: it has no panel.
    """
    points: dict[str, list[tuple[float, float]]] = {}
    for row in course.to_pylist():
        points.setdefault(row["measure"], []).append((row["kimg"], row["value"]))
    names = [name for name, course_of_name in points.items() if len(course_of_name) > 1]
    names.sort(key=lambda name: (not name.startswith("distance/"), name))
    names = names[:MAX_PANELS]
    num_rows = max(1, -(-len(names) // NUM_COLUMNS))
    figure = Figure(
        figsize=(PANEL_INCHES[0] * NUM_COLUMNS, PANEL_INCHES[1] * num_rows), layout="constrained"
    )
    FigureCanvasAgg(figure)
    panels = figure.subplots(num_rows, NUM_COLUMNS, squeeze=False).ravel()
    for axes, name in zip(panels, names, strict=False):
        marker = "." if len(points[name]) <= MAX_MARKED else None
        axes.plot(*zip(*points[name], strict=True), marker=marker)
        axes.axvline(num_images / 1000, color="grey", linestyle=":")
        axes.set_title(name, fontsize="small")
        axes.set_xlabel("kimg", fontsize="small")
        axes.tick_params(labelsize="small")
        axes.grid(alpha=0.3)
    for axes in panels[len(names) :]:
        axes.set_axis_off()
    return _png_within(figure)


def _png_within(figure: Figure) -> bytes:
    content = b""
    for dpi in RESOLUTIONS_DPI:
        sink = io.BytesIO()
        figure.savefig(sink, format="png", dpi=dpi)
        content = sink.getvalue()
        if len(content) <= MAX_BYTES:
            break
    return content
