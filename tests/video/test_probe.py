from pathlib import Path

import numpy as np
import pytest

from wunderkammer.video.encode import encode_mp4
from wunderkammer.video.probe import ProbeError, probe_video


def a_film(folder: Path) -> bytes:
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (12, 32, 32, 3), dtype=np.uint8)
    path = folder / "film.mp4"
    encode_mp4(frames, path=path, fps=12, crf=18)
    return path.read_bytes()


def test_bytes_and_path_give_the_same_facts(tmp_path: Path) -> None:
    content = a_film(tmp_path)
    facts = probe_video(content)
    assert facts == probe_video(tmp_path / "film.mp4")
    assert (facts.num_frames, facts.fps, facts.duration_s) == (12, 12.0, pytest.approx(1.0))


def test_what_is_no_video_is_refused() -> None:
    with pytest.raises(ProbeError, match="can't be decoded"):
        probe_video(b"<html>not a film</html>")


def test_a_cut_film_does_not_pass_for_a_whole_one(tmp_path: Path) -> None:
    content = a_film(tmp_path)
    try:
        num_frames = probe_video(content[: len(content) // 2]).num_frames
    except ProbeError:
        num_frames = 0
    assert num_frames < 12
