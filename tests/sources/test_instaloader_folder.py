import json
import logging
import lzma
import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from instaloader_files import STEM, TAKEN_S, album, described, node, packed, save, save_post
from odd_json import odd_json
from pydantic import ValidationError
from scraping import picture

from wunderkammer.sources.folder import FileItem
from wunderkammer.sources.instaloader_folder import (
    MAX_PACKED_BYTES,
    DamagedPostError,
    InstaloaderFolderParams,
    read_post,
)
from wunderkammer.sources.instaloader_items import BEYOND_PROFILE_CAP, InstaloaderFolder
from wunderkammer.sources.item import RefusedItem, SourceError, SourceItem

# Declares a window of 256 MB.
HUNGRY = {"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 1 << 28}
EVERYTHING = ("posts", "stories", "profile_pictures", "video_thumbnails")


def items_of(root: Path, **settings: object) -> dict[str, SourceItem]:
    params = InstaloaderFolderParams.model_validate(
        {"kind": "instaloader_folder", "path": str(root), **settings}
    )
    items = InstaloaderFolder(params, root=root).items()
    assert len({item.id for item in items}) == len(items)
    return {item.id: item for item in items}


def taken(items: dict[str, SourceItem]) -> set[str]:
    return {id_ for id_, item in items.items() if not isinstance(item, RefusedItem)}


def refused(items: dict[str, SourceItem]) -> dict[str, str]:
    return {id_: item.reason for id_, item in items.items() if isinstance(item, RefusedItem)}


def test_a_picture_has_everything_that_lies_beside_it(tmp_path):
    save_post(tmp_path / "corgi.bob", STEM, node("CaBc-_1"))
    [item] = items_of(tmp_path).values()
    assert item.id == f"corgi.bob/{STEM}.jpg"
    assert item.author == "corgi.bob"
    assert item.landing_page == "https://www.instagram.com/p/CaBc-_1/"
    assert item.title == "Walkies! #Corgi #dog"
    assert item.tags == ("corgi", "dog")
    assert item.taken_at == "2026-10-08T17:10:31Z"
    assert item.group == "CaBc-_1"
    assert item.label is None
    assert item.licence is None
    assert pickle.loads(pickle.dumps(item)).read() == f"corgi.bob/{STEM}.jpg".encode()


def test_the_pictures_of_an_album_are_one_group(tmp_path):
    save_post(tmp_path / "bob", STEM, album("CaBc", False, False, False), num_pictures=3)
    save_post(tmp_path / "bob", "2026-10-09_00-00-00_UTC", node("CaBd"))
    items = items_of(tmp_path)
    groups = [item.group for item in items.values()]
    assert groups == ["CaBc", "CaBc", "CaBc", "CaBd"]
    assert {item.author for item in items.values()} == {"corgi.bob"}


def test_what_tells_of_an_album_is_read_once(tmp_path, monkeypatch):
    save_post(tmp_path, STEM, album("CaBc", *[False] * 9), num_pictures=9)
    opened = []
    read = FileItem.read
    monkeypatch.setattr(FileItem, "read", lambda one: opened.append(one.path) or read(one))
    assert len(items_of(tmp_path)) == 9
    assert opened == [str(tmp_path / f"{STEM}.json.xz")]


def test_only_pictures_become_items(tmp_path):
    save_post(tmp_path, STEM, node("CaBc"))
    for name in ("id", f"{STEM}.mp4", f"{STEM}_comments.json", "bob_25025320.json.xz", "x.JPEG"):
        save(tmp_path, name)
    assert set(items_of(tmp_path)) == {f"{STEM}.jpg", "x.JPEG"}


@pytest.mark.parametrize(
    "changes",
    [
        {"shortcode": None, "code": "CaBc"},
        {"taken_at_timestamp": None, "date": TAKEN_S},
        {"edge_media_to_caption": None, "caption": "Walkies!\n#Corgi #dog"},
        {"edge_media_to_caption": {"edges": []}, "caption": {"text": "Walkies!\n#Corgi #dog"}},
        {"edge_media_to_caption": {"edges": []}},
    ],
)
def test_what_versions_of_the_program_name_differently_is_found(tmp_path, changes):
    save_post(tmp_path, STEM, node("CaBc", **changes))
    [item] = items_of(tmp_path).values()
    assert item.landing_page == "https://www.instagram.com/p/CaBc/"
    assert item.taken_at == "2026-10-08T17:10:31Z"
    assert (item.title, item.tags) == ("Walkies! #Corgi #dog", ("corgi", "dog"))


def test_a_plain_file_beside_tells_as_much_as_a_packed_one(tmp_path):
    save_post(tmp_path / "a", STEM, node("CaBc"))
    save(tmp_path / "b", f"{STEM}.jpg")
    save(tmp_path / "b", f"{STEM}.json", described(node("CaBc")))
    one, other = items_of(tmp_path).values()
    assert (one.author, one.landing_page, one.title) == (
        other.author,
        other.landing_page,
        one.title,
    )


def test_a_name_that_ends_in_a_number_may_have_a_file_of_its_own(tmp_path):
    save(tmp_path, "walk_12.jpg")
    save(tmp_path, "walk_12.json.xz", packed(described(node("CaBc"))))
    [item] = items_of(tmp_path).values()
    assert item.group == "CaBc"


@pytest.mark.parametrize(
    ("kind", "reason"),
    [("story", "stories"), ("profile", "profile_pictures"), ("video", "video_thumbnails")],
)
def test_what_is_not_asked_for_is_refused_by_its_kind(tmp_path, kind, reason):
    if kind == "story":
        save_post(tmp_path, STEM, node("CaBc"), node_type="StoryItem")
    elif kind == "profile":
        save(tmp_path, f"{STEM}_profile_pic.jpg")
    else:
        save_post(tmp_path, STEM, node("CaBc", is_video=True))
    [item] = items_of(tmp_path).values()
    assert (item.reason, item.detail) == (reason, "taken (scrape.take): posts")
    assert taken(items_of(tmp_path, take=EVERYTHING)) == {item.id}
    assert taken(items_of(tmp_path, take=("posts", reason))) == {item.id}


def test_a_story_has_a_page_of_its_own(tmp_path):
    save_post(tmp_path, STEM, node("CaBc"), node_type="StoryItem")
    [item] = items_of(tmp_path, take=("stories",)).values()
    page = "https://www.instagram.com/stories/corgi.bob/2891234567890123456/"
    assert item.landing_page == page
    assert refused(items_of(tmp_path, take=("video_thumbnails",))) == {item.id: "stories"}


def test_a_video_in_an_album_is_known_by_its_place(tmp_path):
    save_post(tmp_path, STEM, album("CaBc", False, True, False), num_pictures=3)
    assert refused(items_of(tmp_path)) == {f"{STEM}_2.jpg": "video_thumbnails"}


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "cut off"),
        (b"this is no xz file", "LZMAError"),
        (packed(described(node("x")))[:-20], "cut off"),
        (packed(b"{" * 9), "JSONDecodeError"),
        (packed(b"[" * 100_000), "RecursionError"),
        (packed(b"[]"), "describes no post"),
        (packed(described(node("x"), "Profile")), "describes no post"),
        (packed(b'{"node": 5, "instaloader": {"node_type": "Post"}}'), "describes no post"),
        (packed(bytes(40_000_000)), "unpacks to more"),
        (lzma.compress(b"{}", filters=[HUNGRY]), "LZMAError"),
        (b"\xfd7zXZ\0" + bytes(MAX_PACKED_BYTES), "too_large"),
        (None, "there is no .json"),
    ],
    ids=[
        "empty",
        "no xz",
        "cut",
        "no json",
        "deep",
        "list",
        "profile",
        "number",
        "bomb",
        "hungry",
        "large",
        "missing",
    ],
)
def test_a_picture_counts_whatever_lies_beside_it(tmp_path, caplog, content, problem):
    save_post(tmp_path / "bob", "2026-01-01_00-00-00_UTC", node("CaBd"))
    save(tmp_path / "bob", f"{STEM}_1.jpg")
    save(tmp_path / "bob", f"{STEM}_2.jpg")
    if content is not None:
        save(tmp_path / "bob", f"{STEM}.json.xz", content)
    with caplog.at_level(logging.WARNING):
        items = items_of(tmp_path)
    assert taken(items) == set(items)
    item = items[f"bob/{STEM}_2.jpg"]
    assert (item.author, item.landing_page, item.title, item.tags) == (None, None, None, ())
    assert item.taken_at == "2026-10-08T17:10:31Z", "the name tells"
    assert item.group == f"bob/{STEM}"
    [record] = caplog.records
    assert "2 of 3 pictures" in record.message
    assert f"bob/{STEM}_1.jpg" in record.message
    assert problem in record.message

    strict = items_of(tmp_path, require_metadata=True)
    assert refused(strict) == dict.fromkeys((f"bob/{STEM}_1.jpg", item.id), "no_metadata")
    assert problem in strict[item.id].detail


