"""The opinion of a network about which pictures are one: embeddings that point the same way.

The embeddings stay in a ledger named by the network's file and what reaches its numbers.
"""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from wunderkammer.classify.neighbours import BLOCK_BYTES, Floats, unit
from wunderkammer.classify.scores import EMBEDDINGS, embedding_row
from wunderkammer.classify.settings import NetworkSettings
from wunderkammer.classify.vectors import vectors_ledgered
from wunderkammer.dedupe.groups import Findings
from wunderkammer.dedupe.leaders import EMBEDDING
from wunderkammer.dedupe.params import EmbeddingParams
from wunderkammer.storage.ledger import Ledger
from wunderkammer.storage.store import Store
from wunderkammer.subject import Subject

SECTION = "dedupe.embedding"

Ints = npt.NDArray[np.int64]


def compare_embeddings(
    ranked: pa.Table,
    new: Ints,
    seen: Ints,
    *,
    params: EmbeddingParams,
    subject: Subject,
    store: Store,
    home: str,
) -> list[Findings]:
    """Pairs of two new rows, and of a new one and one seen: a `groups.CloserLook`.

    `home` is the prefix of the ledgers.

    Raises:
        ClassifierError: the network can't be had.
    """
    settings = NetworkSettings.of(params, subject=subject, head="embedding", section=SECTION)
    rows = np.concatenate([new, seen])
    contents = ranked["crop_sha256"].take(pa.array(rows))
    found = vectors_ledgered(
        Ledger(store, f"{home}/embeddings/{settings.digest}", EMBEDDINGS),
        contents.to_pylist(),
        settings,
        as_row=embedding_row,
        what=f"embeddings of {subject.name}",
    )
    place = pa.array(range(found.num_rows), pa.int64()).filter(found["embedding"].is_valid())
    vectors = found["embedding"].drop_null().combine_chunks()
    if not len(vectors):
        return [Findings.none()]
    units_UK = unit(vectors.flatten().to_numpy().reshape(len(vectors), -1))
    of_row = found["key"].take(place).combine_chunks()
    which = pc.index_in(contents.combine_chunks(), value_set=of_row).fill_null(-1)
    which_N = which.to_numpy().astype(np.int64)
    known = np.flatnonzero(which_N >= 0)
    pairs, cosine = near_units(
        units_UK[which_N[known]],
        num_new=int((known < len(new)).sum()),
        min_cosine=params.min_cosine,
    )
    is_same = np.ones(len(pairs), bool)
    return [Findings(rows[known[pairs]], cosine, is_same, EMBEDDING)]


def near_units(
    units_NK: Floats, *, num_new: int, min_cosine: float
) -> tuple[Ints, npt.NDArray[np.float64]]:
    """The pairs [P, 2] of vectors of length 1 that are at least this near, and their cosines.

    At least one of a pair is among the first `num_new`. It takes `num_new` N K operations.
    """
    pairs, cosines = [np.empty((0, 2), np.int64)], [np.empty(0)]
    num_rows = max(1, BLOCK_BYTES // (4 * max(1, len(units_NK))))
    for start in range(0, num_new, num_rows):
        stop = min(start + num_rows, num_new)
        cosine_BN = units_NK[start:stop] @ units_NK[start:].T
        i, j = np.nonzero(cosine_BN >= min_cosine)
        is_pair = i < j
        i, j = i[is_pair], j[is_pair]
        pairs.append(start + np.stack([i, j], axis=1))
        cosines.append(cosine_BN[i, j].astype(np.float64))
    return np.concatenate(pairs), np.concatenate(cosines)
