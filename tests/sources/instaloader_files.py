"""A folder as instaloader leaves it, written by what its documentation says of its files."""

import json
import lzma
from pathlib import Path
from typing import Any

TAKEN_S = 1_791_479_431
STEM = "2026-10-08_17-10-31_UTC"


def node(shortcode: str, /, **changes: Any) -> dict[str, Any]:
    """A post with one picture, as the site's own API once described it."""
    return {
        "__typename": "GraphImage",
        "id": "2891234567890123456",
        "shortcode": shortcode,
        "display_url": "https://scontent.cdninstagram.com/v/1.jpg?oh=1&oe=2",
        "is_video": False,
        "taken_at_timestamp": TAKEN_S,
        "edge_media_to_caption": {"edges": [{"node": {"text": "Walkies!\n#Corgi #dog"}}]},
        "owner": {"id": "25025320", "username": "corgi.bob"},
    } | changes


def album(shortcode: str, *are_videos: bool) -> dict[str, Any]:
    edges = [{"node": {"is_video": is_video, "shortcode": "x"}} for is_video in are_videos]
    return node(shortcode, __typename="GraphSidecar", edge_sidecar_to_children={"edges": edges})


def described(one: dict[str, Any], node_type: str = "Post") -> bytes:
    about = {"version": "4.15.1", "node_type": node_type}
    return json.dumps({"node": one, "instaloader": about}).encode()


def packed(content: bytes) -> bytes:
    # As instaloader does: without a checksum.
    return lzma.compress(content, check=lzma.CHECK_NONE)


def save(folder: Path, name: str, content: bytes = b"picture") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)


def save_post(
    folder: Path, stem: str, one: dict[str, Any], *, num_pictures: int = 1, node_type: str = "Post"
) -> None:
    """The pictures of a post, its `.json.xz` and its `.txt`."""
    names = [f"{stem}.jpg"] if num_pictures == 1 else []
    names = names or [f"{stem}_{number}.jpg" for number in range(1, num_pictures + 1)]
    for name in names:
        save(folder, name, f"{folder.name}/{name}".encode())
    save(folder, f"{stem}.json.xz", packed(described(one, node_type)))
    save(folder, f"{stem}.txt", b"Walkies!\n#Corgi #dog")