def test_a_caption_file_tells_where_nothing_else_does(tmp_path):
    save(tmp_path, f"{STEM}.jpg")
    save(tmp_path, f"{STEM}.txt", "Walkies! #Corgi \xe9".encode("latin-1"))
    [item] = items_of(tmp_path).values()
    assert (item.title, item.tags) == ("Walkies! #Corgi \N{REPLACEMENT CHARACTER}", ("corgi",))


def test_no_link_beside_a_picture_is_followed(tmp_path):
    save(tmp_path / "out", "secret.json", described(node("secret")))
    save(tmp_path / "out", "secret.txt", b"secret")
    save(tmp_path / "in", f"{STEM}.jpg")
    for suffix in ("json", "txt"):
        (tmp_path / f"in/{STEM}.{suffix}").symlink_to(tmp_path / f"out/secret.{suffix}")
    [item] = items_of(tmp_path / "in").values()
    assert (item.author, item.title, item.group) == (None, None, STEM)
    [item] = items_of(tmp_path / "in", require_metadata=True).values()
    assert "link" in item.detail


def test_what_a_folder_refuses_is_refused_here_too(tmp_path):
    save_post(tmp_path / "bob", STEM, node("CaBc"))
    save(tmp_path, "empty.jpg", b"")
    save(tmp_path, ".hidden.jpg")
    save(tmp_path, "large.jpg", bytes(1001))
    (tmp_path / "link.jpg").symlink_to(tmp_path / f"bob/{STEM}.jpg")
    assert refused(items_of(tmp_path, max_file_mb=0.001)) == {
        "empty.jpg": "empty",
        ".hidden.jpg": "hidden",
        "large.jpg": "too_large",
        "link.jpg": "link",
    }


