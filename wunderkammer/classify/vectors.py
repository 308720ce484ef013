"""What a network gives for many crops, each looked at once.

Crops are decoded in guarded processes and go through the network in this one, in batches. The rows
are kept in a ledger below a name made of all that they depend on.
"""

import logging
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from math import ceil
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from wunderkammer.classify.frames import Frame, frame
from wunderkammer.classify.network import Floats, Network, normalised, open_network
from wunderkammer.classify.settings import ONNX, NetworkSettings
from wunderkammer.ledger_map import PART_ROWS, append_lasting
from wunderkammer.progress import track
from wunderkammer.storage.ledger import Ledger
from wunderkammer.workers import Casualty, Workers, guarded_map, num_cpus

log = logging.getLogger(__name__)

USUAL_PX = 224
# A batch of frames on its way from a worker: some MB.
BATCH_SIZE = 32
# On a CPU, a network takes many times what a decoder takes.
CPUS_A_DECODER = 4

NO_NUMBERS = "no_numbers"

Row = dict[str, Any]


def vectors_ledgered(
    ledger: Ledger,
    sha256s: Iterable[str],
    settings: NetworkSettings,
    *,
    as_row: Callable[[Floats], Row],
    what: str,
    workers: Workers | None = None,
) -> pa.Table:
    """The ledger's rows for pictures of its store, in order; what is new goes through the network.

    `as_row` makes of a crop's finite numbers its row without key, reason and detail. A picture that
    kills its worker, can't be decoded, or for which the network has no finite numbers has a row
    with the reason and nulls.

    Raises:
        NetworkFileError: the network can't be run. It is opened only if there is something new.
    """
    done = ledger.rows()
    wanted = pa.array(dict.fromkeys(sha256s), pa.string())
    missing = pc.invert(pc.is_in(wanted, value_set=done["key"].combine_chunks()))
    todo = wanted.filter(missing).to_pylist()
    if todo:
        log.info("%s: %d new, %d known", what, len(todo), len(wanted) - len(todo))
        side_px = input_px(settings)
        network = open_network(settings, input_px=side_px)
        log.info("%s: %s", what, network.name)
        framing = partial(frame, store=ledger.store, side_px=side_px)
        batches = guarded_map(framing, todo, workers=workers or _decoders())
        tracked = track(batches, total=len(todo), what=what, log=log, size=len)
        rows = _rows(tracked, network, settings, as_row, blank=_blank(ledger.schema))
        done = pa.concat_tables([done, *_kept(ledger, rows)])
        ledger.compact()
    return done.take(pc.index_in(wanted, value_set=done["key"].combine_chunks()))


def input_px(settings: NetworkSettings) -> int:
    """The side of the pictures that the network looks at.

    Raises:
        NetworkFileError: an ONNX file that can't be used, or takes another size.
    """
    if settings.path.suffix == ONNX:
        from wunderkammer.classify.onnx_network import read_network

        return read_network(settings)[1].input_px or settings.input_px or USUAL_PX
    return settings.input_px or USUAL_PX


def _decoders() -> Workers:
    return Workers(num_workers=ceil(num_cpus() / CPUS_A_DECODER), batch_size=BATCH_SIZE)


def _blank(schema: pa.Schema) -> Row:
    return dict.fromkeys(schema.names)


def _rows(
    batches: Iterable[list[tuple[str, Frame | Casualty]]],
    network: Network,
    settings: NetworkSettings,
    as_row: Callable[[Floats], Row],
    *,
    blank: Row,
) -> Iterator[Row]:
    """A row a picture, as they are ready."""
    for batch in batches:
        frames = []
        for sha256, result in batch:
            if isinstance(result, Casualty):
                words = "while a crop was decoded"
                yield {**blank, "key": sha256, "reason": result.reason, "detail": words}
            elif result.image_HWC is None:
                failure = {"reason": result.reason, "detail": result.detail}
                yield {**blank, "key": sha256, **failure}
            else:
                frames.append((sha256, result.image_HWC))
        if not frames:
            continue
        numbers_NK = network.run(normalised(np.stack([image for _, image in frames]), settings))
        for (sha256, _), numbers_K in zip(frames, numbers_NK, strict=True):
            row = as_row(numbers_K) if np.isfinite(numbers_K).all() else _not_finite(settings)
            yield {**blank, **row, "key": sha256}


def _not_finite(settings: NetworkSettings) -> Row:
    words = f"{settings.path.name} gives numbers that are not finite for it"
    return {"reason": NO_NUMBERS, "detail": words}


def _kept(ledger: Ledger, rows: Iterable[Row]) -> Iterator[pa.Table]:
    pending: list[Row] = []
    for row in rows:
        pending.append(row)
        if len(pending) >= PART_ROWS:
            yield append_lasting(ledger, pending)
            pending = []
    if pending:
        yield append_lasting(ledger, pending)
