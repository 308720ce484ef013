"""Photos as Flickr's API lists them."""

import re
from collections.abc import Iterable
from typing import Any, Literal, get_args

from wunderkammer.sources.posts import MAX_TAGS, at, utc, whole
from wunderkammer.sources.replies import as_text, as_url

Size = Literal["o", "6k", "5k", "4k", "3k", "k", "h", "l", "c", "z", "m"]
SIZES: tuple[Size, ...] = get_args(Size)
# The longest side in pixels; the original ("o") has any.
MAX_SIDES_PX: dict[Size, int] = {
    "6k": 6144,
    "5k": 5120,
    "4k": 4096,
    "3k": 3072,
    "k": 2048,
    "h": 1600,
    "l": 1024,
    "c": 800,
    "z": 640,
    "m": 500,
}
EXTRAS = ",".join(
    [
        "license,owner_name,date_taken,date_upload,tags,machine_tags,geo,o_dims,media",
        *(f"url_{size}" for size in SIZES),
    ]
)
# The ids that Flickr has given before November 2026; it tells of newer ones itself.
CC = "https://creativecommons.org"
LICENCES = {
    "0": ("All Rights Reserved", None),
    "1": ("CC BY-NC-SA 2.0", f"{CC}/licenses/by-nc-sa/2.0/"),
    "2": ("CC BY-NC 2.0", f"{CC}/licenses/by-nc/2.0/"),
    "3": ("CC BY-NC-ND 2.0", f"{CC}/licenses/by-nc-nd/2.0/"),
    "4": ("CC BY 2.0", f"{CC}/licenses/by/2.0/"),
    "5": ("CC BY-SA 2.0", f"{CC}/licenses/by-sa/2.0/"),
    "6": ("CC BY-ND 2.0", f"{CC}/licenses/by-nd/2.0/"),
    "7": ("No known copyright restrictions", "https://www.flickr.com/commons/usage/"),
    "8": ("United States Government Work", "https://www.usa.gov/government-copyright"),
    "9": ("CC0 1.0", f"{CC}/publicdomain/zero/1.0/"),
    "10": ("Public Domain Mark 1.0", f"{CC}/publicdomain/mark/1.0/"),
}
# How much of a date of each "granularity" is known: all, a month, a year, about a year.
DATE_CHARS = {0: 19, 4: 7, 6: 4, 8: 4}
DATE = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}")


def urls_of(photo: Any, max_size: Size) -> tuple[str, ...]:
    """The URLs that stand in a listed photo, the largest that is allowed first."""
    allowed = SIZES[SIZES.index(max_size) :]
    # A small original comes in no larger size.
    if max_size != "o" and 0 < _side(photo, "_o") <= MAX_SIDES_PX[max_size]:
        allowed = ("o", *allowed)
    listed = (as_url(at(photo, f"url_{size}")) for size in allowed)
    return tuple(url for url in listed if url is not None)


def urls_of_sizes(sizes: Iterable[Any], max_size: Size) -> tuple[str, ...]:
    """The URLs in a reply of getSizes, the largest that is allowed first."""
    sides: dict[str, int] = {}
    for one in sizes:
        url = as_url(at(one, "source"))
        # A square is cut out of the photo.
        is_square = "Square" in (as_text(at(one, "label")) or "")
        if url is not None and not is_square and at(one, "media") != "video":
            sides[url] = _side(one)
    longest = MAX_SIDES_PX.get(max_size, max(sides.values(), default=0))
    fitting = (url for url, side in sides.items() if side <= longest)
    return tuple(sorted(fitting, key=sides.__getitem__, reverse=True))


def _side(one: Any, suffix: str = "") -> int:
    """The longer side in pixels, 0 if it is not told."""
    return max(whole(at(one, f"{name}{suffix}")) or 0 for name in ("width", "height"))


def taken_at(photo: Any) -> str | None:
    """When it was taken, as far as that is known; the time is that of the place."""
    date = as_text(at(photo, "datetaken")) or ""
    is_unknown = whole(at(photo, "datetakenunknown")) or date.startswith("0000")
    if is_unknown or not DATE.fullmatch(date):
        return None
    num_chars = DATE_CHARS.get(whole(at(photo, "datetakengranularity")) or 0, 4)
    return date[:num_chars].replace(" ", "T")


def group_of(photo: Any) -> str | None:
    """Its owner and its day: what one person takes on one day is often of one thing."""
    owner = as_text(at(photo, "owner"))
    day = taken_at(photo) or utc(whole(at(photo, "dateupload")))
    return f"{owner} {day[:10]}" if owner and day else owner


def tags_of(photo: Any) -> tuple[str, ...]:
    """The tags, the machine tags, and the place written as machine tags."""
    lists = (at(photo, name) for name in ("tags", "machine_tags"))
    words = [word for one in lists if isinstance(one, str) for word in one.split()]
    latitude, longitude = (as_text(at(photo, name)) for name in ("latitude", "longitude"))
    # 0, 0 is how Flickr writes that there is no place.
    if latitude and longitude and {latitude, longitude} != {"0"}:
        words += [f"geo:lat={latitude}", f"geo:lon={longitude}"]
    return tuple(dict.fromkeys(words))[:MAX_TAGS]