def test_a_folder_that_is_missing_or_holds_no_picture_is_an_error(tmp_path):
    with pytest.raises(SourceError, match="does not exist"):
        items_of(tmp_path / "nowhere")
    save(tmp_path, f"{STEM}.txt")
    with pytest.raises(SourceError, match="holds no file"):
        items_of(tmp_path)


@pytest.mark.parametrize(
    "changes",
    [
        {"owner": {"username": "../../etc"}},
        {"owner": {"username": "a" * 500}},
        {"owner": ["bob"]},
        {"shortcode": "<script>"},
        {"shortcode": 5},
        {"taken_at_timestamp": 10**30},
        {"taken_at_timestamp": "soon"},
        {"edge_media_to_caption": {"edges": [{"node": {"text": "\ud800" * 9}}]}},
        {"edge_media_to_caption": {"edges": [{"node": {"text": "x" * 100_000}}]}},
    ],
)
def test_nonsense_in_a_file_is_not_passed_on(tmp_path, changes):
    save_post(tmp_path, STEM, node("CaBc", **changes))
    [item] = items_of(tmp_path).values()
    assert item.author in (None, "corgi.bob")
    assert item.landing_page in (None, "https://www.instagram.com/p/CaBc/")
    assert item.taken_at == "2026-10-08T17:10:31Z"
    assert len(item.title or "") <= 500
    (item.title or "").encode()


