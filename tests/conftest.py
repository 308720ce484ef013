"""Fixtures that many tests share."""

import logging
import os
import signal
import sys
from pathlib import Path

import pytest
import yaml
from absl import logging as absl_logging
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

# A time limit for each example would fail on a busy machine, whatever the code does.
hypothesis_settings.register_profile(
    "project", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
hypothesis_settings.load_profile("project")

# In the background of a script SIGINT is ignored; Dagster would then ignore SIGTERM too, here and
# in all that tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# absl (of tensorboard) closes what it writes to when Dagster sets up its logs, unless that is one
# of the interpreter's own streams: what pytest reads would be gone for all tests that follow.
absl_logging.get_absl_handler().python_handler.setStream(sys.__stderr__)

TINY_RECIPE = {
    "scrape": {
        "kind": "patchwork",
        "num_quilts": 40,
        "side_px": 48,
        "num_near_duplicates": 4,
        "num_off_subject": 3,
        "num_too_small": 2,
        "num_broken": 2,
    },
    "filter": {"kind": "square", "min_side_px": 24, "size_px": 16, "max_aspect": 1.6},
    "dedupe": {"max_distance": 4},
    "shard": {"resolution_px": 16},
    "train": {
        "kind": "stylegan2",
        "network": "tiny",
        "total_kimg": 0.064,
        "batch_size": 8,
        "tick_kimg": 0.016,
        "snapshot_ticks": 1,
    },
    "video": {"num_keyframes": 3, "frames_per_leg": 4, "fps": 8, "side_px": 32},
    "evaluate": {"num_fakes": 64},
}


class Workplace:
    """A folder of subject files, a store and a Dagster home of one test's own."""

    def __init__(self, root: Path) -> None:
        self.subjects = root / "subjects"
        self.data = root / "data"
        self.home = root / "home"
        self.subjects.mkdir()

    @property
    def environ(self) -> dict[str, str]:
        return {
            "WUNDERKAMMER_SUBJECTS": str(self.subjects),
            "WUNDERKAMMER_DATA": str(self.data),
            "DAGSTER_HOME": str(self.home),
        }

    def write(self, name: str, **changes: dict[str, object]) -> Path:
        """Write `<name>.yaml`: the tiny recipe with the settings of some sections changed."""
        recipe = {section: dict(settings) for section, settings in TINY_RECIPE.items()}
        for section, settings in changes.items():
            recipe[section] = {**recipe.get(section, {}), **settings}
        file = self.subjects / f"{name}.yaml"
        temporary = file.with_suffix(".tmp")
        temporary.write_text(yaml.safe_dump(recipe, sort_keys=False))
        temporary.replace(file)
        return file


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    place = Workplace(tmp_path)
    for name, value in place.environ.items():
        monkeypatch.setenv(name, value)
    return place


def pytest_collection_modifyitems(config, items):
    """Ask no real site and run nothing long unless `-m` says so; start slow tests first.

    Otherwise a worker may be left alone with a long one at the end.
    """
    for marker in ("live", "long"):
        if marker not in config.option.markexpr:
            left_out = {item for item in items if item.get_closest_marker(marker)}
            config.hook.pytest_deselected(items=list(left_out))
            items[:] = [item for item in items if item not in left_out]
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.fixture(scope="session")
def real_data():
    """The folder of a test set of real files that is not part of the repository."""
    named = os.environ.get("WUNDERKAMMER_REAL_DATA")
    folder = Path(named) if named else Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no folder {folder} of real pictures; WUNDERKAMMER_REAL_DATA names another")

    def find(name):
        if not (folder / name).exists():
            pytest.skip(f"{folder} holds no {name}")
        return folder / name

    return find


@pytest.fixture(autouse=True)
def surprises():
    """What a harvest had not foreseen: our fault, unless the test is about it and clears it."""
    told = []
    handler = logging.Handler(logging.ERROR)
    handler.emit = told.append
    logger = logging.getLogger("wunderkammer.harvest.surprise")
    logger.addHandler(handler)
    yield told
    logger.removeHandler(handler)
    assert [record.getMessage() for record in told] == []
