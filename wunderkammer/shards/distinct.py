"""Which crops of a subject are duplicates, and which are kin, by its section `dedupe`."""

from collections.abc import Sequence
from functools import partial

import pyarrow as pa

from wunderkammer.build import StageInputs
from wunderkammer.dedupe.groups import CloserLook, Duplicates, Findings, Ints, find_duplicates
from wunderkammer.dedupe.remembered import remembered_pairs
from wunderkammer.dedupe.search import PairSearch
from wunderkammer.manifests import CROPS
from wunderkammer.stages import DEDUPED_SHARDS
from wunderkammer.storage.versions import Versions


def distinct_crops(inputs: StageInputs, crops: pa.Table) -> Duplicates:
    """Decide over crops, a table as of `with_columns`.

    Raises:
        ValueError: a crop has no hashes.
        ClassifierError: the network of `dedupe.embedding` can't be had.
    """
    looks, search = _looks(inputs), remembered_search(inputs)
    if not looks:
        return find_duplicates(crops, params=inputs.subject.spec.dedupe, search=search)

    def look(ranked: pa.Table, new: Ints, seen: Ints) -> Sequence[Findings]:
        return [finding for one in looks for finding in one(ranked, new, seen)]

    return find_duplicates(crops, params=inputs.subject.spec.dedupe, look=look, search=search)


def remembered_search(inputs: StageInputs) -> PairSearch:
    """Searches for the hashes only that an earlier run of the stage has not searched for."""
    home = Versions.home(inputs.subject.name, DEDUPED_SHARDS.name)
    return partial(remembered_pairs, store=inputs.store, prefix=f"{home}/ledger/pairs")


def with_columns(crops: pa.Table) -> pa.Table:
    """`crops` with all columns of `CROPS`; those that it was written without are null."""
    for field in CROPS:
        if field.name not in crops.column_names:
            crops = crops.append_column(field, pa.nulls(crops.num_rows, field.type))
    return crops


def _looks(inputs: StageInputs) -> list[CloserLook]:
    """What looks closer; each loads what it needs only if it is wanted."""
    params, store = inputs.subject.spec.dedupe, inputs.store
    home = Versions.home(inputs.subject.name, DEDUPED_SHARDS.name)
    looks: list[CloserLook] = []
    if params.verify is not None:
        from wunderkammer.dedupe.look import look_closer

        looks.append(partial(look_closer, params=params.verify, store=store, home=home))
    if params.embedding is not None:
        from wunderkammer.dedupe.embedded import compare_embeddings

        compare = partial(compare_embeddings, params=params.embedding, subject=inputs.subject)
        looks.append(partial(compare, store=store, home=home))
    return looks
