import os
import time

import pytest

from wunderkammer.conduct.parts import MAX_AGE_S, Parts

URL = "https://museum.example/a.tif?token=secret"


def left(folder, content: bytes = b"abc", validator: str | None = '"one"') -> Parts:
    """Parts of a run that has ended, after it has written `content`."""
    part = Parts(folder).create(URL, validator=validator)
    part.write(content)
    part.close()
    return Parts(folder)


def test_a_part_is_found_by_the_next_run_with_its_validator(tmp_path):
    part = left(tmp_path / "scratch").find(URL)
    assert (part.validator, part.num_bytes, part.path.read_bytes()) == ('"one"', 3, b"abc")
    assert "secret" not in "".join(path.name for path in (tmp_path / "scratch").iterdir())


def test_nothing_is_made_before_there_is_something_to_keep(tmp_path):
    parts = Parts(tmp_path / "scratch")
    assert parts.find(URL) is None
    assert parts.take_whole(URL) is None
    assert not (tmp_path / "scratch").exists()


def test_a_part_is_gone_on_with_and_becomes_a_whole_file(tmp_path):
    parts = left(tmp_path)
    opened = parts.reopen(parts.find(URL))
    opened.write(b"def")
    whole = opened.finish()
    assert whole.read_bytes() == b"abcdef"
    assert [*tmp_path.iterdir()] == [whole]
    assert parts.find(URL) is None
    assert Parts(tmp_path).take_whole(URL) == whole


def test_a_whole_file_is_given_once(tmp_path):
    left(tmp_path).create(URL, validator='"one"').finish()
    parts = Parts(tmp_path)
    assert parts.take_whole(URL) is not None
    assert parts.take_whole(URL) is None


def test_without_a_validator_nothing_is_left_to_the_next_run(tmp_path):
    assert left(tmp_path, validator=None).find(URL) is None
    assert [*tmp_path.iterdir()] == []


def test_two_transfers_of_one_url_have_files_of_their_own(tmp_path):
    parts = Parts(tmp_path)
    one, other = (parts.create(URL, validator='"one"') for _ in range(2))
    assert parts.find(URL) is None
    one.write(b"one")
    other.write(b"other")
    assert {one.finish().read_bytes(), other.finish().read_bytes()} == {b"one", b"other"}


def test_a_part_that_has_changed_is_not_gone_on_with(tmp_path):
    parts = left(tmp_path)
    part = parts.find(URL)
    opened = parts.reopen(part)
    assert parts.reopen(part) is None
    opened.write(b"def")
    opened.close()
    assert parts.reopen(part) is None
    assert parts.find(URL).num_bytes == 6


def test_a_new_version_replaces_the_part(tmp_path):
    parts = left(tmp_path)
    parts.create(URL, validator='"two"').close()
    assert parts.find(URL).num_bytes == 0
    assert parts.find(URL).validator == '"two"'


def test_what_is_dropped_is_forgotten(tmp_path):
    parts = left(tmp_path)
    parts.drop(parts.find(URL))
    assert parts.find(URL) is None
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize("killed", ["before the part", "before the validator"])
def test_a_kill_between_the_two_files_leaves_nothing_to_trust(tmp_path, killed):
    left(tmp_path)
    lost = "*.part" if killed == "before the part" else "*.validator"
    next(tmp_path.glob(lost)).unlink()
    assert Parts(tmp_path).find(URL) is None
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize("validator", ["", "Thu,\t01 Jan 2026", '"a"\r\nHost: elsewhere'])
def test_a_part_whose_validator_no_header_can_hold_is_deleted(tmp_path, validator):
    left(tmp_path)
    next(tmp_path.glob("*.validator")).write_bytes(validator.encode())
    assert Parts(tmp_path).find(URL) is None
    assert [*tmp_path.iterdir()] == []


def test_what_nobody_has_gone_on_with_for_long_is_deleted(tmp_path):
    left(tmp_path)
    Parts(tmp_path).create("https://museum.example/b", validator='"b"').finish()
    long_ago = time.time() - MAX_AGE_S - 60
    for file in tmp_path.iterdir():
        os.utime(file, (long_ago, long_ago))
    assert Parts(tmp_path).find(URL) is None
    assert [*tmp_path.iterdir()] == []


def test_files_of_others_in_the_folder_stay(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    left(tmp_path)
    assert (tmp_path / "notes.txt").exists()
