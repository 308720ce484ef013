import os
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from wunderkammer.strict_yaml import MAX_FILE_BYTES
from wunderkammer.subject import (
    PLANNED_KINDS,
    SECTIONS,
    SubjectError,
    SubjectSpec,
    load_subject,
    load_subjects,
    subjects_folder,
)

PROJECT = Path(__file__).parents[1]
SHIPPED = PROJECT / "subjects"
FIVE = ("corgi", "foram", "quilt", "spider", "zine")

RECIPE = """\
scrape:
  kind: folder
  path: pictures
filter:
  kind: square
  min_side_px: 64
  size_px: 64
shard:
  resolution_px: 32
train:
  kind: stylegan2
  total_kimg: 8
  batch_size: 16
  tick_kimg: 0.8
"""


def written(folder, text, name="cat.yaml"):
    file = folder / name
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def problems_of(file):
    with pytest.raises(SubjectError) as caught:
        load_subject(file)
    return caught.value.problems


def the_problem(folder, text, name="cat.yaml"):
    file = written(folder, text, name)
    (problem,) = problems_of(file)
    assert problem.file == os.path.relpath(file)
    assert str(problem).startswith(f"{problem.file}: {problem.key}")
    return problem


def changed(old, new):
    assert RECIPE.count(old) == 1
    return RECIPE.replace(old, new)


def test_a_whole_recipe_is_read_with_the_name_of_its_file(tmp_path):
    subject = load_subject(written(tmp_path, RECIPE))
    assert subject.name == "cat"
    assert subject.spec.filter.min_side_px == 64
    assert subject.spec.train.total_images == 8000


def test_relative_paths_start_at_the_subject_file_and_tilde_at_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", "/home-of-someone")
    subject = load_subject(written(tmp_path, RECIPE))
    assert subject.resolve("pictures") == tmp_path.resolve() / "pictures"
    assert subject.resolve("~/pictures") == Path("/home-of-someone/pictures")
    assert subject.resolve("/srv/pictures") == Path("/srv/pictures")


REFUSALS = {
    # what is wrong: (old, new, key, words of the message)
    "an unknown section": (
        "shard:",
        "sharpen: 3\nshard:",
        "sharpen",
        ["unknown key", "3", "allowed here: description, scrape, detect, filter"],
    ),
    "an unknown key": (
        "min_side_px: 64",
        "min_side_px: 64\n  min_size_px: 9",
        "filter.min_size_px",
        ["unknown key", "9", "size_px, max_upsample", "min_side_px"],
    ),
    "a number in quotes": (
        "  size_px: 64",
        '  size_px: "64"',
        "filter.size_px",
        ["'64' is not allowed", "valid integer"],
    ),
    "a fraction for a whole number": (
        "batch_size: 16",
        "batch_size: 16.5",
        "train.batch_size",
        ["16.5 is not allowed", "integer"],
    ),
    "a number beyond its range": (
        "  size_px: 64",
        "  size_px: 5000",
        "filter.size_px",
        ["5000 is not allowed", "less than or equal to 4096"],
    ),
    "an endless number": (
        "tick_kimg: 0.8",
        "tick_kimg: 1e999",
        "train.tick_kimg",
        ["inf is not allowed", "finite number"],
    ),
    "a resolution that no network has": (
        "resolution_px: 32",
        "resolution_px: 33",
        "shard.resolution_px",
        ["33 is not allowed", "8, 16, 32, 64"],
    ),
    "a `no` for a kind": (
        "kind: square",
        "kind: no",
        "filter.kind",
        ["'no' is not allowed", "'whole', 'square'"],
    ),
    "a `no` for a switch": (
        "tick_kimg: 0.8",
        "tick_kimg: 0.8\n  mirror: no",
        "train.mirror",
        ["'no' is not allowed", "boolean"],
    ),
    "a date for a number": (
        "resolution_px: 32",
        "resolution_px: 32\n  seed: 2026-01-01",
        "shard.seed",
        ["'2026-01-01' is not allowed", "integer"],
    ),
    "a colour with two parts": (
        "min_side_px: 64",
        "min_side_px: 64\n  background: [255, 255]",
        "filter.background.2",
        ["required"],
    ),
    "a colour with a text in it": (
        "min_side_px: 64",
        "min_side_px: 64\n  background: [255, white, 0]",
        "filter.background.1",
        ["'white' is not allowed", "integer"],
    ),
    "a section that is a number": (
        "scrape:\n  kind: folder\n  path: pictures",
        "scrape: 5",
        "scrape",
        ["5 is not allowed"],
    ),
    "an empty section": (
        "scrape:\n  kind: folder\n  path: pictures",
        "scrape:",
        "scrape",
        ["None"],
    ),
    "a missing section": (
        "scrape:\n  kind: folder\n  path: pictures\n",
        "",
        "scrape",
        ["required"],
    ),
    "a missing key": ("  path: pictures\n", "", "scrape.path", ["this key is required"]),
    "a missing kind of a union": (
        "  kind: square\n",
        "",
        "filter.kind",
        ["this key is required: one of 'whole', 'square'"],
    ),
    "a missing kind": (
        "  kind: stylegan2\n",
        "",
        "train.kind",
        ["this key is required: one of 'stylegan2'"],
    ),
    "an unknown kind": (
        "kind: folder",
        "kind: floder",
        "scrape.kind",
        ["'floder' is not allowed: one of", "'folder'", "'archive'", "'urls'", "'patchwork'"],
    ),
    "crops smaller than the training pictures": (
        "resolution_px: 32",
        "resolution_px: 128",
        "",
        ["shard.resolution_px=128", "filter.size_px=64", "raise filter.size_px or lower"],
    ),
    "batches that do not divide the training": (
        "batch_size: 16",
        "batch_size: 17",
        "train",
        ["total_kimg=8.0", "batches of 17", "the nearest that is: 7.99"],
    ),
    "batches that do not divide a tick": (
        "tick_kimg: 0.8",
        "tick_kimg: 0.79",
        "train",
        ["tick_kimg=0.79", "batches of 16", "0.784"],
    ),
    "a cron line of four fields": (
        "shard:",
        "schedule:\n  rescrape_cron: 0 3 * *\nshard:",
        "schedule.rescrape_cron",
        ["'0 3 * *' is not allowed", "five cron fields such as '0 3 * * *'"],
    ),
    "a cron line with seconds": (
        "shard:",
        "schedule:\n  rescrape_cron: 0 0 3 * * *\nshard:",
        "schedule.rescrape_cron",
        ["'0 0 3 * * *' is not allowed", "five cron fields"],
    ),
    "a cron line that never comes": (
        "shard:",
        "schedule:\n  rescrape_cron: 0 0 30 2 *\nshard:",
        "schedule.rescrape_cron",
        ["'0 0 30 2 *' is not allowed"],
    ),
    "an unknown time zone": (
        "shard:",
        "schedule:\n  rescrape_cron: 0 3 * * *\n  timezone: Mars/Olympus\nshard:",
        "schedule.timezone",
        ["'Mars/Olympus' is not allowed", "IANA", "Europe/Berlin"],
    ),
}


