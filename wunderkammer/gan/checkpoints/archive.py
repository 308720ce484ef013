"""Checkpoints of a run in a store: complete or absent, the newest sound one found again.

Layout below the run's prefix:

    checkpoints/<images>-<hash>.safetensors   the tensors, named by their own SHA-256
    checkpoints/<images>.json                 the facts, written last: it names the tensors' hash
    grids/<images>.jpg                        samples at that moment

Nothing here needs torch.
"""

import hashlib
import logging
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import Field, ValidationError
from safetensors.numpy import load, save

from wunderkammer.gan.networks.params import NetworkParams
from wunderkammer.params import Params, digest
from wunderkammer.storage.store import MissingObjectError, Store

log = logging.getLogger(__name__)

Tensors = Mapping[str, np.ndarray]


class Tick(Params):
    """Means over a stretch of training that ended after `num_images` images."""

    num_images: int
    measures: dict[str, float]
    elapsed_s: float
    images_per_s: float
    memory_mb: float


class Partial(Params):
    """The sum of a measure over the tick under way, and how many values went in."""

    total: float
    count: int


class Intervention(Params):
    """A training sent back: found unsound at `num_images`, gone on from `back_to_images`."""

    num_images: int
    back_to_images: int
    reason: str
    rate_factor: float


class Facts(Params):
    """Everything of a checkpoint that is not a tensor.

    `score` is the distance of generated from real pictures at that moment (lower is better).
    `elapsed_s` and the times in `ticks` are for people; `digest` leaves them out.
    """

    format: int = 2
    num_images: int
    num_steps: int
    networks: NetworkParams
    loader_seed: int
    loader_position: int
    device: str
    elapsed_s: float
    num_training_images: int
    ticks: tuple[Tick, ...] = ()
    partials: dict[str, Partial] = Field(default_factory=dict)
    interventions: tuple[Intervention, ...] = ()
    score: float | None = None
    digest: str = ""
    tensors_key: str = ""
    tensors_sha256: str = ""

    @property
    def rate_scale(self) -> float:
        """What the interventions have left of the learning rates."""
        return math.prod(intervention.rate_factor for intervention in self.interventions)


@dataclass(frozen=True)
class Saved:
    """A sound checkpoint as it was read back."""

    facts: Facts
    content: bytes

    @property
    def tensors(self) -> dict[str, np.ndarray]:
        """The tensors by name."""
        return load(self.content)


def checkpoint_digest(tensors: Tensors, *, counters: Mapping[str, Any]) -> str:
    """SHA-256 (hex) of names, types, shapes and bytes of all tensors, and of the counters."""
    hashes = {
        name: (
            str(array.dtype),
            list(array.shape),
            hashlib.sha256(np.asarray(array, order="C").tobytes()).hexdigest(),
        )
        for name, array in tensors.items()
    }
    return digest({"tensors": hashes, "counters": dict(counters)})