@pytest.fixture
def profiles(tmp_path) -> Path:
    for name, num_posts in (("ann", 30), ("bob", 5)):
        for number in range(num_posts):
            owner = {"id": "1", "username": name}
            post = node(f"{name}{number}", owner=owner)
            save_post(tmp_path / f"#corgi/{number % 3}", f"{name} {number:02}", post)
    return tmp_path


def authors(items: dict[str, SourceItem]) -> list[str]:
    return sorted(items[id_].author for id_ in taken(items))


def test_each_profile_is_capped_wherever_its_pictures_lie(profiles):
    items = items_of(profiles, max_images_per_profile=7)
    assert authors(items) == ["ann"] * 7 + ["bob"] * 5
    assert set(refused(items).values()) == {BEYOND_PROFILE_CAP}
    assert len(items) == 35


def test_the_choice_is_random_by_its_seed(profiles):
    choices = [taken(items_of(profiles, max_images_per_profile=7, seed=s)) for s in (0, 0, 1, 2)]
    assert choices[0] == choices[1]
    assert len({frozenset(choice) for choice in choices}) == 3
    firsts = {f"#corgi/{number % 3}/ann {number:02}.jpg" for number in range(7)}
    assert not choices[0] >= firsts, "not just the oldest"


def test_the_choice_changes_only_by_what_is_added(profiles):
    before = taken(items_of(profiles, max_images_per_profile=7))
    added = set()
    for number in range(100, 110):
        one = node(f"n{number}", owner={"username": "ann"})
        save_post(profiles / "#corgi", f"ann {number}", one)
        added.add(f"#corgi/ann {number}.jpg")
        after = taken(items_of(profiles, max_images_per_profile=7))
        assert after - before <= added
        assert len(after) == len(before)
        before = after


def test_what_is_not_taken_counts_for_no_cap(tmp_path):
    for number in range(20):
        video = node(f"v{number}", is_video=number % 2 == 0)
        save_post(tmp_path, f"x {number:02}", video)
    assert len(taken(items_of(tmp_path, max_images_per_profile=10))) == 10


def test_the_author_is_the_label_if_asked_for(tmp_path):
    save_post(tmp_path / "#corgi", STEM, node("CaBc"))
    save(tmp_path / "ann", "1.jpg")
    save(tmp_path, "loose.jpg")
    labels = [item.label for item in items_of(tmp_path, label_from_profile=True).values()]
    assert labels == [None, "corgi.bob", "ann"]
    assert {item.label for item in items_of(tmp_path).values()} == {None}


def test_ids_and_keys_are_those_of_a_folder(tmp_path):
    save_post(tmp_path, STEM, node("CaBc"))
    [before] = items_of(tmp_path).values()
    save_post(tmp_path, STEM, node("CaBc", owner={"username": "ann"}))
    [after] = items_of(tmp_path).values()
    assert before.id == after.id
    assert (before.author, after.author) == ("corgi.bob", "ann")
    (tmp_path / f"{STEM}.jpg").write_bytes(picture(1))
    [changed] = items_of(tmp_path).values()
    assert changed.key != after.key


def test_a_section_that_takes_nothing_is_refused():
    for settings in ({"take": ()}, {"take": ("reels",)}, {"max_images_per_profile": 0}):
        with pytest.raises(ValidationError):
            InstaloaderFolderParams.model_validate(
                {"kind": "instaloader_folder", "path": "x", **settings}
            )


@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_are_a_post_or_damaged(content, is_packed):
    with pytest.raises(DamagedPostError):
        read_post(content, is_packed=is_packed)


@given(st.dictionaries(st.sampled_from((*node("x"), "edge_sidecar_to_children")), odd_json))
def test_any_node_is_read(one):
    content = json.dumps({"node": one, "instaloader": {"node_type": "Post"}}).encode()
    post = read_post(lzma.compress(content), is_packed=True)
    assert post == read_post(content, is_packed=False)
    assert all(isinstance(is_video, bool) for is_video in post.are_videos)
