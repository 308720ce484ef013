"""The closer look at pictures that hashes alone let through: is one a view of the other?

What is computed of a crop, and of a pair of crops, stays in ledgers named by all it depends on.
"""

import logging
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from wunderkammer.dedupe.groups import Findings
from wunderkammer.dedupe.leaders import VERIFIED
from wunderkammer.dedupe.likeness import LIKENESS_VERSION, likeness
from wunderkammer.dedupe.nearest import nearest_views
from wunderkammer.dedupe.params import VerifyParams
from wunderkammer.dedupe.rough import ROUGH_PX, rough_likeness, rough_of
from wunderkammer.dedupe.views import VIEWS, grey_of, mirrored_hash, view_hashes, views_name
from wunderkammer.images.decode import DecodeError
from wunderkammer.ledger_map import map_ledgered
from wunderkammer.storage.blobs import Blobs
from wunderkammer.storage.ledger import Ledger
from wunderkammer.storage.store import Store
from wunderkammer.workers import Casualty

log = logging.getLogger(__name__)

# Of more pictures that are near one, only the nearest are looked at.
NUM_NEAREST = 8
# Below this two pictures differ at a glance, and need no alignment.
MIN_ROUGH = 0.75

LOOKS = pa.schema(
    [
        ("key", pa.string()),
        ("views", pa.binary(8 * len(VIEWS))),
        ("mirrored", pa.uint64()),
        ("rough", pa.binary(ROUGH_PX**2)),
        ("reason", pa.string()),
    ]
)
LIKENESSES = pa.schema([("key", pa.string()), ("likeness", pa.float64()), ("reason", pa.string())])

Row = dict[str, Any]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Pair:
    """Two crops by their hashes, and the view of the first that looks like the second."""

    viewed: str
    other: str
    view: int
    is_mirrored: bool

    @property
    def key(self) -> str:
        """Names it in a ledger."""
        return f"{self.viewed}:{self.other}:{self.view}:{'m' if self.is_mirrored else ''}"


@dataclass(frozen=True)
class Looks:
    """What is known of N crops: the hashes of their views, their mirror's, and a rough picture."""

    views_NV: npt.NDArray[np.uint64]
    mirrored_N: npt.NDArray[np.uint64]
    rough_NRR: npt.NDArray[np.uint8]
    is_known_N: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class _Candidates:
    """Pairs of rows, and how the second would lie in the first."""

    viewed: Ints
    other: Ints
    view: Ints
    is_mirrored: npt.NDArray[np.bool_]


def look_closer(
    ranked: pa.Table, new: Ints, seen: Ints, *, params: VerifyParams, store: Store, home: str
) -> list[Findings]:
    """Pairs of two new rows, and of a new one and one seen: a `groups.CloserLook`.

    `home` is the prefix of the ledgers.
    """
    rows = np.concatenate([new, seen])
    contents = ranked["crop_sha256"].take(pa.array(rows)).to_pylist()
    looks = _looks(contents, store=store, home=home)
    hashes = ranked["phash"].to_numpy()[rows]
    found = _candidates(hashes, looks, rows, num_new=len(new), params=params)
    rough = rough_likeness(
        looks.rough_NRR, found.viewed, found.other, view=found.view, is_mirrored=found.is_mirrored
    )
    promising = np.flatnonzero(rough >= MIN_ROUGH)
    log.info("%d pairs are near by a view, %d to be laid over", len(rough), len(promising))
    pairs = [
        Pair(
            contents[found.viewed[p]],
            contents[found.other[p]],
            int(found.view[p]),
            bool(found.is_mirrored[p]),
        )
        for p in promising
    ]
    values = _likenesses(pairs, store=store, home=home)
    places = np.stack([rows[found.viewed[promising]], rows[found.other[promising]]], axis=1)
    return [Findings(places, values, values >= params.min_likeness, VERIFIED)]


def look_row(crop_sha256: str, *, store: Store) -> Row:
    """A row of `LOOKS` without its key."""
    try:
        grey_PP = grey_of(Blobs(store).get(crop_sha256))
    except DecodeError as error:
        return {**dict.fromkeys(LOOKS.names[1:]), "reason": error.reason}
    return {
        "views": view_hashes(grey_PP).astype("<u8").tobytes(),
        "mirrored": mirrored_hash(grey_PP),
        "rough": rough_of(grey_PP).tobytes(),
        "reason": None,
    }