class Archive:
    """The checkpoints below one prefix of a store. One process at a time may write."""

    def __init__(self, store: Store, prefix: str) -> None:
        self.store = store
        self.prefix = prefix

    def save(self, facts: Facts, tensors: Tensors, *, keep_last: int, keep_best: int = 0) -> Facts:
        """Publish a checkpoint, then drop older ones but the `keep_last` newest.

        The `keep_best` with the lowest scores stay too. Those with more images than this one (of a
        longer training) are left alone.
        """
        content = save({name: np.asarray(array, order="C") for name, array in tensors.items()})
        sha256 = hashlib.sha256(content).hexdigest()
        key = f"{self.prefix}/checkpoints/{facts.num_images:012d}-{sha256[:16]}.safetensors"
        counters = {
            "num_images": facts.num_images,
            "num_steps": facts.num_steps,
            "loader_seed": facts.loader_seed,
            "loader_position": facts.loader_position,
            "networks": facts.networks.canonical(),
        }
        done = facts.model_copy(
            update={
                "digest": checkpoint_digest(tensors, counters=counters),
                "tensors_key": key,
                "tensors_sha256": sha256,
            }
        )
        self.store.write(key, content)
        self.store.write(self._facts_key(facts.num_images), done.model_dump_json().encode())
        self._retire(facts.num_images, keep_last=keep_last, keep_best=keep_best)
        return done

    def drop_after(self, num_images: int) -> None:
        """Remove every checkpoint of more images: they are of a course that was given up."""
        for number in sorted(self._numbers(), reverse=True):
            if number > num_images:
                self.store.delete(self._facts_key(number))
        for key in list(self.store.keys(f"{self.prefix}/checkpoints")):
            if key.endswith(".safetensors") and _number(key) > num_images:
                self.store.delete(key)

    def best(self, *, at_most: int) -> Saved | None:
        """The sound checkpoint with the lowest score; None if none has a score."""
        scored = sorted(
            (facts.score, facts.num_images)
            for facts in self._facts(at_most=at_most)
            if facts.score is not None
        )
        return next((saved for _, n in scored if (saved := self.find(n)) is not None), None)

    def newest(
        self, *, at_most: int, accept: Callable[[Facts], bool] = lambda facts: True
    ) -> Saved | None:
        """The newest sound checkpoint of at most that many images; unsound ones are logged.

        `accept` may refuse some by what their facts tell.
        """
        for number in sorted((n for n in self._numbers() if n <= at_most), reverse=True):
            saved = self.find(number)
            if saved is not None and accept(saved.facts):
                return saved
        return None

    def find(self, num_images: int) -> Saved | None:
        """The checkpoint of exactly that many images, or None if it is absent or unsound."""
        key = self._facts_key(num_images)
        text = self.store.find(key)
        if text is None:
            return None
        try:
            facts = Facts.model_validate_json(text)
            content = self.store.read(facts.tensors_key)
        except ValidationError as error:
            log.warning("checkpoint %s is not readable, skipped: %s", key, error)
            return None
        except MissingObjectError as error:
            log.warning("checkpoint %s has lost its tensors %s, skipped", key, error)
            return None
        found = hashlib.sha256(content).hexdigest()
        if found != facts.tensors_sha256:
            expected = facts.tensors_sha256
            log.warning("checkpoint %s: tensors hash to %s, not %s; skipped", key, found, expected)
            return None
        return Saved(facts, content)

    def write_grid(self, num_images: int, jpeg: bytes) -> None:
        """Keep the samples drawn after `num_images` images."""
        self.store.write(self._grid_key(num_images), jpeg)

    def has_grid(self, num_images: int) -> bool:
        """Whether samples were drawn after that many images."""
        return self.store.exists(self._grid_key(num_images))

    def read_grid(self, num_images: int) -> bytes:
        """The samples drawn after `num_images` images.

        Raises:
            MissingObjectError: none were drawn then.
        """
        return self.store.read(self._grid_key(num_images))

    def _facts_key(self, num_images: int) -> str:
        return f"{self.prefix}/checkpoints/{num_images:012d}.json"

    def _grid_key(self, num_images: int) -> str:
        return f"{self.prefix}/grids/{num_images:012d}.jpg"

    def _numbers(self) -> Iterator[int]:
        for key in self.store.keys(f"{self.prefix}/checkpoints"):
            name = key.rsplit("/", 1)[-1]
            if name.endswith(".json"):
                yield int(name.removesuffix(".json"))

    def _facts(self, *, at_most: int) -> Iterator[Facts]:
        for number in sorted(self._numbers()):
            text = self.store.find(self._facts_key(number)) if number <= at_most else None
            if text is None:
                continue
            try:
                yield Facts.model_validate_json(text)
            except ValidationError as error:
                log.warning("checkpoint at %d images is not readable, skipped: %s", number, error)

    def _retire(self, newest: int, *, keep_last: int, keep_best: int) -> None:
        """Remove old facts, then every tensor file up to `newest` that no facts are left for."""
        older = sorted(n for n in self._numbers() if n <= newest)
        kept = set(older[-keep_last:])
        if keep_best:
            scored = [
                (f.score, f.num_images) for f in self._facts(at_most=newest) if f.score is not None
            ]
            kept |= {number for _, number in sorted(scored)[:keep_best]}
        for number in older:
            if number not in kept:
                self.store.delete(self._facts_key(number))
        latest = self.store.find(self._facts_key(newest))
        assert latest is not None
        latest_key = Facts.model_validate_json(latest).tensors_key
        for key in list(self.store.keys(f"{self.prefix}/checkpoints")):
            if not key.endswith(".safetensors"):
                continue
            number = _number(key)
            is_orphan = number == newest and key != latest_key
            if is_orphan or (number < newest and number not in kept):
                self.store.delete(key)


def _number(key: str) -> int:
    """The images of a tensor file, which its name begins with."""
    return int(key.rsplit("/", 1)[-1].split("-", 1)[0])
