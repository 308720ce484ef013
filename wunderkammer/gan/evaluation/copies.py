"""The search for copies in every space, what it says in words, and its table and picture."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa

from wunderkammer.gan.evaluation.material import Material
from wunderkammer.gan.evaluation.memorisation import Embed, Nearest, Verdict, judge, look_up
from wunderkammer.gan.evaluation.pairs import MAX_PAIRS, Pair, pairs_sheet
from wunderkammer.gan.evaluation.pictures import Floats, Pictures

MAX_REFERENCES = 1000
# Of fewer held-out pictures the smallest score says little.
MIN_HELD_OUT = 100

Reference = Literal["held-out pictures", "training pictures among themselves"]


@dataclass(frozen=True)
class Search:
    """The nearest training picture of each fake in each space, and the verdicts there."""

    nearest: Mapping[str, Nearest]
    verdicts: Mapping[str, Verdict]
    reference: Reference
    num_references: int

    @property
    def is_memorised(self) -> bool:
        """Whether there are copies by any of the spaces."""
        return any(verdict.is_memorised for verdict in self.verdicts.values())

    @property
    def words(self) -> str:
        """The verdict in the space where copies are most frequent."""
        space = max(self.verdicts, key=lambda name: self.verdicts[name].share)
        verdict = self.verdicts[space]
        opening = "memorised" if self.is_memorised else "no sign of memorisation"
        return (
            f"{opening}: {verdict.share:.1%} of the generated pictures have the score of a copy, "
            f"{verdict.expected:.1%} would by chance ({space.replace('_', ' ')}, against "
            f"{self.num_references} {self.reference})"
        )


def search_copies(
    material: Material, fake_features: Mapping[str, Floats], embeds: Mapping[str, Embed], seed: int
) -> Search:
    """Look every fake up among the training pictures, and reals that are no copies beside them.

    Those are the held-out pictures, or, where there are fewer than 100, training pictures that
    are looked up among the others.

    Raises:
        ValueError: there are fewer than 12 training pictures.
    """
    held_out_NCHW = material.held_out_NCHW
    reference: Reference = "held-out pictures"
    own_R = np.full(len(held_out_NCHW), -1, np.int64)
    if len(held_out_NCHW) < MIN_HELD_OUT:
        reference = "training pictures among themselves"
        own_R = material.some_training(MAX_REFERENCES, seed=seed)
        held_out_NCHW = material.training_NCHW[own_R]
    nearest, verdicts = {}, {}
    for space, embed in embeds.items():
        fake_ND = fake_features[space]
        found = look_up(
            np.concatenate([fake_ND, embed(held_out_NCHW)]),
            material.training_NCHW,
            embed,
            mirror=material.mirror,
            own_N=np.concatenate([np.full(len(fake_ND), -1, np.int64), own_R]),
        )
        nearest[space] = found.part(slice(len(fake_ND)))
        verdicts[space] = judge(nearest[space], found.part(slice(len(fake_ND), None)))
    return Search(nearest, verdicts, reference, len(own_R))


def nearest_table(search: Search, sha256s: Sequence[str]) -> pa.Table:
    """A row a fake (its number in the stream) and space: the training picture, distance, score."""
    tables = []
    for space, found in search.nearest.items():
        num = len(found.index_N)
        # As lists: for an array pyarrow would import pandas.
        columns = {
            "fake": list(range(num)),
            "space": [space] * num,
            "nearest_sha256": [sha256s[index] for index in found.index_N],
            "distance": found.distance_N.tolist(),
            "score": found.score_N.tolist(),
            "is_copy": (found.score_N < search.verdicts[space].threshold).tolist(),
        }
        tables.append(pa.table(columns))
    return pa.concat_tables(tables)


def copies_sheet(
    search: Search, fake_NCHW: Pictures, training_NCHW: Pictures, *, subject: str
) -> bytes:
    """The 24 fakes that look most like copies, worst first: a JPEG of at most 200 kB.

    Each beside its nearest training picture in the space where its score is the lowest share of
    the threshold.
    """
    spaces = list(search.nearest)
    shares_SN = np.stack(
        [
            search.nearest[space].score_N / max(search.verdicts[space].threshold, 1e-9)
            for space in spaces
        ]
    )
    worst = np.argsort(shares_SN.min(axis=0), kind="stable")[:MAX_PAIRS]
    pairs = []
    for fake in worst.tolist():
        space = spaces[int(shares_SN[:, fake].argmin())]
        found = search.nearest[space]
        pairs.append(
            Pair(
                fake_CHW=fake_NCHW[fake],
                real_CHW=training_NCHW[found.index_N[fake]],
                fake_caption=f"generated {fake}\nscore {found.score_N[fake]:.2f}",
                real_caption=f"distance {found.distance_N[fake]:.3f}\n{space.replace('_', ' ')}",
            )
        )
    return pairs_sheet(pairs, title=f"{subject}, worst first; {search.words}")