@pytest.mark.parametrize(("old", "new", "key", "words"), REFUSALS.values(), ids=REFUSALS)
def test_a_fault_is_refused_by_file_key_value_and_what_is_allowed(tmp_path, old, new, key, words):
    problem = the_problem(tmp_path, changed(old, new))
    assert problem.key == key
    assert not problem.not_available_yet
    for word in words:
        assert word in problem.message


UNREADABLE = {
    "a key given twice": (
        RECIPE + "shard:\n  resolution_px: 64\n",
        "the key 'shard' is given twice",
    ),
    "a nested key given twice": (
        changed("  path: pictures", "  path: a\n  path: b"),
        "line 4, column 3: the key 'path' is given twice",
    ),
    "an alias": ("scrape: &a {}\nfilter: *a\n", "line 2, column 9: the alias *a is refused"),
    "a tag": ("scrape: !!binary aGVsbG8=\n", "the tag tag:yaml.org,2002:binary is refused"),
    "a Python object": ("scrape: !!python/object:os.system [ls]\n", "is refused"),
    "a list as a key": ("? [a, b]\n: 1\n", "the key ['a', 'b'] is not text"),
    "a number as a key": ("scrape:\n  1: 2\n", "line 2, column 3: the key 1 is not text"),
    "a list": ("- scrape\n", "holds a list, allowed: a mapping of sections"),
    "a lone word": ("scrape\n", "holds a str, allowed: a mapping"),
    "nothing": ("", "holds nothing, allowed: a mapping"),
    "comments only": ("# soon\n", "holds nothing, allowed: a mapping"),
    "two documents": ("a: 1\n---\nb: 2\n", "another document"),
    "a tab for a space": ("scrape:\n\tkind: folder\n", "line 2, column 1"),
    "an unclosed bracket": ("scrape: {kind: folder\n", "line 2, column 1"),
    "a zero byte": (b"scrape: \0\n", "special characters are not allowed"),
    "Latin-1": ("description: Kr\u00e4he\n".encode("latin-1"), "can't decode byte 0xe4"),
    "too many brackets": ("scrape: " + "[" * 5000 + "]" * 5000, "recursion"),
    "many brackets": ("scrape: " + "[" * 150 + "]" * 150, ""),
    "half a character": ('description: "\\ud800"\n' + RECIPE, ""),
    "a number of 5,000 digits": ("scrape: " + "9" * 5000, "4300"),
    "too much": ("#" * (MAX_FILE_BYTES + 1), f"{MAX_FILE_BYTES + 1} bytes, allowed: at most"),
}


