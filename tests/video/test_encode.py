import hashlib
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest

from wunderkammer.video.encode import EncodeError, encode_mp4
from wunderkammer.video.probe import probe_video


def some_frames(count: int, *, width: int = 48, height: int = 32) -> list[np.ndarray]:
    """A bright square that moves over a gradient."""
    base = np.linspace(40, 160, width * height * 3).reshape(height, width, 3).astype(np.uint8)
    frames = []
    for number in range(count):
        frame = base.copy()
        frame[8:16, number % (width - 8) : number % (width - 8) + 8] = (230, 60, 60)
        frames.append(frame)
    return frames


def a_program(folder: Path, script: str) -> str:
    program = folder / "ffmpeg"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return str(program)


def test_the_film_has_every_frame_and_is_h264_in_yuv420p(tmp_path: Path) -> None:
    film = tmp_path / "film.mp4"
    encoded = encode_mp4(iter(some_frames(37)), path=film, fps=25, crf=18)
    assert (encoded.num_frames, encoded.width, encoded.height) == (37, 48, 32)
    facts = probe_video(film)
    assert (facts.num_frames, facts.width, facts.height) == (37, 48, 32)
    assert (facts.codec, facts.pix_fmt, facts.fps) == ("h264", "yuv420p", 25.0)
    assert facts.duration_s == pytest.approx(37 / 25, abs=1e-3)


def test_a_single_frame_is_a_film(tmp_path: Path) -> None:
    film = tmp_path / "film.mp4"
    encode_mp4(some_frames(1), path=film, fps=30, crf=18)
    assert probe_video(film).num_frames == 1


def test_the_index_stands_before_the_pictures(tmp_path: Path) -> None:
    film = tmp_path / "film.mp4"
    encode_mp4(some_frames(5), path=film, fps=30, crf=18)
    content = film.read_bytes()
    assert 0 < content.index(b"moov") < content.index(b"mdat")


def test_the_same_frames_make_the_same_file(tmp_path: Path) -> None:
    digests = set()
    for name in ("one.mp4", "two.mp4"):
        encode_mp4(some_frames(40), path=tmp_path / name, fps=30, crf=20)
        digests.add(hashlib.sha256((tmp_path / name).read_bytes()).hexdigest())
    assert len(digests) == 1


@pytest.mark.parametrize("colour", [(200, 40, 40), (30, 160, 60), (40, 60, 200), (255, 255, 255)])
def test_colours_come_back_when_read_as_the_bt709_that_the_file_says(
    tmp_path: Path, colour: tuple[int, int, int]
) -> None:
    film = tmp_path / "film.mp4"
    frame = np.full((64, 64, 3), colour, np.uint8)
    encode_mp4([frame] * 3, path=film, fps=30, crf=4)
    with av.open(str(film), mode="r") as container:
        decoded = next(container.decode(video=0))
        assert decoded.colorspace == 1
        seen = decoded.reformat(format="rgb24", src_colorspace="ITU709").to_ndarray()
    assert np.abs(seen.reshape(-1, 3).mean(axis=0) - colour).max() <= 3


@pytest.mark.parametrize("shape", [(31, 48, 3), (32, 47, 3)])
def test_odd_sizes_are_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="even sizes"):
        encode_mp4([np.zeros(shape, np.uint8)], path=tmp_path / "film.mp4", fps=30, crf=18)


@pytest.mark.parametrize("frame", [np.zeros((32, 32, 3), np.float32), np.zeros((32, 32), np.uint8)])
def test_frames_of_another_type_are_refused(tmp_path: Path, frame: np.ndarray) -> None:
    with pytest.raises(ValueError, match="must be uint8"):
        encode_mp4([frame], path=tmp_path / "film.mp4", fps=30, crf=18)


def test_no_frames_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no frames"):
        encode_mp4([], path=tmp_path / "film.mp4", fps=30, crf=18)


def test_frames_that_change_their_size_leave_no_file(tmp_path: Path) -> None:
    frames = [*some_frames(3), *some_frames(1, width=64)]
    with pytest.raises(ValueError, match="frame 3 is uint8"):
        encode_mp4(frames, path=tmp_path / "film.mp4", fps=30, crf=18)
    assert list(tmp_path.iterdir()) == []


def test_an_error_while_frames_are_made_comes_through_and_leaves_the_old_film(
    tmp_path: Path,
) -> None:
    film = tmp_path / "film.mp4"
    film.write_bytes(b"the old one")

    def failing() -> Iterator[np.ndarray]:
        yield from some_frames(3)
        raise ZeroDivisionError("no more")

    with pytest.raises(ZeroDivisionError, match="no more"):
        encode_mp4(failing(), path=film, fps=30, crf=18)
    assert film.read_bytes() == b"the old one"
    assert list(tmp_path.iterdir()) == [film]


@pytest.mark.timeout(30)
def test_a_failing_ffmpeg_ends_the_encoding_with_its_last_words(tmp_path: Path) -> None:
    noisy = "head -c 300000 /dev/zero | tr '\\0' 'x' >&2; echo 'out of luck' >&2; exit 3"
    program = a_program(tmp_path, noisy)
    frames = [np.zeros((512, 512, 3), np.uint8)] * 20
    with pytest.raises(EncodeError, match=r"status 3.*out of luck") as caught:
        encode_mp4(frames, path=tmp_path / "film.mp4", fps=30, crf=18, program=program)
    assert len(str(caught.value)) < 3000
    assert not (tmp_path / "film.mp4").exists()


@pytest.mark.timeout(30)
def test_an_ffmpeg_that_leaves_early_in_peace_is_a_failure_too(tmp_path: Path) -> None:
    program = a_program(tmp_path, "exec 0<&-; exit 0")
    frames = [np.zeros((512, 512, 3), np.uint8)] * 20
    with pytest.raises(EncodeError, match="said nothing"):
        encode_mp4(frames, path=tmp_path / "film.mp4", fps=30, crf=18, program=program)


def test_the_real_ffmpegs_complaint_is_in_the_error(tmp_path: Path) -> None:
    with pytest.raises(EncodeError, match="No such file or directory"):
        encode_mp4(some_frames(2), path=tmp_path / "nowhere" / "film.mp4", fps=30, crf=18)
