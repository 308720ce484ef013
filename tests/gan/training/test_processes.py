import pytest

from wunderkammer.gan.training.processes import Processes


def test_each_process_has_its_rows_and_together_they_have_all():
    rows = [row for rank in range(4) for row in Processes(rank, 4).rows(16)]
    assert rows == list(range(16))


@pytest.mark.parametrize(("total", "part"), [(16, 4), (16, 2), (8, 4)])
def test_a_share_of_whole_parts_is_accepted(total, part):
    Processes(1, 2).check_share(total, smallest_part=part)


REFUSALS = [
    (15, 1, "set train.batch_size to a multiple"),
    (16, 16, "16 samples each share statistics; .* a multiple of 32"),
    (24, 8, "a multiple of 16"),
    (16, 0, "all its samples share statistics; use one GPU"),
]


@pytest.mark.parametrize(("total", "part", "message"), REFUSALS)
def test_a_share_that_would_change_the_result_is_refused(total, part, message):
    with pytest.raises(ValueError, match=message):
        Processes(0, 2).check_share(total, smallest_part=part)


def test_alone_every_batch_is_accepted():
    Processes().check_share(7, smallest_part=0)
