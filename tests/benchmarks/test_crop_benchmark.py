"""The benchmark of crops on a tiny task: that what it compares gives crops, and its tables."""

import io
from itertools import count

import numpy as np
import pytest
from PIL import Image

from benchmarks import crop
from benchmarks.crops import pace, pictures, quality, scaling
from wunderkammer.crops.render import MAX_SCALED_BITS
from wunderkammer.storage.store import Store

SIZES = [(150, 180), (200, 150)]


@pytest.fixture
def made():
    return pictures.made(2, sizes_px=SIZES)


@pytest.fixture
def in_this_process(monkeypatch):
    """Turns and batches without processes."""

    def turn(self, items, *, size_px):
        self.seconds.append(max(pace._turn(self.name, items, size_px), 1e-9))

    def here(fn, items, *, workers):
        del workers
        yield [(item, fn(item)) for item in items]

    monkeypatch.setattr(pace.Contestant, "turn", turn)
    monkeypatch.setattr(pace.resize, "PATIENCE_S", pace.resize.PATIENCE_S)  # put back afterwards
    monkeypatch.setattr(scaling, "guarded_map", here)
    monkeypatch.setenv("OPENCV_FOR_THREADS_NUM", "1")


def test_made_pictures_are_as_photographs_and_the_same_each_time(made):
    again = pictures.made(2, sizes_px=SIZES)
    assert [p.data for p in made] == [p.data for p in again]
    assert [(p.window.width, p.window.height) for p in made] == SIZES
    assert (made[0].window.x0, made[0].window.y0, made[0].window.y1) == (0, 15, 165)
    (larger,) = pictures.made(1, sizes_px=[(432, 540)])
    assert 1.5 < larger.bits_a_pixel < MAX_SCALED_BITS


def test_pictures_of_a_folder_are_those_that_can_be_used(made, tmp_path):
    (tmp_path / "a.jpg").write_bytes(made[0].data)
    (tmp_path / "b.JPEG").write_bytes(made[1].data)
    (tmp_path / "c.jpg").write_bytes(b"no picture")
    assert len(pictures.found(tmp_path, min_side_px=150)) == 2
    assert pictures.found(tmp_path, min_side_px=151) == []


def test_the_plain_loop_and_ours_make_the_same_crops(made):
    for picture in made:
        files = [way(picture, size_px=64) for way in (pace.plain, pace.ours)]
        one, other = (np.asarray(Image.open(io.BytesIO(file))) for file in files)
        assert one.shape == (64, 64, 3)
        assert quality.psnr(one, other) > 40


def test_every_way_makes_something_of_every_picture(made, tmp_path):
    for name in pace.WAYS:
        way, items = pace._way(name, made, 64, Store(str(tmp_path)))
        assert len(items) == 2
        for item in items:
            way(item)


def test_a_crop_that_is_off_is_noticed(made):
    exact = quality.exact(made[0], size_px=64)
    assert quality.psnr(exact, exact) == np.inf
    assert quality.shift(exact, exact) == 0
    moved = np.roll(exact, 2, axis=1)
    assert quality.shift(exact, moved) == pytest.approx(2, abs=0.3)
    found = quality.quality(made, size_px=64)
    assert found.num == 2
    assert found.min_db > 40
    assert found.max_shift_px < 0.05
    assert max(quality.aliasing(64)) < 2


def test_a_run_is_judged_by_its_middle():
    # The first comes late, as of a process that starts; then one in 0.1 s.
    crops = [scaling.Crop(5 + 0.1 * n, cpu_s=0.1, peak_mb=100 + (n > 50)) for n in range(80)]
    run = scaling._run([scaling.Crop(0, 3.0, 90), *crops])
    assert run.crops_a_second == pytest.approx(10)
    assert run.cpu_s == 0.1
    assert (run.warm_mb, run.peak_mb) == (100, 101)


@pytest.mark.usefixtures("in_this_process")
def test_the_section_tells_pace_scaling_and_quality(monkeypatch, tmp_path, made, capsys):
    monkeypatch.setattr(crop, "made", lambda num: made)
    monkeypatch.setattr(pace, "_process", lambda name: _Nothing())
    clock = count()
    monkeypatch.setattr(scaling, "perf_counter", lambda: next(clock))
    (tmp_path / "photograph.jpg").write_bytes(made[1].data)
    monkeypatch.setattr(crop, "DOCUMENT", tmp_path / "benchmarks.md")
    arguments = ["--size", "48", "--rounds", "2", "--crops", "32", "--write"]
    crop.main([*arguments, "--pictures", str(tmp_path)])
    text = (tmp_path / "benchmarks.md").read_text()
    assert str(tmp_path) not in text
    assert "--pictures FOLDER" in text
    assert text.count("| 48 px, made |") == 2
    assert text.count("| 48 px, photographs |") == 2
    assert "| 48 px | 1 | 1 | 1.00 (1.00 to 1.00) |" in text
    assert "## Crops on one core of" in capsys.readouterr().out


class _Nothing:
    """In place of a process."""

    def __enter__(self):
        return self

    def __exit__(self, *error):
        return None
