"""Scores of crops by what networks see in them; thresholds, classes and examples cost no network.

Kept below a prefix are, by crop and network: the probabilities of its classes, and its embedding,
which likeness to examples and the outlier score share.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from wunderkammer.classify.errors import ExampleError, LabelError
from wunderkammer.classify.labels import read_labels, wanted_classes
from wunderkammer.classify.neighbours import Floats, nearest, outlier_scores, unit
from wunderkammer.classify.params import (
    ClassifyParams,
    OutlierParams,
    SimilarParams,
)
from wunderkammer.classify.settings import NetworkSettings
from wunderkammer.classify.vectors import NO_NUMBERS, vectors_ledgered
from wunderkammer.storage.blobs import Blobs
from wunderkammer.storage.ledger import Ledger
from wunderkammer.storage.store import Store
from wunderkammer.subject import Subject
from wunderkammer.workers import Workers

PROBABILITIES = pa.schema(
    [
        ("key", pa.string()),
        ("class_index", pa.list_(pa.int32())),
        ("probability", pa.list_(pa.float32())),
        ("num_classes", pa.int32()),
        ("reason", pa.string()),
        ("detail", pa.string()),
    ]
)
EMBEDDINGS = pa.schema(
    [
        ("key", pa.string()),
        ("embedding", pa.list_(pa.float16())),
        ("reason", pa.string()),
        ("detail", pa.string()),
    ]
)
CLASSIFIED = pa.schema(
    [
        ("key", pa.string()),
        ("class_rank", pa.float64()),
        ("class_probability", pa.float64()),
        ("top_class", pa.string()),
        ("top_probability", pa.float64()),
        ("reason", pa.string()),
        ("detail", pa.string()),
    ]
)
SIMILAR = pa.schema(
    [
        ("key", pa.string()),
        ("similarity", pa.float64()),
        ("nearest_example", pa.string()),
        ("reason", pa.string()),
        ("detail", pa.string()),
    ]
)
OUTLIERS = pa.schema(
    [
        ("key", pa.string()),
        ("outlier_score", pa.float64()),
        ("reason", pa.string()),
        ("detail", pa.string()),
    ]
)

# Kept of a crop are the likeliest classes and all from this probability on: exact for any threshold
# above it, and some kB even of 20,000 classes.
MIN_KEPT = 1e-4
NUM_KEPT = 5
MAX_EXAMPLES = 10_000

Row = dict[str, Any]


def classify_ledgered(
    store: Store,
    ledger_prefix: str,
    crop_sha256s: Iterable[str],
    params: ClassifyParams,
    *,
    subject: Subject,
    workers: Workers | None = None,
) -> pa.Table:
    """A row of `CLASSIFIED` for each crop, in order of first appearance; new crops are looked at.

    `class_rank` is the place of the likeliest wanted class (1: it is the likeliest of all; of one
    below `MIN_KEPT` the first place that it can have), `class_probability` the sum of all wanted.

    Raises:
        ClassifierError: the network, the labels or a class can't be had.
    """
    labels = read_labels(params, subject=subject)
    wanted = wanted_classes(params, labels, subject=subject)
    settings = NetworkSettings.of(
        params, subject=subject, head="classes", section="filter.classify"
    )
    rows = vectors_ledgered(
        Ledger(store, f"{ledger_prefix}/{settings.digest}", PROBABILITIES),
        crop_sha256s,
        settings,
        as_row=probability_row,
        what=f"classes of crops of {subject.name}",
        workers=workers,
    )
    _check_classes(rows, labels, wanted, subject=subject)
    return _classified(rows, labels, wanted)


def similar_ledgered(
    store: Store,
    ledger_prefix: str,
    crop_sha256s: Iterable[str],
    params: SimilarParams,
    *,
    subject: Subject,
    workers: Workers | None = None,
) -> pa.Table:
    """A row of `SIMILAR` for each crop, in order; new crops and examples are looked at.

    Raises:
        ClassifierError: the network can't be had.
        ExampleError: there are no examples, or one can't be looked at.
    """
    section = "filter.similar"
    files = example_files(params, subject=subject)
    blobs = Blobs(store)
    examples = {blobs.put(file): file.name for file in files}
    settings = NetworkSettings.of(params, subject=subject, head="embedding", section=section)
    ledger = Ledger(store, f"{ledger_prefix}/{settings.digest}", EMBEDDINGS)
    what = f"{{}} of {subject.name}".format
    liked = _embeddings(ledger, examples, settings, what=what("examples"), workers=workers)
    for row in liked.drop_columns("embedding").to_pylist():
        if row["reason"] is not None:
            raise ExampleError(
                f"{section}.examples={params.examples!r}: {examples[row['key']]} can't be looked "
                f"at ({row['reason']}: {row['detail']}); mend it or take it out of the folder"
            )
    rows = _embeddings(ledger, crop_sha256s, settings, what=what("embeddings"), workers=workers)
    similarity_N, which_N = nearest(_units(rows), _units(liked))
    names = pa.array(list(examples.values()), pa.string()).take(pa.array(which_N))
    columns = {"similarity": similarity_N.astype(np.float64), "nearest_example": names}
    return _spread(rows, columns, schema=SIMILAR)


def outliers_ledgered(
    store: Store,
    ledger_prefix: str,
    crop_sha256s: Iterable[str],
    params: OutlierParams,
    *,
    subject: Subject,
    workers: Workers | None = None,
) -> pa.Table:
    """A row of `OUTLIERS` for each crop, in order; new crops are looked at.

    The score is of a crop among these crops, each counted once (`neighbours.outlier_scores`); it is
    computed anew each time, and null for a crop that is alone.

    Raises:
        ClassifierError: the network can't be had.
    """
    section = "filter.outliers"
    settings = NetworkSettings.of(params, subject=subject, head="embedding", section=section)
    rows = _embeddings(
        Ledger(store, f"{ledger_prefix}/{settings.digest}", EMBEDDINGS),
        crop_sha256s,
        settings,
        what=f"embeddings of {subject.name}",
        workers=workers,
    )
    score_N = outlier_scores(_units(rows), k=params.k).astype(np.float64)
    scores = pa.array(score_N, mask=np.isnan(score_N))
    return _spread(rows, {"outlier_score": scores}, schema=OUTLIERS)


def probability_row(probability_C: Floats) -> Row:
    """The likeliest classes of a crop, and all of `MIN_KEPT` at least, the likeliest first."""
    order_C = np.argsort(-probability_C, kind="stable")
    num_kept = max(NUM_KEPT, int((probability_C >= MIN_KEPT).sum()))
    index_K = order_C[:num_kept].astype(np.int32)
    return {
        "class_index": index_K,
        "probability": probability_C[index_K],
        "num_classes": len(probability_C),
    }


def embedding_row(embedding_K: Floats) -> Row:
    """The embedding at length 1; one without a length has no direction, and is a rejection."""
    length = float(np.linalg.norm(embedding_K.astype(np.float64)))
    if length == 0:
        return {"reason": NO_NUMBERS, "detail": "the network gives nothing but zeros for it"}
    return {"embedding": (embedding_K / length).astype(np.float16)}


def example_files(params: SimilarParams, *, subject: Subject) -> list[Path]:
    """The files in the folder of examples, by name; those that begin with a dot do not count.

    Raises:
        ExampleError: there is no such folder, or it holds none or too many.
    """
    folder = subject.resolve(params.examples)
    where = f"filter.similar.examples={params.examples!r} of {subject.name!r}"
    if not folder.is_dir():
        raise ExampleError(f"{where}: there is no folder {folder}; make it, or correct the path")
    files = sorted(f for f in folder.iterdir() if f.is_file() and not f.name.startswith("."))
    if not 1 <= len(files) <= MAX_EXAMPLES:
        raise ExampleError(
            f"{where}: {folder} holds {len(files)} files, allowed: 1 to {MAX_EXAMPLES}; "
            f"put the pictures that you like there"
        )
    return files


def _embeddings(
    ledger: Ledger,
    sha256s: Iterable[str],
    settings: NetworkSettings,
    *,
    what: str,
    workers: Workers | None,
) -> pa.Table:
    return vectors_ledgered(
        ledger, sha256s, settings, as_row=embedding_row, what=what, workers=workers
    )


def _units(rows: pa.Table) -> Floats:
    """The embeddings of the rows that have one."""
    column = rows["embedding"].drop_null().combine_chunks()
    values = column.flatten().to_numpy()
    return unit(values.reshape(len(column), -1) if len(column) else values.reshape(0, 1))


def _spread(rows: pa.Table, columns: dict[str, Any], *, schema: pa.Schema) -> pa.Table:
    """`rows` with columns of those that have an embedding."""
    is_there = np.asarray(pc.is_valid(rows["embedding"]))
    place_N = pa.array(np.cumsum(is_there) - 1, mask=~is_there)
    spread = {name: pa.array(values).take(place_N) for name, values in columns.items()}
    return pa.table(
        [
            spread.get(name, rows[name] if name in rows.column_names else None)
            for name in schema.names
        ],
        schema=schema,
    )


def _check_classes(
    rows: pa.Table, labels: list[str] | None, wanted: list[int], *, subject: Subject
) -> None:
    counts = rows["num_classes"].drop_null().unique().to_pylist()
    for num_classes in counts:
        if labels is not None and len(labels) != num_classes:
            raise LabelError(
                f"filter.classify.labels of {subject.name!r} are {len(labels)}, but the network "
                f"has {num_classes} classes; take the list that belongs to the weights"
            )
        if wanted[-1] >= num_classes:
            raise LabelError(
                f"filter.classify.classes={wanted[-1]} of {subject.name!r}: the network has "
                f"{num_classes} classes, so that the last is number {num_classes - 1}"
            )


def _classified(rows: pa.Table, labels: list[str] | None, wanted: list[int]) -> pa.Table:
    lists = rows["class_index"].combine_chunks()
    row_L = np.asarray(pc.list_parent_indices(lists), np.int64)
    index_L = np.asarray(lists.flatten())
    probability_L = np.asarray(rows["probability"].combine_chunks().flatten(), np.float64)
    length_N = np.asarray(pc.fill_null(pc.list_value_length(lists), 0), np.int64)
    start_N = np.cumsum(length_N) - length_N
    is_wanted_L = np.isin(index_L, wanted)
    place_L = np.arange(len(row_L)) - start_N[row_L] + 1
    sum_N = np.bincount(row_L, np.where(is_wanted_L, probability_L, 0), minlength=len(length_N))
    rank_N = length_N + 1
    np.minimum.at(rank_N, row_L[is_wanted_L], place_L[is_wanted_L])
    is_scored_N = length_N > 0
    first = pa.array(start_N, mask=~is_scored_N)
    names = pc.cast(pa.array(index_L), pa.string()) if labels is None else _named(index_L, labels)
    columns = {
        "key": rows["key"],
        "class_rank": _masked(rank_N, is_scored_N),
        "class_probability": _masked(sum_N, is_scored_N),
        "top_class": names.take(first),
        "top_probability": pa.array(probability_L).take(first),
        "reason": rows["reason"],
        "detail": rows["detail"],
    }
    return pa.table([columns[name] for name in CLASSIFIED.names], schema=CLASSIFIED)


def _named(index_L: npt.NDArray[np.int32], labels: list[str]) -> pa.Array:
    return pa.array(labels, pa.string()).take(pa.array(index_L))


def _masked(values_N: npt.NDArray[Any], is_there_N: npt.NDArray[np.bool_]) -> pa.Array:
    return pa.array(values_N.astype(np.float64), mask=~is_there_N)
