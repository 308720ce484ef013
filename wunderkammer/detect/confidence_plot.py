"""How sure a detector is of its boxes, as one picture."""

import io
from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from wunderkammer.manifests import kept

SIZE_INCHES = (6.8, 3.0)
MAX_CLASSES = 7
NUM_BINS = 40
OTHERS = "other classes"
MAX_NAME_CHARS = 30


def confidence_plot(manifest: pa.Table, *, min_confidence: float) -> bytes:
    """The confidences of all boxes of `DETECTIONS`, a colour a class: a PNG."""
    boxes = kept(manifest)
    names = np.array(pc.list_flatten(boxes["class_name"]).to_pylist(), dtype=object)
    confidence = np.asarray(pc.list_flatten(boxes["confidence"]), np.float64)
    counts = Counter(names.tolist())
    # Of one class too many, the last colour is for all that are left.
    most = MAX_CLASSES if len(counts) <= MAX_CLASSES else MAX_CLASSES - 1
    shown = [name for name, _ in counts.most_common(most)]
    parts = {name: confidence[names == name] for name in shown}
    rest = confidence[~np.isin(names, shown)] if len(names) else confidence
    if rest.size:
        parts[OTHERS] = rest
    figure = Figure(figsize=SIZE_INCHES, dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    if parts:
        labels = [_label(name, len(part)) for name, part in parts.items()]
        edges = np.linspace(min_confidence, 1, NUM_BINS + 1)
        axes.hist(list(parts.values()), bins=list(edges), stacked=True, label=labels)
        axes.legend(fontsize="small")
    axes.set_title("Boxes by confidence", fontsize="medium")
    axes.set_xlim(min_confidence, 1)
    axes.grid(alpha=0.3)
    sink = io.BytesIO()
    figure.savefig(sink, format="png")
    return sink.getvalue()


def _label(name: str, count: int) -> str:
    # A name between two dollars would be read as a formula, one with a low line first left out.
    shown = f"{name[:MAX_NAME_CHARS]}: {count}".replace("$", r"\$")
    return shown.lstrip("_")
