"""Downloaded containers, and the pictures in them: pages of PDFs, members of zip files.

A new container is looked into once, in a worker process, since its bytes are of anybody's making.
What was found is remembered by the hash of its content: a zip file, whose members lie in the store
then, is not needed any more; the pages of a PDF are drawn from its blob.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

from wunderkammer.ledger_map import map_ledgered
from wunderkammer.params import digest
from wunderkammer.sources.container_params import PageParams, ZipParams
from wunderkammer.sources.item import (
    BlobItem,
    RefusedItem,
    SourceItem,
    UnreadableItemError,
    provenance,
)
from wunderkammer.sources.member_names import MemberNames
from wunderkammer.sources.page_images import PageImageItem
from wunderkammer.sources.pdf_pages import COUNTED, PageLook, PdfPageItem, count_pages
from wunderkammer.sources.zip_members import ZIP_ERRORS, ZipLimits, zip_members
from wunderkammer.storage.blobs import Blobs
from wunderkammer.storage.ledger import Ledger
from wunderkammer.storage.store import Store
from wunderkammer.workers import Casualty, Workers

log = logging.getLogger(__name__)

# The members of a zip file that are listed; metadata beside them is no picture gone wrong.
PICTURES = (
    ".avif", ".bmp", ".gif", ".j2k", ".jp2", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp",
)  # fmt: skip
# A list of 150,000 members or so.
MAX_DIRECTORY_BYTES = 16 << 20
HEAD_BYTES = 1024
MAX_COUNTING_S = 60.0
MAX_UNPACKING_S = 900.0

UNPACKED = pa.schema(
    [
        ("key", pa.string()),
        (
            "members",
            pa.list_(pa.struct([(n, pa.string()) for n in ("id", "sha256", "reason", "detail")])),
        ),
        ("reason", pa.string()),
        ("detail", pa.string()),
    ]
)
Row = dict[str, Any]
Form = Literal["pdf", "zip"]


@dataclass(frozen=True, kw_only=True)
class ContainerItem(SourceItem):
    """A downloaded container: the items of its pictures take over its provenance.

    Attributes:
        sha256: of its content. A PDF is a blob of the store.
        path: where a zip file lies; None once it is unpacked.
    """

    key: str = ""
    form: Form
    sha256: str
    path: Path | None = None

    def read(self) -> bytes:
        """Is no picture.

        Raises:
            UnreadableItemError: always.
        """
        raise UnreadableItemError("not_an_image", f"a {self.form} file")


class Containers:
    """What is known of the containers of one source, below `ledger`."""

    def __init__(
        self, params: ZipParams, *, store: Store, ledger: str, max_bytes: int, max_pixels: int
    ) -> None:
        self.params = params
        self.store = store
        self._max_pixels = max_pixels
        self._limits = ZipLimits(
            max_bytes=max_bytes,
            max_total_gb=params.max_total_gb,
            max_ratio=params.max_ratio,
            max_directory_bytes=MAX_DIRECTORY_BYTES,
        )
        # Other limits let other members in.
        limits = digest([max_bytes, params.max_total_gb, params.max_ratio])
        self._unpacked = _Unpacked(store, f"{ledger}/unpacked/{limits}", UNPACKED)
        self._counted = Ledger(store, f"{ledger}/counted", COUNTED)

    def unpacked(self) -> set[str]:
        """The hashes of the zip files that need not be fetched: their members are in the store."""
        return set(self._unpacked.rows()["key"].to_pylist())

    def open(self, found: Sequence[ContainerItem]) -> list[list[SourceItem]]:
        """For each container the items of its pictures, or one RefusedItem.

        Those that are new are looked into here; give many at a time, for that starts a process.
        """
        pdfs = {item.sha256: item.sha256 for item in found if item.form == "pdf"}
        zips: dict[str, Path | None] = {}
        for item in found:
            # Of two with one content the second may come without a file of its own.
            if item.form == "zip":
                zips[item.sha256] = item.path or zips.get(item.sha256)
        known = {**self._count(pdfs), **self._unpack(zips)}
        return [self._items(item, known[item.sha256]) for item in found]

    def _count(self, pdfs: dict[str, str]) -> dict[str, Row]:
        rows = map_ledgered(
            self._counted,
            pdfs,
            fn=partial(count_pages, self.store),
            on_casualty=_casualty,
            what="PDFs",
            log=log,
            workers=Workers(num_workers=1, item_timeout_s=MAX_COUNTING_S),
        )
        return {row["key"]: row for row in rows.to_pylist()}

    def _unpack(self, zips: dict[str, Path | None]) -> dict[str, Row]:
        rows = map_ledgered(
            self._unpacked,
            zips,
            fn=partial(unpack, store=self.store, limits=self._limits),
            on_casualty=_casualty,
            what="zip files",
            log=log,
            workers=Workers(num_workers=1, batch_size=1, item_timeout_s=MAX_UNPACKING_S),
        )
        return {row["key"]: row for row in rows.to_pylist()}

    def _items(self, container: ContainerItem, row: Row) -> list[SourceItem]:
        if row["reason"] is not None:
            return [_refused(container, container.id, row["reason"], row["detail"] or "")]
        if container.form == "zip":
            return self._members(container, row["members"])
        assert isinstance(self.params, PageParams)
        return self._pages(container, row["num_pages"], self.params)

    def _pages(
        self, container: ContainerItem, num_pages: int, params: PageParams
    ) -> list[SourceItem]:
        look = self._look(params)
        key = f"pdf:{container.sha256}:{digest([look.dpi, look.grey, look.min_ink])[:16]}"
        items: list[SourceItem] = []
        for page in range(num_pages):
            id_ = f"{container.id}#p{page + 1:04d}"
            fault = params.left_out(page, num_pages)
            if fault is not None:
                items.append(_refused(container, id_, *fault))
                continue
            items.append(
                PdfPageItem(
                    **_known(container, id_),
                    key=f"{key}:{page}",
                    store=self.store,
                    sha256=container.sha256,
                    page=page,
                    look=look,
                )
            )
        return items

    def _members(self, container: ContainerItem, members: list[Row]) -> list[SourceItem]:
        items: list[SourceItem] = []
        params = self.params if isinstance(self.params, PageParams) else None
        good = [member for member in members if member["reason"] is None]
        pages = {member["id"]: number for number, member in enumerate(good)}
        for member in members:
            id_ = f"{container.id}/{member['id']}"
            fault = (member["reason"], member["detail"] or "") if member["reason"] else None
            if fault is None and params is not None:
                fault = params.left_out(pages[member["id"]], len(good))
            if fault is not None:
                items.append(_refused(container, id_, *fault))
                continue
            items.append(self._member(member["sha256"], _known(container, id_), params))
        return items

    def _member(self, sha256: str, known: dict[str, Any], params: PageParams | None) -> SourceItem:
        known = {**known, "store": self.store, "sha256": sha256}
        if params is None or not (params.grey or params.min_ink):
            return BlobItem(**known, key=f"blob:{sha256}")
        look = self._look(params)
        key = f"page:{sha256}:{digest([look.grey, look.min_ink])[:16]}"
        return PageImageItem(**known, key=key, look=look)

    def _look(self, params: PageParams) -> PageLook:
        return PageLook(
            dpi=params.dpi,
            grey=params.grey,
            min_ink=params.min_ink,
            max_pixels=self._max_pixels,
        )


def form_fault(form: Form, head: bytes) -> tuple[str, str] | None:
    """Why a file that begins with `head` (at most HEAD_BYTES count) is no container of this form.

    A site that is out of order sends a page of apology in its place; it may be asked again.
    """
    if form == "zip":
        # An empty zip file is nothing but the end of a directory.
        is_one = head.startswith((b"PK\x03\x04", b"PK\x05\x06"))
    else:
        # Readers look for the header in the first kilobyte (ISO 32000-1, annex H.3, note 13).
        is_one = b"%PDF-" in head[:HEAD_BYTES]
    return None if is_one else (f"not_a_{form}", f"it begins with {head[:16]!r}")


def unpack(path: Path | None, *, store: Store, limits: ZipLimits) -> Row:
    """Put the pictures of the zip file at `path` into the store: a row of UNPACKED without key."""
    if path is None or not path.is_file():
        return {"reason": "unreadable", "detail": "its zip file is gone; it is fetched again"}
    with path.open("rb") as file:
        fault = form_fault("zip", file.read(HEAD_BYTES))
    if fault is not None:
        return {"reason": fault[0], "detail": fault[1]}
    blobs = Blobs(store)
    members: list[Row] = []
    try:
        names = MemberNames(label_from_folder=False)
        for item in zip_members(path, limits=limits, names=names, wanted=is_picture):
            members.append(_unpacked_member(item, blobs))
    except ZIP_ERRORS as error:
        return {"reason": "damaged_zip", "detail": str(error)}
    if not members:
        return {"reason": "no_pictures", "detail": f"none of its files ends in {PICTURES}"}
    return {"members": sorted(members, key=lambda member: member["id"])}


class _Unpacked(Ledger):
    """The ledger of `unpack`; a zip file counts while all its members are in the store."""

    def rows(self) -> pa.Table:
        """All rows, one a key."""
        rows = super().rows()
        hashes = pc.struct_field(pc.list_flatten(rows["members"]), "sha256")
        lost = Blobs(self.store).lost(hashes.drop_null().unique().to_pylist())
        is_lost = pc.is_in(hashes, value_set=pa.array(lost, pa.string()), skip_nulls=True)
        incomplete = pc.list_parent_indices(rows["members"]).filter(is_lost)
        numbers = pa.array(range(rows.num_rows), pa.int64())
        return rows.filter(pc.invert(pc.is_in(numbers, value_set=incomplete.combine_chunks())))


def is_picture(name: str) -> bool:
    """Whether a member of this name is listed."""
    return PurePosixPath(name).suffix.lower() in PICTURES


def _unpacked_member(item: SourceItem, blobs: Blobs) -> Row:
    if isinstance(item, RefusedItem):
        return {"id": item.id, "reason": item.reason, "detail": item.detail}
    try:
        return {"id": item.id, "sha256": blobs.put(item.read())}
    except UnreadableItemError as error:
        return {"id": item.id, "reason": error.reason, "detail": error.detail}


def _known(container: ContainerItem, id_: str) -> dict[str, Any]:
    known = {**provenance(container), "id": id_}
    if container.form == "pdf":
        known["group"] = container.group or container.id
    return {**known, "fetched_at": container.fetched_at, "headers": container.headers}


def _refused(container: ContainerItem, id_: str, reason: str, detail: str) -> RefusedItem:
    return RefusedItem(**_known(container, id_), reason=reason, detail=detail)


def _casualty(_: object, casualty: Casualty) -> Row:
    return {"reason": casualty.reason, "detail": "looking into it ended or blocked a worker"}
