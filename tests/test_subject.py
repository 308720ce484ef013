import os
from pathlib import Path

import pytest
import yaml

from wunderkammer.subject import (
    SECTIONS,
    SubjectError,
    load_subject,
    load_subjects,
    subjects_folder,
)

PROJECT = Path(__file__).parents[1]
SHIPPED = PROJECT / "subjects"

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
    assert subject.spec.train.total_kimg == 8.0


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
        ["unknown key", "3", "allowed here: description, automatic, scrape, detect, filter"],
    ),
    "an unknown key": (
        "min_side_px: 64",
        "min_side_px: 64\n  min_size_px: 9",
        "filter.min_size_px",
        ["unknown key", "9", "did you mean 'min_side_px'?", "size_px, max_upsample"],
    ),
    "a number in quotes": (
        "  size_px: 64",
        '  size_px: "64"',
        "filter.size_px",
        ["'64' is not allowed", "whole number, without quotes"],
    ),
    "a fraction for a whole number": (
        "batch_size: 16",
        "batch_size: 16.5",
        "train.batch_size",
        ["16.5 is not allowed", "whole number"],
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
        ["'no' is not allowed", "true or false"],
    ),
    "a date for a number": (
        "resolution_px: 32",
        "resolution_px: 32\n  seed: 2026-01-01",
        "shard.seed",
        ["'2026-01-01' is not allowed", "whole number"],
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
        ["'white' is not allowed", "whole number"],
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
        "",
        ["train.total_kimg=8.0", "batches of 17", "the nearest that is: 7.99"],
    ),
    "batches that do not divide a tick": (
        "tick_kimg: 0.8",
        "tick_kimg: 0.79",
        "",
        ["train.tick_kimg=0.79", "batches of 16", "0.784"],
    ),
    "micro-batches that cut groups": (
        "batch_size: 16",
        "batch_size: 16\n  micro_batch: 2",
        "",
        ["train.micro_batch=2", "groups of 4; allowed: 4, 8, 16"],
    ),
    "a truncation without a w": (
        "kind: stylegan2",
        "kind: dcgan",
        "",
        ["video.truncation_psi=0.7", "'dcgan' has no w", "set video.truncation_psi to 1"],
    ),
    "crops around what nothing detects": (
        "kind: square\n  min_side_px: 64",
        "kind: detected",
        "",
        ["nothing detects; add a section detect of the kind 'yolo'"],
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
    for word in words:
        assert word in problem.message


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
    with pytest.raises(SubjectError, match=r"'car': no such subject; did you mean 'cat'\?"):
        folder["car"]
    with pytest.raises(SubjectError, match=r"no such subject \(known: cat\)"):
        folder["heron"]


def test_a_folder_that_does_not_exist_is_named_with_the_remedy(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere.*WUNDERKAMMER_SUBJECTS"):
        load_subjects(tmp_path / "nowhere")


def test_the_environment_names_the_folder_of_subject_files():
    assert subjects_folder({"WUNDERKAMMER_SUBJECTS": "/srv/subjects"}) == Path("/srv/subjects")
    assert subjects_folder({}) == SHIPPED


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
    ("train", "total_kimg: 8", "total_kimg: 8\n  ema_rampup: 0"),
    ("dedupe", "train:", "dedupe:\n  max_distance: 5\ntrain:"),
    ("video", "train:", "video:\n  loop: false\ntrain:"),
    ("evaluate", "train:", "evaluate:\n  memorisation: false\ntrain:"),
]


@pytest.mark.parametrize(("section", "old", "new"), MEANINGFUL)
def test_a_changed_setting_changes_the_digest_of_its_section_and_of_no_other(
    tmp_path, section, old, new
):
    before, after = digests(tmp_path, RECIPE), digests(tmp_path, changed(old, new))
    assert {name for name in SECTIONS if before[name] != after[name]} == {section}


def test_a_section_that_is_none_of_the_eight_has_no_digest(tmp_path):
    spec = load_subject(written(tmp_path, RECIPE)).spec
    with pytest.raises(KeyError):
        spec.section_digest("schedule")
