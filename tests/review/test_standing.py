import pytest
from hypothesis import given
from hypothesis import strategies as st
from review_decisions import box, decision, proposal, undo

from wunderkammer.review.decision import iou
from wunderkammer.review.standing import Standing


def of(standing, about):
    return standing.of(about)


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


def spider(x0, y0, x1, y1, *, window=(0, 0, 60, 60), by="model", number=0, **changes):
    """A proposal about an object, whose class is `spider` unless `changes` say otherwise."""
    about = {"object_box": box(x0, y0, x1, y1), "class_name": "spider", "proposed_by": by}
    return proposal(number, window, **{**about, **changes})


def test_a_decision_about_an_object_holds_for_it_whatever_the_window():
    made = decision("reject", about=spider(20, 20, 40, 40, window=(18, 18, 42, 42)))
    standing = Standing([made], min_same_iou=0.9)
    for window in [(10, 10, 50, 50), (0, 0, 60, 60)]:
        assert of(standing, spider(20, 20, 40, 40, window=window)) is made
        assert of(standing, spider(20, 41, 40, 61, window=window)) is None


@pytest.mark.parametrize("number", [0, 1])
def test_two_objects_in_one_window_have_a_decision_each_also_in_another_file(number):
    upper, lower = spider(2, 5, 58, 25, crop="one"), spider(2, 30, 58, 55, crop="one")
    first, second = decision(about=upper), decision("reject", about=lower, order=2)
    standing = Standing([first], min_same_iou=0.9)
    again = {"crop": "one", "number": number}
    assert of(standing, spider(2, 30, 58, 55, **again)) is None
    standing.add(second)
    assert of(standing, spider(2, 5, 58, 25, **again)) is first
    assert of(standing, spider(2, 30, 58, 55, **again)) is second
    assert standing.in_force() == [first, second]


def test_an_object_is_known_by_its_place_where_the_same_crop_lies_elsewhere_in_another_file():
    made = decision(about=spider(10, 10, 40, 40, crop="one"))
    standing = Standing([made], min_same_iou=0.9)
    moved = {"crop": "one", "number": 1, "window": (100, 0, 160, 60)}
    assert of(standing, spider(110, 10, 140, 40, **moved)) is made
    assert of(standing, spider(120, 20, 150, 50, **moved)) is None


def test_one_model_tells_objects_apart_by_class_and_two_may_name_one_otherwise():
    made = decision("reject", about=spider(10, 10, 40, 40))
    standing = Standing([made], min_same_iou=0.9)
    assert of(standing, spider(10, 10, 40, 40, class_name="crab")) is None
    assert of(standing, spider(10, 10, 40, 40, class_name="crab", by="another")) is made


def test_a_new_label_of_its_picture_does_not_make_a_specimen_another():
    made = decision("reject", about=spider(10, 10, 40, 40, by="threshold:0123"))
    standing = Standing([made], min_same_iou=0.9)
    about = spider(10, 10, 40, 40, by="threshold:0123", class_name="crab")
    assert of(standing, about) is made


def test_a_decision_holds_for_the_object_as_other_weights_draw_it_in_the_same_window():
    made = decision("reject", about=spider(10, 10, 40, 40))
    standing = Standing([made], min_same_iou=0.9)
    nearly = (12, 12, 42, 42)  # IoU 784 / 1016
    assert of(standing, spider(*nearly, by="another")) is made
    assert of(standing, spider(*nearly)) is None
    assert of(standing, spider(*nearly, by="another", window=(20, 20, 80, 80))) is None


def test_a_decision_holds_for_an_object_that_is_proposed_as_it_was_corrected():
    made = decision(about=spider(10, 10, 40, 40), object_box=box(5, 5, 55, 55))
    standing = Standing([made], min_same_iou=0.9)
    assert of(standing, spider(5, 5, 55, 55, window=(0, 0, 120, 90))) is made


def test_the_same_decision_twice_counts_once():
    made = decision()
    standing = Standing([made], min_same_iou=0.9)
    assert not standing.add(made)
    assert standing.num_decisions == 1


def test_iou_of_boxes_by_hand():
    assert iou(box(0, 0, 2, 2), box(1, 1, 3, 3)) == 1 / 7
    assert iou(box(0, 0, 2, 2), box(2, 0, 4, 2)) == 0.0
    assert iou(box(0, 0, 2, 2), box(0, 0, 2, 2)) == 1.0


PROPOSALS = [
    proposal(window=window, crop=crop, object_box=object_box)
    for window, crop in [((30, 10, 90, 70), "a"), ((31, 10, 91, 70), "b"), ((0, 0, 20, 20), "a")]
    for object_box in (None, box(32, 12, 50, 60), box(40, 12, 88, 60))
]


@st.composite
def histories(draw):
    """Decisions and undos about three windows, two of them nearly the same, and their objects."""
    made = []
    for number in range(draw(st.integers(0, 12))):
        if made and draw(st.booleans()):
            made.append(undo(draw(st.sampled_from(made)), order=number + 1))
            continue
        kind = draw(st.sampled_from(["accept", "reject"]))
        about = draw(st.sampled_from(PROPOSALS))
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
    for about in PROPOSALS:
        assert of(ours, about) == of(theirs, about)
    assert ours.in_force() == theirs.in_force()
