"""A download that was made with instaloader: its settings, and what it tells of a post."""

import json
import lzma
import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field

from wunderkammer.sources.limits import MB, SourceLimits
from wunderkammer.sources.posts import at, utc, whole

Taken = Literal["posts", "stories", "profile_pictures", "video_thumbnails"]
SITE = "https://www.instagram.com"
# A file of a post has some kilobytes.
MAX_PACKED_BYTES = 4 * MB
MAX_UNPACKED_BYTES = 16 * MB
MAX_XZ_MEMORY_BYTES = 64 * MB
SHORTCODE = re.compile(r"[A-Za-z0-9_-]{1,64}")
USERNAME = re.compile(r"[A-Za-z0-9._]{1,64}")
STORY_ID = re.compile(r"[0-9]{1,32}")


class InstaloaderFolderParams(SourceLimits):
    """The pictures below a folder that you have downloaded with instaloader, each with its post.

    instaloader writes `2026-10-08_17-10-31_UTC_1.jpg`, and beside it `…_UTC.json.xz` (or `.json`)
    and `…_UTC.txt`, which tell the author, the time, the page and the caption. A picture without
    such a file, or with a damaged one, is taken all the same, and the log counts those; with
    `require_metadata` it is refused. `take` names what is taken: pictures of `posts`, of `stories`
    (and highlights), `profile_pictures` (and the covers of highlights), `video_thumbnails`.

    With `max_images_per_profile`, that many pictures of each author are chosen at random by `seed`;
    one that is added to the folder takes the place of another at most. With `label_from_profile`
    the author is the label. A relative path starts at the subject file.
    """

    kind: Literal["instaloader_folder"]
    path: str
    take: Annotated[tuple[Taken, ...], Field(min_length=1)] = ("posts",)
    max_images_per_profile: Annotated[int, Field(ge=1)] | None = None
    seed: int = 0
    label_from_profile: bool = False
    require_metadata: bool = False


class DamagedPostError(Exception):
    """A file that tells nothing of a post; the message says why."""


@dataclass(frozen=True, kw_only=True, slots=True)
class InstaloaderPost:
    """What a file of instaloader's tells of a post.

    Attributes:
        are_videos: whether the first, second, … part of it is a video.
    """

    author: str | None
    shortcode: str | None
    landing_page: str | None
    caption: str | None
    taken_at: str | None
    is_story: bool
    are_videos: tuple[bool, ...]


def read_post(content: bytes, *, is_packed: bool) -> InstaloaderPost:
    """What a `.json` file tells, or (`is_packed`) a `.json.xz` file.

    Raises:
        DamagedPostError: it is no such file, or larger than any is.
    """
    try:
        value = json.loads(_unpacked(content) if is_packed else content)
    except (ValueError, RecursionError, lzma.LZMAError) as error:
        raise DamagedPostError(f"{type(error).__name__} in it") from error
    node = at(value, "node")
    kind = at(value, "instaloader", "node_type")
    if not isinstance(node, dict) or kind not in ("Post", "StoryItem"):
        raise DamagedPostError("it describes no post")
    return _post(node, is_story=kind == "StoryItem")


def _unpacked(content: bytes) -> bytes:
    unpacker = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=MAX_XZ_MEMORY_BYTES)
    unpacked = unpacker.decompress(content, MAX_UNPACKED_BYTES)
    if not unpacker.eof:
        raise DamagedPostError(f"it is cut off, or unpacks to more than {MAX_UNPACKED_BYTES} bytes")
    return unpacked


def _post(node: dict[str, Any], *, is_story: bool) -> InstaloaderPost:
    author = _match(USERNAME, at(node, "owner", "username"))
    # Older and newer versions of the program name some things differently.
    shortcode = _match(SHORTCODE, at(node, "shortcode")) or _match(SHORTCODE, at(node, "code"))
    story_id = _match(STORY_ID, at(node, "id"))
    landing_page = f"{SITE}/p/{shortcode}/" if shortcode and not is_story else None
    if is_story and author and story_id:
        landing_page = f"{SITE}/stories/{author}/{story_id}/"
    caption = at(node, "edge_media_to_caption", "edges", 0, "node", "text") or at(node, "caption")
    caption = at(caption, "text") if isinstance(caption, dict) else caption
    times = (whole(at(node, name)) for name in ("taken_at_timestamp", "date", "taken_at"))
    parts = at(node, "edge_sidecar_to_children", "edges")
    nodes = [at(part, "node") for part in parts] if isinstance(parts, list) else [node]
    return InstaloaderPost(
        author=author,
        shortcode=shortcode,
        landing_page=landing_page,
        caption=caption if isinstance(caption, str) else None,
        taken_at=utc(next((time for time in times if time is not None), None)),
        is_story=is_story,
        are_videos=tuple(at(one, "is_video") is True for one in nodes),
    )


def _match(pattern: re.Pattern[str], value: Any) -> str | None:
    return value if isinstance(value, str) and pattern.fullmatch(value) else None
