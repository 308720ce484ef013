"""Tar files of the WebDataset convention: the files of one sample share a name.

00000000.jpg     the picture
00000000.cls     the number of its label, if every picture has one
00000000.json    {"label": …, "sha256": …}
"""

import io
import json
import tarfile
from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import itemgetter
from pathlib import Path

from wunderkammer.export.collection import Collection, Picture, ahead


def write_webdataset(collection: Collection, pictures: Iterable[Picture], *, folder: Path) -> None:
    """Write `<subject>-000000.tar` and so on, each cut where the next picture would overfill it.

    Full are as many megabytes of pictures as a shard of the subject may have.
    """
    limit = collection.made.max_shard_mb * 1e6
    samples = _numbered(ahead(collection.file, pictures), limit=limit)
    for number, group in groupby(samples, key=itemgetter(0)):
        path = folder / f"{collection.subject}-{number:06d}.tar"
        with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
            for _, picture, content in group:
                for name, part in _sample(picture, content):
                    # Times, owners and rights are those of a new TarInfo: the same every time.
                    member = tarfile.TarInfo(name)
                    member.size = len(part)
                    tar.addfile(member, io.BytesIO(part))


def _numbered(
    files: Iterable[tuple[Picture, bytes]], *, limit: float
) -> Iterator[tuple[int, Picture, bytes]]:
    """Each picture and its file, with the number of the tar that it belongs into."""
    number = num_bytes = 0
    for picture, content in files:
        if num_bytes and num_bytes + len(content) > limit:
            number, num_bytes = number + 1, 0
        num_bytes += len(content)
        yield number, picture, content


def _sample(picture: Picture, content: bytes) -> Iterable[tuple[str, bytes]]:
    yield f"{picture.name}.{picture.suffix}", content
    if picture.number is not None:
        yield f"{picture.name}.cls", str(picture.number).encode()
    described = {"label": picture.label, "sha256": picture.sha256}
    yield f"{picture.name}.json", json.dumps(described, ensure_ascii=False).encode()
