from hypothesis import given
from hypothesis import strategies as st
from review_decisions import box, decision, proposal, undo

from wunderkammer.review.decision import iou
from wunderkammer.review.standing import Standing


def of(standing, about):
    return standing.of(crop_sha256=about.crop_sha256, sha256=about.sha256, window=about.window)


def test_the_later_decision_is_in_force():
    first, second = decision("accept", order=1), decision("reject", order=2)
    assert of(Standing([second, first], min_same_iou=0.9), proposal()) is second


def test_an_undo_brings_back_what_was_in_force_before():
    first, second = decision("accept", order=1), decision("reject", order=2)
    standing = Standing([first, second, undo(second)], min_same_iou=0.9)
    assert of(standing, proposal()) is first
    standing.add(undo(first, order=9))
    assert of(standing, proposal()) is None
    assert standing.in_force() == []


def test_an_undo_that_arrives_before_its_decision_holds_all_the_same():
    late = decision()
    standing = Standing([undo(late), late], min_same_iou=0.9)
    assert of(standing, proposal()) is None


def test_a_decision_holds_for_the_same_crop_of_another_file():
    made = decision(about=proposal(0, crop="same pixels"))
    other = proposal(1, crop="same pixels")
    assert of(Standing([made], min_same_iou=0.9), other) is made


def test_a_decision_holds_for_a_window_that_moved_a_little_and_for_no_other():
    made = decision(about=proposal(window=(30, 10, 90, 70)))
    standing = Standing([made], min_same_iou=0.9)
    assert of(standing, proposal(window=(31, 10, 91, 70))) is made  # IoU 59 / 61
    assert of(standing, proposal(window=(40, 10, 100, 70))) is None  # IoU 50 / 70
    assert of(standing, proposal(1, window=(30, 10, 90, 70))) is None


def test_a_decision_holds_for_a_proposal_that_is_as_it_was_corrected():
    made = decision(about=proposal(window=(0, 0, 60, 60)), window=box(30, 10, 90, 70))
    standing = Standing([made], min_same_iou=0.9)
    assert of(standing, proposal(window=(30, 10, 90, 70))) is made


def test_of_two_windows_of_one_picture_each_has_its_own_decision():
    left = decision("accept", about=proposal(window=(0, 0, 50, 50)))
    right = decision("reject", about=proposal(window=(60, 0, 110, 50)), order=2)
    standing = Standing([left, right], min_same_iou=0.9)
    assert of(standing, left.proposal) is left
    assert of(standing, right.proposal) is right
    assert standing.in_force() == [left, right]


def test_the_same_decision_twice_counts_once():
    made = decision()
    standing = Standing([made], min_same_iou=0.9)
    assert not standing.add(made)
    assert standing.num_decisions == 1


def test_iou_of_boxes_by_hand():
    assert iou(box(0, 0, 2, 2), box(1, 1, 3, 3)) == 1 / 7
    assert iou(box(0, 0, 2, 2), box(2, 0, 4, 2)) == 0.0
    assert iou(box(0, 0, 2, 2), box(0, 0, 2, 2)) == 1.0


@st.composite
def histories(draw):
    """Decisions and undos about three windows, two of them nearly the same."""
    windows = [(30, 10, 90, 70), (31, 10, 91, 70), (0, 0, 20, 20)]
    made = []
    for number in range(draw(st.integers(0, 12))):
        if made and draw(st.booleans()):
            made.append(undo(draw(st.sampled_from(made)), order=number + 1))
            continue
        kind = draw(st.sampled_from(["accept", "reject"]))
        about = proposal(window=draw(st.sampled_from(windows)))
        order = draw(st.integers(1, 6))
        made.append(decision(kind, order=order, about=about))
    return [one for one in made if one.undoes is None or _known(one, made)]


def _known(one, made):
    undone = next(other for other in made if other.id == one.undoes)
    return undone.decision != "undo"


@given(histories(), st.randoms(use_true_random=False))
def test_the_order_in_which_decisions_arrive_does_not_matter(history, random):
    shuffled = [*history, *history[:3]]
    random.shuffle(shuffled)
    ours, theirs = Standing(history, min_same_iou=0.9), Standing(shuffled, min_same_iou=0.9)
    for window in [(30, 10, 90, 70), (31, 10, 91, 70), (0, 0, 20, 20)]:
        assert of(ours, proposal(window=window)) == of(theirs, proposal(window=window))
    assert ours.in_force() == theirs.in_force()
