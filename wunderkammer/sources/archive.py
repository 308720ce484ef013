"""The members of a zip or tar file. Nothing is ever written under a name from inside it."""

import zipfile
from pathlib import Path

from wunderkammer.sources.item import SourceError, SourceItem
from wunderkammer.sources.member_names import MemberNames
from wunderkammer.sources.params import ArchiveParams
from wunderkammer.sources.tar import TAR_MAGIC, unpacked_members
from wunderkammer.sources.zip_members import ZIP_ERRORS, ZipLimits, zip_members
from wunderkammer.storage.store import Store


class Archive:
    """The members of one zip or tar (plain, gzip, bzip2 or xz), in the order of the archive.

    The kind is told by the first bytes, not by the name. The id is the member's name, written as
    `printable` does. Workers read a zip's members straight from the file; a tar is a stream, so
    its members go into the store in one pass, which a `store` remembers below `ledger`.
    """

    def __init__(self, params: ArchiveParams, *, path: Path, store: Store, ledger: str) -> None:
        self.params = params
        self.path = path
        self.store = store
        self.ledger = ledger

    def items(self) -> list[SourceItem]:
        """Every member that is no folder.

        Raises:
            SourceError: there is no such file, it is damaged, no archive, or holds no file.
        """
        where = f"the archive {self.params.path!r} of the scrape section: {str(self.path)!r}"
        if not self.path.is_file():
            raise SourceError(f"{where} is not a file; correct the path, or mount the disk")
        with self.path.open("rb") as file:
            head = file.read(512)
        if head.startswith(TAR_MAGIC) or head[257:262] == b"ustar":
            items = unpacked_members(
                self.params, path=self.path, store=self.store, ledger=self.ledger
            )
        elif zipfile.is_zipfile(self.path):
            items = _zip_members(self.params, self.path)
        else:
            raise SourceError(
                f"{where} is no zip and no tar (plain, .gz, .bz2, .xz) file, or a truncated one; "
                f"it begins with {head[:16]!r}; fetch it again, or repack it"
            )
        if not items:
            raise SourceError(f"{where} holds no file; was the right archive given?")
        return items


def _zip_members(params: ArchiveParams, path: Path) -> list[SourceItem]:
    limits = ZipLimits(
        max_bytes=params.max_bytes,
        max_total_gb=params.max_total_gb,
        max_ratio=params.max_ratio,
    )
    names = MemberNames(label_from_folder=params.label_from_folder)
    try:
        return list(zip_members(path, limits=limits, names=names))
    except ZIP_ERRORS as error:
        raise SourceError(
            f"the archive {params.path!r} of the scrape section: the zip file {str(path)!r} is "
            f"damaged ({error}); fetch it again, or repair it with: zip -FF"
        ) from error
