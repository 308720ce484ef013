"""Which pictures are kin: so alike that no model may be judged by one that has learnt the other.

Kin are wider than duplicates: near by their hashes, found alike though not the same, of one group
of their source, and all that kin of theirs are kin of.
"""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from wunderkammer.dedupe.groups import Duplicates
from wunderkammer.dedupe.params import PhashParams
from wunderkammer.dedupe.search import PairSearch, pairs_within

# What else than copies a closer look finds alike: two moments of one scene.
MIN_LIKENESS = 0.4
WIDER_BITS = 4
MAX_BITS = 16

Ints = npt.NDArray[np.int64]


def families(
    crops: pa.Table,
    duplicates: Duplicates,
    *,
    params: PhashParams,
    search: PairSearch = pairs_within,
) -> Ints:
    """The family of each row of the crops, as numbers; rows of one family have one number.

    `search` is asked for near hashes.
    """
    num = crops.num_rows
    distinct, classes_N = np.unique(crops["phash"].to_numpy(), return_inverse=True)
    near = search(distinct, max_distance=family_distance(params)).indices
    dropped = np.flatnonzero(~duplicates.is_kept)
    groups = pc.dictionary_encode(crops["group"].combine_chunks()).indices
    in_group = np.flatnonzero(np.asarray(groups.is_valid()))
    # Nodes: the rows, then the hashes, then the groups.
    group_nodes = num + len(distinct) + groups.drop_null().to_numpy().astype(np.int64)
    links = [
        np.stack([np.arange(num), num + classes_N], axis=1),
        num + near,
        np.stack([in_group, group_nodes], axis=1),
        np.stack([dropped, duplicates.duplicate_of[dropped]], axis=1),
        *(one.pairs[one.is_same | (one.likeness >= MIN_LIKENESS)] for one in duplicates.alike),
    ]
    first, second = np.concatenate(links).T
    num_nodes = num + len(distinct) + len(groups.unique())
    graph = coo_array((np.ones(len(first), bool), (first, second)), shape=(num_nodes, num_nodes))
    found: npt.NDArray[np.int32] = connected_components(graph, directed=False)[1]
    return found[:num].astype(np.int64)


def family_distance(params: PhashParams) -> int:
    """Within how many bits pictures are kin."""
    wider = min(params.max_distance + WIDER_BITS, MAX_BITS)
    return wider if params.family_distance is None else params.family_distance


def family_names(families_N: Ints, contents: pa.ChunkedArray) -> list[str]:
    """A name for the family of each picture, from its content: its least SHA-256."""
    rows = pa.table({"family": families_N, "content": contents})
    least = rows.group_by("family").aggregate([("content", "min")])
    places = pc.index_in(pa.array(families_N), value_set=least["family"].combine_chunks())
    names: list[str] = least["content_min"].combine_chunks().take(places).to_pylist()
    return names
