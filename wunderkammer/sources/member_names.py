"""Which names inside an archive are taken, and what ids they get."""

import re

from wunderkammer.sources.item import printable

# A reason, and a detail for a person.
Fault = tuple[str, str]


class MemberNames:
    """Judges the names of an archive's members, one after the other."""

    def __init__(self, *, label_from_folder: bool) -> None:
        self._label_from_folder = label_from_folder
        self._seen: dict[str, int] = {}

    def check(self, name: str) -> tuple[str, Fault | None]:
        r"""The member's id, and what is wrong with its name.

        The second member of a name is refused, with `\#2` behind its id: no `printable` name
        holds that, so ids stay unique.
        """
        id_ = printable(name.removeprefix("./"))
        count = self._seen[id_] = self._seen.get(id_, 0) + 1
        if count > 1:
            return f"{id_}\\#{count}", ("duplicate_name", "the first member of this name counts")
        parts = name.replace("\\", "/").split("/")
        if not parts[0] or re.match("[A-Za-z]:", name):
            return id_, ("absolute_path", "a member's name must be relative")
        if ".." in parts:
            return id_, ("traversal", "a member's name must not hold '..'")
        if any(part.startswith(".") and part != "." for part in parts):
            return id_, ("hidden", "")
        return id_, None

    def label(self, id_: str) -> str | None:
        """The first folder of the name, if labels come from folders."""
        folder, slash, _ = id_.partition("/")
        return folder if slash and self._label_from_folder else None
