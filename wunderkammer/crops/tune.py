"""What each rule of a filter does: histograms with the cut, what it removes, the borderline."""

import html
import io
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from wunderkammer.crops.cuts import Bools, Cut, Floats, judge, measure
from wunderkammer.images.contact_sheet import Tile, contact_sheet
from wunderkammer.manifests import KEPT
from wunderkammer.storage.blobs import Blobs

# Settings that rules go by, but that also make other candidates or other crops.
MORE_THAN_LIMITS = frozenset({"objects", "min_window_px", "size_px"})

NUM_BINS = 60
PANEL_INCHES = (3.4, 2.4)
MAX_COLUMNS = 3
NUM_BORDERLINE = 16
STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem;
  color: #222; background: #fff }
img { max-width: 100%; height: auto } table { border-collapse: collapse }
td, th { padding: .2rem .8rem; text-align: right }
td:first-child, th:first-child { text-align: left }
@media (prefers-color-scheme: dark) { body { color: #ddd; background: #1a1a1a } }
"""


@dataclass(frozen=True)
class Effect:
    """What one cut does to the candidates of which its measure is known.

    Attributes:
        num_measured: candidates that have the measure.
        num_removed: those that fail this cut, whatever else they fail.
        num_alone: those that would pass but for this cut.
    """

    cut: Cut
    num_measured: int
    num_removed: int
    num_alone: int


def effects(manifest: pa.Table, cuts: Sequence[Cut]) -> list[Effect]:
    """The effect of each cut on the rows of a manifest of crops."""
    values = [measure(manifest, cut.measure) for cut in cuts]
    fails = [cut.fails(values_N) for cut, values_N in zip(cuts, values, strict=True)]
    num_failed_N = np.sum(fails, axis=0) if fails else np.zeros(manifest.num_rows, int)
    return [
        Effect(
            cut,
            num_measured=int(np.isfinite(values_N).sum()),
            num_removed=int(fails_N.sum()),
            num_alone=int((fails_N & (num_failed_N == 1)).sum()),
        )
        for cut, values_N, fails_N in zip(cuts, values, fails, strict=True)
    ]


def cuts_plot(manifest: pa.Table, cuts: Sequence[Cut]) -> bytes:
    """A histogram of the measure of each cut, with the cut: a PNG."""
    shown = [cut for cut in cuts if np.isfinite(measure(manifest, cut.measure)).any()]
    columns = max(1, min(MAX_COLUMNS, len(shown)))
    rows = max(1, -(-len(shown) // columns))
    width, height = PANEL_INCHES
    figure = Figure(figsize=(width * columns, height * rows), dpi=80)
    FigureCanvasAgg(figure)
    # By hand: matplotlib's own layouts draw everything twice.
    figure.subplots_adjust(
        left=0.5 / (width * columns),
        right=1 - 0.15 / (width * columns),
        bottom=0.3 / (height * rows),
        top=1 - 0.3 / (height * rows),
        wspace=0.25,
        hspace=0.3,
    )
    for number, cut in enumerate(shown, start=1):
        _draw(figure.add_subplot(rows, columns, number), measure(manifest, cut.measure), cut)
    sink = io.BytesIO()
    figure.savefig(sink, format="png")
    return sink.getvalue()


def _draw(axes: Axes, values_N: Floats, cut: Cut) -> None:
    values_N = values_N[np.isfinite(values_N)]
    low, high = min(values_N.min(), cut.limit), max(values_N.max(), cut.limit)
    bins = np.linspace(low, high if high > low else low + 1, NUM_BINS + 1)
    is_out_N = cut.fails(values_N)
    colours = ("#4878a8", "#c05a4a")
    # One outline a side of the cut: a patch a bar would cost most of the time of the stage.
    axes.hist(
        [values_N[~is_out_N], values_N[is_out_N]],
        bins=list(bins),
        stacked=True,
        color=colours,
        histtype="stepfilled",
    )
    axes.axvline(cut.limit, color="black", linewidth=1)
    axes.set_title(f"{cut.measure}: {cut.reason} {is_out_N.sum()}", fontsize="small")
    axes.tick_params(labelsize="small")


def num_passing(manifest: pa.Table, cuts: Sequence[Cut]) -> int:
    """How many candidates of a manifest pass these cuts.

    What other cuts had kept from being rendered has no measures of its crop, and passes those.
    """
    # Only a rule has a limit: what it has rejected may pass even where it is no more.
    by_rule = pc.is_valid(manifest["limit"])
    may_pass = pc.or_(pc.equal(manifest["decision"], KEPT), by_rule)
    passes = pc.is_null(judge(manifest, cuts).reason)
    return pc.sum(pc.and_(may_pass, passes)).as_py() or 0


def tune_page(manifest: pa.Table, cuts: Sequence[Cut], *, subject: str, blobs: Blobs) -> str:
    """An HTML page of its own: each cut with its histogram, its effect and its borderline."""
    found = effects(manifest, cuts)
    num_kept = num_passing(manifest, cuts)
    parts = [
        "<!DOCTYPE html><html lang=en><meta charset=utf-8>",
        "<meta name=viewport content='width=device-width'>",
        f"<title>{html.escape(subject)}: rules</title><style>{STYLE}</style>",
        f"<h1>{html.escape(subject)}</h1>",
        f"<p>{num_kept} of {manifest.num_rows} candidates pass these rules.</p>",
        _table(found),
    ]
    for effect in found:
        if effect.num_measured:
            parts.append(_section(manifest, effect, blobs=blobs))
    return "\n".join(parts) + "\n"


def _table(found: Sequence[Effect]) -> str:
    head = "<tr><th>rule<th>limit<th>measured<th>removes<th>removes alone"
    rows = [
        f"<tr><td>{html.escape(e.cut.reason)}: {html.escape(e.cut.words)}"
        f"<td>{_sign(e.cut)} {e.cut.limit:g}<td>{e.num_measured}"
        f"<td>{e.num_removed}<td>{e.num_alone}"
        for e in found
    ]
    return f"<table>{head}{''.join(rows)}</table>"


def _section(manifest: pa.Table, effect: Effect, *, blobs: Blobs) -> str:
    cut = effect.cut
    values_N = measure(manifest, cut.measure)
    is_out_N = cut.fails(values_N)
    plot = _picture(cuts_plot(manifest, [cut]), "image/png", f"histogram of {cut.measure}")
    sheets = [
        _picture(
            _borderline(manifest, values_N, side_N, cut=cut, title=title, blobs=blobs),
            "image/jpeg",
            f"{title}, {cut.measure}",
        )
        for title, side_N in (("just kept by it", ~is_out_N), ("just removed by it", is_out_N))
        if (side_N & np.isfinite(values_N)).any()
    ]
    return f"<h2>{html.escape(cut.reason)}</h2>{plot}<div>{''.join(sheets)}</div>"


def _borderline(
    manifest: pa.Table, values_N: Floats, side_N: Bools, *, cut: Cut, title: str, blobs: Blobs
) -> bytes:
    rows = np.flatnonzero(side_N & np.isfinite(values_N))
    nearest = rows[np.argsort(np.abs(values_N[rows] - cut.limit), kind="stable")][:NUM_BORDERLINE]
    chosen = manifest.take(pa.array(nearest)).to_pylist()
    tiles = [
        Tile(_shown(row, blobs), f"{value:.4g}\n{row['id']}")
        for row, value in zip(chosen, values_N[nearest], strict=True)
    ]
    return contact_sheet(tiles, title=f"{title} ({_sign(cut)} {cut.limit:g})")


def _shown(row: dict[str, object], blobs: Blobs) -> bytes | None:
    """The crop, or the whole picture of a candidate that was never rendered."""
    if row["crop_sha256"] is not None:
        return blobs.get(str(row["crop_sha256"]))
    return blobs.store.find(blobs.key(str(row["sha256"])))


def _sign(cut: Cut) -> str:
    return "at least" if cut.at_least is not None else "at most"


def _picture(content: bytes, kind: str, words: str) -> str:
    encoded = b64encode(content).decode()
    return f'<img alt="{html.escape(words)}" src="data:{kind};base64,{encoded}">'
