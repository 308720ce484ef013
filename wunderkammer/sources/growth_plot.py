"""How a collection has grown, as one picture."""

import io

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure

from wunderkammer.manifests import kept
from wunderkammer.sources.counts import OTHERS, named_sources

SIZE_INCHES = (6.8, 3.0)
MAX_CURVES = 8
MAX_POINTS = 400
MAX_MARKED = 50
MAX_NAME_CHARS = 40

Times = npt.NDArray[np.datetime64]


def growth_plot(manifest: pa.Table, *, kind: str) -> bytes:
    """The kept pictures of `RAW` over the times they were fetched at, a curve a source: a PNG.

    `kind` names the source of rows that name none.
    """
    rows = kept(manifest)
    times = pc.cast(rows["fetched_at"], pa.timestamp("s", "UTC"))
    times_N = times.cast(pa.timestamp("s")).to_numpy()
    by_source = _by_source(times_N, named_sources(rows, kind=kind))
    figure = Figure(figsize=SIZE_INCHES, dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for name, own_N in by_source.items():
        _draw(axes, own_N, name, until=times_N.max())
    locator = AutoDateLocator()  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    formatter = ConciseDateFormatter(locator)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_formatter(formatter)
    axes.set_ylim(bottom=0)
    axes.set_title("Pictures kept, by the time they were fetched (UTC)", fontsize="medium")
    axes.grid(alpha=0.3)
    if by_source:
        axes.legend(fontsize="small")
    sink = io.BytesIO()
    figure.savefig(sink, format="png")
    return sink.getvalue()


def _draw(axes: Axes, times_N: Times, name: str, *, until: np.datetime64) -> None:
    points, counts = cumulated(times_N)
    points, counts = np.append(points, until), np.append(counts, counts[-1])
    # A name between two dollars would be read as a formula, one with a low line first left out.
    label = f"{name[:MAX_NAME_CHARS]}: {counts[-1]}".replace("$", r"\$")
    marker = "." if len(points) <= MAX_MARKED else None
    axes.step(points, counts, where="post", marker=marker, label=label.lstrip("_"))


def cumulated(times_N: Times) -> tuple[Times, npt.NDArray[np.int64]]:
    """At most `MAX_POINTS` moments, and how many times lie no later; the last moment among them."""
    points, counts = np.unique(times_N, return_counts=True)
    chosen = np.linspace(0, len(points) - 1, min(len(points), MAX_POINTS)).round().astype(int)
    return points[chosen], np.cumsum(counts)[chosen]


def _by_source(times_N: Times, sources: pa.ChunkedArray) -> dict[str, Times]:
    """The times of each of the largest sources, and of all others."""
    encoded = sources.combine_chunks().dictionary_encode()
    codes_N = np.asarray(encoded.indices, dtype=np.int64)
    names = encoded.dictionary.to_pylist()
    sizes = np.bincount(codes_N, minlength=len(names))
    order = sorted(range(len(names)), key=lambda code: (-sizes[code], names[code]))
    found = {names[code]: times_N[codes_N == code] for code in order[:MAX_CURVES]}
    rest_N = times_N[np.isin(codes_N, order[MAX_CURVES:])]
    return {**found, OTHERS: rest_N} if len(rest_N) else found
