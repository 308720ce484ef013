import logging
from itertools import count

import pytest

from wunderkammer import progress
from wunderkammer.progress import track

LOG = logging.getLogger("test.progress")


@pytest.fixture
def clock(monkeypatch):
    """A clock that goes on by six seconds each time that it is read."""
    ticks = count(0, 6)
    monkeypatch.setattr(progress, "monotonic", lambda: float(next(ticks)))


def test_items_pass_through_as_they_are():
    assert list(track(iter("abc"), total=3, what="letters", log=LOG)) == ["a", "b", "c"]


def test_without_a_terminal_a_line_is_logged_now_and_then(clock, caplog):
    with caplog.at_level(logging.INFO):
        list(track(range(6), total=6, what="crops", log=LOG))
    assert "crops: 2 of 6" in caplog.messages[0]
    assert "a second)" in caplog.messages[0]
    assert 1 < len(caplog.messages) < 6


def test_a_batch_counts_for_its_size(clock, caplog):
    with caplog.at_level(logging.INFO):
        list(track([[1, 2], [3, 4, 5]], total=5, what="crops", log=LOG, size=len))
    assert "crops: 5 of 5" in caplog.messages[-1]


def test_a_total_may_be_learned_on_the_way(clock, caplog):
    known: list[int | None] = [None]

    def batches():
        yield from ([1, 2], [3, 4, 5])
        known[0] = 50
        yield from ([6, 7], [8, 9, 10])
        known[0] = 5
        yield from ([11, 12], [13])

    with caplog.at_level(logging.INFO):
        list(track(batches(), total=lambda: known[0], what="pictures", log=LOG, size=len))
    assert [" ".join(message.split()[1:4]) for message in caplog.messages] == [
        "5 (0.3 a",
        "10 of 50",
        "13 of 5",
    ]
    assert "to go" not in caplog.messages[0]
    assert "0 s to go" in caplog.messages[-1], "more came than was announced"


def test_in_a_terminal_a_bar_stands_in_for_the_lines(clock, caplog, capsys, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    with caplog.at_level(logging.INFO):
        list(track(range(6), total=6, what="crops", log=LOG))
    assert caplog.messages == []
    assert "crops" in capsys.readouterr().err


def test_what_goes_wrong_in_the_loop_is_not_hidden():
    def failing():
        yield 1
        raise RuntimeError("torn")

    with pytest.raises(RuntimeError, match="torn"):
        list(track(failing(), total=2, what="crops", log=LOG))
