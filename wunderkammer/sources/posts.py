"""What the posts of several sites have in common: JSON that is read with distrust, tags, times."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from time import time
from typing import Any

MAX_TAGS = 100
# Within a tag a dot may stand, but not two in a row, nor one at its end.
HASHTAG = re.compile(r"#(\w+(?:\.\w+)*)")
# The years that `datetime` has, in seconds since 1970.
FIRST_S, LAST_S = -62_135_596_800, 253_402_300_799


def at(value: Any, *path: str | int) -> Any:
    """What stands at `path` below `value`; None if nothing does.

    In a text half of a surrogate pair, which JSON can spell but no file can hold, becomes "?".
    """
    for part in path:
        if isinstance(value, dict) and isinstance(part, str):
            value = value.get(part)
        elif isinstance(value, list) and isinstance(part, int) and part < len(value):
            value = value[part]
        else:
            return None
    return value.encode(errors="replace").decode() if isinstance(value, str) else value


def whole(value: Any) -> int | None:
    """A whole number, be it written as a number or as text; None for anything else."""
    if isinstance(value, str) and len(value) <= 18 and re.fullmatch("-?[0-9]+", value):
        return int(value)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return int(value) if is_number and abs(value) < 2**53 else None


def utc(epoch_s: int | None) -> str | None:
    """Seconds since 1970 in ISO 8601; None for a time that no calendar has."""
    if epoch_s is None or not FIRST_S <= epoch_s <= LAST_S:
        return None
    return datetime.fromtimestamp(epoch_s, UTC).isoformat().replace("+00:00", "Z")


def latest(times_s: Iterable[int]) -> int:
    """The latest of some times that is not to come, 0 if there is none.

    A watermark in the future would hide all that is posted until then.
    """
    return max((one for one in times_s if one <= time()), default=0)


def hashtags(caption: str | None) -> tuple[str, ...]:
    """The hashtags of a caption without their sign, in small letters, each once."""
    return tuple(dict.fromkeys(HASHTAG.findall((caption or "").lower())))[:MAX_TAGS]


def unlicensed(site: str) -> tuple[str, str]:
    """Why pictures of a site that names no licence are refused."""
    return (
        "licence",
        f"{site} names no licence; if you may use its pictures, set scrape.accept_unlicensed",
    )