def likeness_row(pair: Pair, *, store: Store) -> Row:
    """A row of `LIKENESSES` without its key."""
    blobs = Blobs(store)
    try:
        viewed_PP, other_PP = (grey_of(blobs.get(name)) for name in (pair.viewed, pair.other))
    except DecodeError as error:
        return {"likeness": None, "reason": error.reason}
    if pair.is_mirrored:
        other_PP = np.ascontiguousarray(other_PP[:, ::-1])
    return {"likeness": likeness(viewed_PP, other_PP, view=VIEWS[pair.view]), "reason": None}


def _looks(contents: list[str], *, store: Store, home: str) -> Looks:
    rows = map_ledgered(
        Ledger(store, f"{home}/looks/{views_name()}", LOOKS),
        {content: content for content in contents},
        fn=partial(look_row, store=store),
        on_casualty=_unseen,
        what="views of crops",
        log=log,
    )
    place = {content: number for number, content in enumerate(dict.fromkeys(contents))}
    rows = rows.take(pa.array([place[content] for content in contents], pa.int64()))
    return Looks(
        views_NV=_bytes(rows["views"], width=8 * len(VIEWS)).view("<u8").astype(np.uint64),
        mirrored_N=rows["mirrored"].fill_null(0).to_numpy(),
        rough_NRR=_bytes(rows["rough"], width=ROUGH_PX**2).reshape(-1, ROUGH_PX, ROUGH_PX),
        is_known_N=rows["views"].is_valid().to_numpy(),
    )


def _bytes(column: pa.ChunkedArray, *, width: int) -> npt.NDArray[np.uint8]:
    """The bytes [N, width] of a column of fixed width; zeros for nulls."""
    whole = column.fill_null(bytes(width)).combine_chunks()
    start = whole.offset * width
    flat = np.frombuffer(whole.buffers()[1], np.uint8)[start : start + len(whole) * width]
    return flat.reshape(len(whole), width)


def _unseen(crop_sha256: str, casualty: Casualty) -> Row:
    del crop_sha256
    return {**dict.fromkeys(LOOKS.names[1:]), "reason": casualty.reason}


def _candidates(
    hashes: npt.NDArray[np.uint64],
    looks: Looks,
    rows: Ints,
    *,
    num_new: int,
    params: VerifyParams,
) -> _Candidates:
    """Which pictures are near by a view of one of them: places among `rows`, the new ones first."""
    new, everything, old = np.arange(num_new), np.arange(len(rows)), np.arange(num_new, len(rows))
    asked_hashes = [(hashes, False), *([(looks.mirrored_N, True)] if params.flips else [])]
    found = []
    for asked, among in ((new, everything), (old, new)):
        asked, among = (part[looks.is_known_N[part]] for part in (asked, among))
        for of, is_mirrored in asked_hashes:
            near = nearest_views(
                of[asked],
                own_Q=rows[asked],
                views_NV=looks.views_NV[among],
                ids_N=rows[among],
                max_distance=params.max_distance,
                num_nearest=NUM_NEAREST,
            )
            q, k = np.nonzero(near.picture >= 0)
            place = np.full(int(rows.max(initial=-1)) + 1, -1, np.int64)
            place[rows] = everything
            viewed = place[near.picture[q, k]]
            found.append((viewed, asked[q], near.view[q, k], np.full(len(q), is_mirrored)))
    return _Candidates(*(np.concatenate(column) for column in zip(*found, strict=True)))


def _likenesses(pairs: list[Pair], *, store: Store, home: str) -> npt.NDArray[np.float64]:
    """How alike each pair is; 0 for one that could not be looked at."""
    rows = map_ledgered(
        Ledger(store, f"{home}/likenesses/{views_name()}-{LIKENESS_VERSION}", LIKENESSES),
        {pair.key: pair for pair in pairs},
        fn=partial(likeness_row, store=store),
        on_casualty=_unlike,
        what="pairs of crops",
        log=log,
    )
    place = {key: number for number, key in enumerate(dict.fromkeys(pair.key for pair in pairs))}
    order = pa.array([place[pair.key] for pair in pairs], pa.int64())
    values: npt.NDArray[np.float64] = rows["likeness"].fill_null(0.0).take(order).to_numpy()
    return values


def _unlike(pair: Pair, casualty: Casualty) -> Row:
    del pair
    return {"likeness": None, "reason": casualty.reason}
