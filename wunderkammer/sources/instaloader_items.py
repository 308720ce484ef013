"""The pictures of a download that was made with instaloader, as items."""

import hashlib
import logging
import re
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from wunderkammer.sources.folder import FileItem, Folder
from wunderkammer.sources.instaloader_folder import (
    MAX_PACKED_BYTES,
    DamagedPostError,
    InstaloaderFolderParams,
    InstaloaderPost,
    Taken,
    read_post,
)
from wunderkammer.sources.item import RefusedItem, SourceItem, UnreadableItemError, provenance
from wunderkammer.sources.params import FolderParams
from wunderkammer.sources.posts import hashtags
from wunderkammer.sources.replies import as_text

log = logging.getLogger(__name__)

PICTURES = tuple(
    "**/*." + "".join(f"[{letter}{letter.upper()}]" for letter in suffix)
    for suffix in ("jpg", "jpeg", "png", "webp", "heic")
)
# "2026-10-08_17-10-31_UTC_2" is the second part of a post.
PART = re.compile(r"(.+)_([0-9]{1,3})", re.DOTALL)
DATED = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})_([0-9]{2})-([0-9]{2})-([0-9]{2})_UTC(?![0-9])")
OF_PROFILE = ("_profile_pic", "_cover")
BEYOND_PROFILE_CAP = "beyond_max_images_per_profile"


@dataclass(frozen=True, kw_only=True)
class _Beside:
    """What the files beside the pictures of a post tell; `problem` is why there is no `post`."""

    post: InstaloaderPost | None = None
    title: str | None = None
    tags: tuple[str, ...] = ()
    problem: str | None = None


class InstaloaderFolder:
    """The pictures below a folder, with the provenance that lies beside them.

    Ids, keys and most refusals are those of `Folder`, which follows no link. A picture of a kind
    that is not in `take` is refused for that kind.
    """

    def __init__(self, params: InstaloaderFolderParams, *, root: Path) -> None:
        self.params = params
        self.root = root

    def items(self) -> list[SourceItem]:
        """Every picture in the order of `Folder`.

        Raises:
            SourceError: the folder does not exist, or holds no picture.
        """
        params = self.params
        folder = FolderParams(
            kind="folder", path=params.path, include=PICTURES, max_file_mb=params.max_file_mb
        )
        items = Folder(folder, root=self.root).items()
        self._describe(items)
        cap = params.max_images_per_profile
        return items if cap is None else self._capped(items, cap)

    def _describe(self, items: list[SourceItem]) -> None:
        """Add what lies beside them, in place: there may be a great many."""
        beside, of_stem = _Beside(), ""
        num_without, first = 0, ""
        for number, item in enumerate(items):
            if not isinstance(item, FileItem):
                continue
            stem = item.path.rpartition(".")[0]
            base, part = _base_and_part(stem)
            # The pictures of a post stand together.
            if base != of_stem:
                of_stem, beside = base, _read_beside(*dict.fromkeys((base, stem)))
            if beside.problem is not None:
                num_without += 1
                first = first or f"{item.id}: {beside.problem}"
            is_of_profile = stem.endswith(OF_PROFILE)
            items[number] = self._item(item, beside, part, is_of_profile=is_of_profile)
        if num_without:
            log.warning(
                "%d of %d pictures in %s come without author and page: nothing readable tells of "
                "them (the first: %s); scrape.require_metadata refuses such",
                num_without,
                len(items),
                self.root,
                first,
            )

    def _item(
        self, file: FileItem, beside: _Beside, part: int, *, is_of_profile: bool
    ) -> SourceItem:
        params, post = self.params, beside.post
        folder, slash, _ = file.id.partition("/")
        dated = DATED.search(file.id.rpartition("/")[2])
        by_name = f"{dated[1]}T{dated[2]}:{dated[3]}:{dated[4]}Z" if dated else None
        author = post.author if post else None
        item = replace(
            file,
            landing_page=post.landing_page if post else None,
            author=author,
            title=beside.title,
            tags=beside.tags,
            taken_at=(post.taken_at if post else None) or by_name,
            label=author or (folder if slash else None) if params.label_from_profile else None,
            group=(post.shortcode if post else None)
            or _base_and_part(file.id.rpartition(".")[0])[0],
        )
        for kind in _kinds(post, part, is_of_profile=is_of_profile):
            if kind not in params.take:
                detail = f"taken (scrape.take): {', '.join(params.take)}"
                return RefusedItem(**provenance(item), reason=kind, detail=detail)
        if params.require_metadata and beside.problem is not None:
            return RefusedItem(**provenance(item), reason="no_metadata", detail=beside.problem)
        return item

    def _capped(self, items: Sequence[SourceItem], cap: int) -> list[SourceItem]:
        """The items; of each profile those beyond the cap are refused, in an order of hashes."""
        profiles: dict[str, list[str]] = defaultdict(list)
        for item in items:
            if isinstance(item, FileItem):
                profiles[item.author or item.id.rpartition("/")[0]].append(item.id)
        chosen = {id_ for ids in profiles.values() for id_ in sorted(ids, key=self._lot)[:cap]}
        return [
            RefusedItem(**provenance(item), reason=BEYOND_PROFILE_CAP, detail=f"allowed: {cap}")
            if isinstance(item, FileItem) and item.id not in chosen
            else item
            for item in items
        ]

    def _lot(self, id_: str) -> bytes:
        return hashlib.sha256(f"{self.params.seed} {id_}".encode()).digest()


def _base_and_part(stem: str) -> tuple[str, int]:
    """The name of a post's files, and which part of the post this is, from 1 on."""
    match = PART.fullmatch(stem)
    return (match[1], int(match[2])) if match else (stem, 1)


def _kinds(post: InstaloaderPost | None, part: int, *, is_of_profile: bool) -> Iterator[Taken]:
    if is_of_profile:
        yield "profile_pictures"
        return
    yield "stories" if post and post.is_story else "posts"
    if post and post.are_videos[part - 1 : part] == (True,):
        yield "video_thumbnails"


def _read_beside(*stems: str) -> _Beside:
    """What lies beside pictures: under the name of their post, or under their own."""
    if stems[0].endswith(OF_PROFILE):
        return _Beside()
    post, caption, problem = None, None, None
    for path in (f"{stem}{suffix}" for stem in stems for suffix in (".json.xz", ".json")):
        try:
            content = _read(path)
            post = None if content is None else read_post(content, is_packed=path.endswith(".xz"))
        except DamagedPostError as error:
            problem = problem or f"{Path(path).suffix}: {error}"
        if post is not None:
            caption, problem = post.caption, None
            break
    for stem in stems:
        caption = caption or _caption(f"{stem}.txt")
    # Of few tags there are many: each is held once.
    tags = tuple(map(sys.intern, hashtags(caption)))
    if post is None:
        problem = problem or "there is no .json or .json.xz file"
    return _Beside(post=post, title=as_text(caption), tags=tags, problem=problem)


def _caption(path: str) -> str | None:
    try:
        content = _read(path)
    except DamagedPostError:
        return None
    return None if content is None else content.decode(errors="replace")


def _read(path: str) -> bytes | None:
    """The content of a small file, None if there is none; as with pictures, no link is followed.

    Raises:
        DamagedPostError: it can't be read, or is too large.
    """
    try:
        return FileItem(id="", key="", path=path, max_bytes=MAX_PACKED_BYTES).read()
    except UnreadableItemError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            return None
        raise DamagedPostError(f"{error.reason}: {error.detail}") from error