@pytest.mark.parametrize(("text", "words"), UNREADABLE.values(), ids=UNREADABLE)
def test_a_file_that_is_no_plain_mapping_is_refused(tmp_path, text, words):
    problems = problems_of(written(tmp_path, text))
    assert words in str(problems[0])
    assert len(str(problems[0])) < 600
    assert str(problems[0]).startswith(os.path.relpath(tmp_path / "cat.yaml"))


@given(
    st.binary(max_size=80) | st.text(max_size=80).map(lambda text: text.encode("utf-8", "ignore"))
)
def test_no_bytes_raise_anything_but_a_subject_error(tmp_path_factory, content):
    file = written(tmp_path_factory.getbasetemp(), content)
    with pytest.raises(SubjectError):
        load_subject(file)


@pytest.mark.parametrize("name", ["Corgi", "1corgi", "my-corgi", "my corgi", "corgi.v2", "a" * 64])
def test_a_file_name_that_can_not_be_a_partition_is_refused(tmp_path, name):
    problem = the_problem(tmp_path, RECIPE, f"{name}.yaml")
    assert repr(name) in problem.message
    assert "allowed: small letters, digits and _" in problem.message


def test_a_folder_a_dangling_link_and_yml_are_problems_and_editor_locks_are_not(tmp_path):
    (tmp_path / "album.yaml").mkdir()
    (tmp_path / "gone.yaml").symlink_to(tmp_path / "nowhere")
    (tmp_path / ".#cat.yaml").symlink_to("someone@host:1")
    written(tmp_path, RECIPE, "dog.yml")
    written(tmp_path, RECIPE)
    folder = load_subjects(tmp_path)
    assert set(folder.subjects) == {"cat"}
    assert [Path(problem.file).name for problem in folder.problems] == [
        "album.yaml",
        "dog.yml",
        "gone.yaml",
    ]
    assert "'.yml', allowed: '.yaml'" in folder.problems[1].message


def test_one_bad_file_does_not_hide_the_others(tmp_path):
    written(tmp_path, RECIPE)
    written(tmp_path, RECIPE, "dog.yaml")
    written(tmp_path, "scrape: [", "bad.yaml")
    written(tmp_path, "? {a: b}\n: 1", "worse.yaml")
    folder = load_subjects(tmp_path)
    assert set(folder.subjects) == {"cat", "dog"}
    assert {Path(problem.file).name for problem in folder.problems} == {"bad.yaml", "worse.yaml"}


def test_every_fault_of_a_file_is_listed_at_once(tmp_path):
    text = changed("resolution_px: 32", "resolution_px: 33").replace(
        "batch_size: 16", "batch_size: x"
    )
    problems = problems_of(written(tmp_path, text))
    assert [problem.key for problem in problems] == ["shard.resolution_px", "train.batch_size"]


def test_asking_for_a_bad_subject_gives_its_faults_and_for_an_unknown_one_the_known(tmp_path):
    written(tmp_path, RECIPE)
    written(tmp_path, "scrape: [", "bad.yaml")
    folder = load_subjects(tmp_path)
    with pytest.raises(SubjectError, match=r"bad\.yaml: line 1"):
        folder["bad"]
    with pytest.raises(SubjectError, match=r"no such subject \(known: cat\)"):
        folder["car"]


