"""Which picture an annotation means by a name: annotations outlive the folders they name."""

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from wunderkammer.labels.table import AMBIGUOUS_IMAGE, NO_IMAGE

SUFFIX = re.compile(r"\.(jpe?g|jfif|png|webp|bmp|gif|tiff?|avif|jp2|p[pg]m)", re.IGNORECASE)


@dataclass(frozen=True)
class NotFound:
    """Why no picture is meant by a name."""

    reason: str
    detail: str


class PictureFinder:
    """Finds pictures by name in a folder, and below it, then among those of the scrape.

    Args:
        folder: of the picture files.
        scraped: the SHA-256 of pictures in the store by their ids; they are also found by it.
    """

    def __init__(self, folder: Path, scraped: Mapping[str, str]) -> None:
        self.folder = folder
        self._files: defaultdict[str, list[PurePosixPath]] = defaultdict(list)
        for file in sorted(folder.rglob("*")):
            if is_picture(file):
                place = PurePosixPath(file.relative_to(folder).as_posix())
                self._files[place.name].append(place)
                self._files[place.stem].append(place)
        self._scraped: defaultdict[str, set[str]] = defaultdict(set)
        for identity, sha256 in scraped.items():
            for key in {identity, PurePosixPath(identity).name, sha256}:
                self._scraped[key].add(sha256)
        self._used: set[Path] = set()

    def find(self, name: str) -> Path | str | NotFound:
        """The file that `name` means, or the SHA-256 of a scraped picture, or why there is none.

        Of several files of that name the one counts whose folders agree with the name's the
        furthest; a name without its ending, or with %20 in it, is found too.
        """
        for spelled in dict.fromkeys((name, unquote(name))):
            asked = PurePosixPath(spelled.replace("\\", "/"))
            candidates = self._files.get(asked.name, [])
            best = _nearest(asked, candidates)
            if len(best) > 1:
                shown = ", ".join(map(str, best[:3]))
                return NotFound(AMBIGUOUS_IMAGE, f"{name!r} may be any of {shown}")
            if best:
                self._used.add(self.folder / best[0])
                return self.folder / best[0]
            hashes = self._scraped.get(spelled) or self._scraped.get(asked.name)
            hashes = hashes or self._scraped.get(asked.stem) or set()
            if len(hashes) == 1:
                return next(iter(hashes))
            if hashes:
                return NotFound(AMBIGUOUS_IMAGE, f"{len(hashes)} pictures of the scrape: {name!r}")
        return NotFound(NO_IMAGE, f"no picture {name!r} in {self.folder} or in the scrape")

    @property
    def num_unnamed(self) -> int:
        """Pictures of the folder that nothing has asked for."""
        places = {place for found in self._files.values() for place in found}
        return len(places) - len(self._used)


def is_picture(file: Path) -> bool:
    """Whether it is a file with the name of a picture."""
    return SUFFIX.fullmatch(file.suffix) is not None and file.is_file()


def default_folder(path: Path) -> Path:
    """Where the pictures of labels at `path` are, if nobody says: there, else one folder up."""
    folder = path if path.is_dir() else path.parent
    has_pictures = any(map(is_picture, folder.rglob("*")))
    return folder if has_pictures else folder.parent


def _nearest(asked: PurePosixPath, candidates: list[PurePosixPath]) -> list[PurePosixPath]:
    """Those of the candidates with the most folders, from the last on, that `asked` has too."""
    if len(candidates) < 2:
        return candidates
    scores = [_common(asked.parts[:-1], place.parts[:-1]) for place in candidates]
    return [place for place, score in zip(candidates, scores, strict=True) if score == max(scores)]


def _common(one: tuple[str, ...], other: tuple[str, ...]) -> int:
    count = 0
    for a, b in zip(reversed(one), reversed(other), strict=False):
        if a != b:
            break
        count += 1
    return count
