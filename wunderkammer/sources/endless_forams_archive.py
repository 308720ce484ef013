"""Capsules of Endless Forams on this disk, for the day when the site is gone."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from wunderkammer.sources.archive import Archive
from wunderkammer.sources.containers import is_picture
from wunderkammer.sources.endless_forams import AUTHOR, EndlessForamsParams, chosen_taxa
from wunderkammer.sources.item import SourceError, SourceItem
from wunderkammer.sources.licences import read_licence
from wunderkammer.sources.params import ArchiveParams
from wunderkammer.storage.store import Store

# "Beella_digitata_00012.jpg", "Beella-digitata", "Beella digitata"
SPECIES = re.compile(r"([A-Z][a-z]{2,})[ _-]([a-z]{3,})(?![A-Za-z])")


class Capsule:
    """The pictures of a local capsule as a source."""

    def __init__(
        self, params: EndlessForamsParams, *, path: Path, store: Store, ledger: str
    ) -> None:
        assert params.archive is not None
        self._params = params
        archive = ArchiveParams(
            kind="archive",
            path=params.archive,
            max_file_mb=params.max_file_mb,
            max_total_gb=params.max_total_gb,
            max_ratio=params.max_ratio,
        )
        self._archive = Archive(archive, path=path, store=store, ledger=ledger)

    def items(self) -> Sequence[SourceItem]:
        """The pictures of the chosen species, labelled with them; without a choice all pictures.

        Raises:
            SourceError: the archive can't be read, or holds none.
        """
        params = self._params
        pictures = [item for item in self._archive.items() if is_picture(item.id)]
        labels = [species_in(item.id, archive=self._archive.path.name) for item in pictures]
        chosen = set(chosen_taxa(Counter(filter(None, labels)), params))
        takes_all = not params.taxa and params.num_taxa is None and params.min_images == 1
        licence = read_licence(params.licence)
        items = [
            replace(
                item,
                label=label,
                title=label,
                author=AUTHOR,
                licence=licence.name,
                licence_url=licence.url,
            )
            for item, label in zip(pictures, labels, strict=True)
            if takes_all or label in chosen
        ]
        if not items:
            species = ", ".join(sorted(set(filter(None, labels)))[:5])
            raise SourceError(
                f"scrape.archive={params.archive!r} holds {len(pictures)} pictures, and none of "
                f"the species that taxa and min_images={params.min_images} ask for (it has: "
                f"{species or 'none that can be told'}); correct them, or give another archive"
            )
        return items


def species_in(member: str, *, archive: str) -> str | None:
    """The species that the name of a member tells, else the nearest folder, else the archive."""
    for part in (*reversed(member.split("/")), archive):
        match = SPECIES.match(part)
        if match is not None:
            return f"{match[1]} {match[2]}"
    return None