def test_a_folder_that_does_not_exist_is_named_with_the_remedy(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere.*WUNDERKAMMER_SUBJECTS"):
        load_subjects(tmp_path / "nowhere")


def test_the_environment_names_the_folder_of_subject_files():
    assert subjects_folder({"WUNDERKAMMER_SUBJECTS": "/srv/subjects"}) == Path("/srv/subjects")
    assert subjects_folder({}) == SHIPPED


PLANNED = [(section, kind) for section, kinds in PLANNED_KINDS.items() for kind in sorted(kinds)]


@pytest.mark.parametrize(("place", "kind"), PLANNED)
def test_a_planned_kind_is_refused_by_name_as_not_available_yet(tmp_path, place, kind):
    tree = yaml.safe_load(RECIPE)
    section = tree
    for part in place.split("."):
        section = section.setdefault(part, {})
    section.update({"kind": kind, "setting_of_tomorrow": [1]})
    problem = the_problem(tmp_path, yaml.safe_dump(tree))
    assert problem.key == f"{place}.kind"
    assert f"{kind!r} is not available yet (available now: '" in problem.message
    assert problem.not_available_yet


def test_a_planned_kind_does_not_hide_a_fault_elsewhere(tmp_path):
    text = changed("kind: folder", "kind: commons").replace("total_kimg: 8", "total_kimg: -8")
    planned, fault = problems_of(written(tmp_path, text))
    assert (planned.key, planned.not_available_yet) == ("scrape.kind", True)
    assert (fault.key, fault.not_available_yet) == ("train.total_kimg", False)


def digests(folder, text):
    spec = load_subject(written(folder, text)).spec
    return {name: spec.section_digest(name) for name in SECTIONS}


def test_comments_order_and_written_out_defaults_do_not_change_a_digest(tmp_path):
    before = digests(tmp_path, RECIPE)
    sections = yaml.safe_load(RECIPE)
    upside_down = {
        name: dict(reversed(section.items())) for name, section in reversed(sections.items())
    }
    assert digests(tmp_path, yaml.safe_dump(upside_down, sort_keys=False)) == before
    assert digests(tmp_path, "# a comment\n" + RECIPE.replace("8\n", "8 # kimg\n")) == before
    assert digests(tmp_path, changed("total_kimg: 8", "total_kimg: 8.0")) == before
    full = load_subject(written(tmp_path, RECIPE)).spec.model_dump(mode="json")
    assert full["filter"]["codec"] == "jpeg"
    assert digests(tmp_path, yaml.safe_dump(full)) == before


def test_the_description_and_the_schedule_are_part_of_no_section(tmp_path):
    more = "description: Cats.\nschedule:\n  rescrape_cron: 0 3 * * *\n" + RECIPE
    assert digests(tmp_path, more) == digests(tmp_path, RECIPE)


MEANINGFUL = [
    ("scrape", "path: pictures", "path: paintings"),
    ("scrape", "kind: folder", "kind: archive"),
    ("filter", "min_side_px: 64", "min_side_px: 65"),
    ("filter", "min_side_px: 64", "min_side_px: 64\n  background: [255, 255, 254]"),
    ("filter", "kind: square\n  min_side_px: 64", "kind: whole"),
    ("shard", "resolution_px: 32", "resolution_px: 64"),
    ("shard", "resolution_px: 32", "resolution_px: 32\n  channels: 1"),
    ("train", "total_kimg: 8", "total_kimg: 16"),
    ("train", "total_kimg: 8", "total_kimg: 8\n  ema_rampup: null"),
    ("dedupe", "train:", "dedupe:\n  max_distance: 5\ntrain:"),
    ("video", "train:", "video:\n  loop: false\ntrain:"),
]


@pytest.mark.parametrize(("section", "old", "new"), MEANINGFUL)
def test_a_changed_setting_changes_the_digest_of_its_section_and_of_no_other(
    tmp_path, section, old, new
):
    before, after = digests(tmp_path, RECIPE), digests(tmp_path, changed(old, new))
    assert {name for name in SECTIONS if before[name] != after[name]} == {section}


def test_a_section_that_is_none_of_the_seven_has_no_digest(tmp_path):
    spec = load_subject(written(tmp_path, RECIPE)).spec
    with pytest.raises(KeyError):
        spec.section_digest("schedule")


def test_numbers_are_read_as_a_person_expects(tmp_path):
    text = changed("tick_kimg: 0.8", "tick_kimg: 8e-1\n  learning_rate: 2e-3\n  seed: 010")
    train = load_subject(written(tmp_path, text)).spec.train
    assert (train.tick_kimg, train.learning_rate, train.seed) == (0.8, 0.002, 10)


def test_a_byte_order_mark_and_windows_line_ends_are_read(tmp_path):
    text = b"\xef\xbb\xbf" + RECIPE.replace("\n", "\r\n").encode()
    assert load_subject(written(tmp_path, text)).spec.scrape.path == "pictures"


def test_the_embedded_subject_is_usable():
    assert "patchwork" in load_subjects(SHIPPED).subjects


@pytest.mark.parametrize("name", FIVE)
def test_a_shipped_recipe_is_either_usable_or_waits_for_kinds_that_are_planned(name):
    folder = load_subjects(SHIPPED)
    own = [problem for problem in folder.problems if Path(problem.file).stem == name]
    assert bool(own) != (name in folder.subjects)
    for problem in own:
        assert problem.not_available_yet, str(problem)
        assert problem.key.endswith("kind")
        assert "is not available yet (available now: " in problem.message


@pytest.mark.parametrize("name", [*FIVE, "patchwork"])
def test_a_shipped_recipe_says_what_it_is_in_each_section_it_names(name):
    tree = yaml.safe_load((SHIPPED / f"{name}.yaml").read_text())
    assert tree["description"]
    assert set(tree) <= set(SubjectSpec.model_fields)
    assert {"scrape", "filter", "dedupe", "shard", "train", "video"} <= set(tree)
