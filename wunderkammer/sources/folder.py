"""Every file below a folder, in one fixed order; no link is ever followed."""

import errno
import os
import re
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from wunderkammer.sources.item import (
    RefusedItem,
    SourceError,
    SourceItem,
    UnreadableItemError,
    printable,
)
from wunderkammer.sources.params import FolderParams

# A subfolder's own faults. Any other (a disk that fails) ends the run: its files are not gone.
UNLISTABLE = (errno.EACCES, errno.EPERM, errno.ENAMETOOLONG)


@dataclass(frozen=True, kw_only=True)
class FileItem(SourceItem):
    """A regular file; `max_bytes` bounds what is read of it."""

    path: str
    max_bytes: int

    def read(self) -> bytes:
        """The file's bytes.

        Raises:
            UnreadableItemError: "unreadable", "link", "not_a_regular_file" or "too_large"
                (the file was exchanged after it was listed).
        """
        try:
            # O_NONBLOCK: a fifo put in the file's place must not hang the worker.
            descriptor = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            with open(descriptor, "rb") as file:  # noqa: PTH123 - a descriptor has no Path
                if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                    raise UnreadableItemError("not_a_regular_file", "exchanged since listed")
                content = file.read(self.max_bytes + 1)
        except OSError as error:
            reason = "link" if error.errno == errno.ELOOP else "unreadable"
            raise UnreadableItemError(reason, os.strerror(error.errno or 0)) from error
        if len(content) > self.max_bytes:
            raise UnreadableItemError("too_large", f"it has grown beyond {self.max_bytes} bytes")
        return content


class Folder:
    r"""The files of a folder as items.

    The id is the path below the folder with `/` between its parts, written as `printable` does
    (a newline becomes `\u000a`, a byte that is no UTF-8 `\xNN`). The key is the absolute path,
    the size, and the times of the last change of content and of the inode: copying a different
    file of the same size and date over an old one still counts as a change.

    Refused before reading, each a `RefusedItem`: a symbolic link ("link"), a name that starts
    with a dot ("hidden"; a hidden folder is one item), a fifo, socket or device
    ("not_a_regular_file"), an "empty" file, one beyond `max_file_mb` ("too_large"), a subfolder
    that may not be listed ("unreadable"). A file that no `include` pattern names is not listed.
    """

    def __init__(self, params: FolderParams, *, root: Path) -> None:
        self.params = params
        self.root = root

    def items(self) -> list[SourceItem]:
        """Every file, sorted by name, a folder's own files before its subfolders'.

        Raises:
            SourceError: the folder does not exist, or holds no file that `include` names.
        """
        if not self.root.is_dir():
            found = "is not a folder" if self.root.exists() else "does not exist"
            raise SourceError(
                f"scrape.path={self.params.path!r}: {str(self.root)!r} {found}; "
                f"correct the path, or mount the disk that it lies on"
            )
        items = list(self._walk(str(self.root), ()))
        if not items:
            raise SourceError(
                f"scrape.path={self.params.path!r}: {str(self.root)!r} holds no file that "
                f"include={list(self.params.include)} names; put pictures there, correct the "
                f"patterns, or mount the disk (what was scraped before is untouched)"
            )
        return items

    def _walk(self, folder: str, parents: tuple[str, ...]) -> Iterator[SourceItem]:
        included = _matcher(self.params.include)
        # A stack, not recursion: a path may be deeper than Python's recursion limit.
        stack = [(folder, parents)]
        while stack:
            folder, parents = stack.pop()
            prefix = "".join(f"{parent}/" for parent in parents)
            try:
                with os.scandir(folder) as entries:
                    listed = sorted(entries, key=lambda entry: entry.name)
            except OSError as error:
                if error.errno == errno.ENOENT:
                    continue
                if error.errno not in UNLISTABLE:
                    raise
                yield _refused(prefix.removesuffix("/") or ".", "unreadable", str(error.strerror))
                continue
            subfolders = []
            for entry in listed:
                path = prefix + entry.name
                if entry.is_dir(follow_symlinks=False) and not entry.name.startswith("."):
                    subfolders.append((entry.path, (*parents, entry.name)))
                elif included(path):
                    item = self._item(entry, path, parents)
                    if item is not None:
                        yield item
            stack.extend(reversed(subfolders))

    def _item(
        self, entry: "os.DirEntry[str]", path: str, parents: tuple[str, ...]
    ) -> SourceItem | None:
        if entry.is_symlink():
            return _refused(path, "link", "links are not followed")
        if entry.name.startswith("."):
            return _refused(path, "hidden")
        try:
            status = entry.stat(follow_symlinks=False)
        except FileNotFoundError:
            return None
        if not stat.S_ISREG(status.st_mode):
            return _refused(path, "not_a_regular_file")
        if status.st_size == 0:
            return _refused(path, "empty")
        max_bytes = self.params.max_bytes
        if status.st_size > max_bytes:
            return _refused(path, "too_large", f"{status.st_size} bytes, allowed: {max_bytes}")
        labelled = self.params.label_from_folder and parents
        return FileItem(
            id=printable(path),
            key=f"{printable(entry.path)}|{status.st_size}|{status.st_mtime_ns}|{status.st_ctime_ns}",
            label=printable(parents[0]) if labelled else None,
            path=entry.path,
            max_bytes=max_bytes,
        )


def _refused(path: str, reason: str, detail: str = "") -> RefusedItem:
    return RefusedItem(id=printable(path), reason=reason, detail=detail)


def _matcher(patterns: Sequence[str]) -> Callable[[str], bool]:
    """Whether a path (parts joined by `/`) is named by a pattern: `*` and `?` stay in one part,
    `**` as a part of its own spans any number of parts, `[...]` is a set of characters."""
    if "**" in patterns:
        return lambda path: True
    try:
        regex = re.compile("|".join(map(_regex, patterns)), re.DOTALL)
    except re.error as error:
        raise SourceError(f"scrape.include={list(patterns)}: {error}") from error
    return lambda path: regex.fullmatch(path) is not None


def _regex(pattern: str) -> str:
    *parents, last = pattern.split("/")
    written = ["(?:.*/)?" if part == "**" else _part_regex(part) + "/" for part in parents]
    return "".join(written) + (".*" if last == "**" else _part_regex(last))


def _part_regex(part: str) -> str:
    return re.sub(r"\[!?\]?[^\]]*\]|.", lambda sign: _token_regex(sign[0]), part, flags=re.DOTALL)


def _token_regex(sign: str) -> str:
    if sign in ("*", "?"):
        return "[^/]*" if sign == "*" else "[^/]"
    if len(sign) == 1:
        return re.escape(sign)
    negated = sign.startswith("[!")
    members = re.sub(r"([\\\[\]^])", r"\\\1", sign[2 if negated else 1 : -1])
    return f"(?!/)[{'^' if negated else ''}{members}]"
