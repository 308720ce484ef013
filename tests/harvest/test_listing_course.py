from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from wunderkammer.harvest.course import Course, Progress, after_page, next_course
from wunderkammer.sources.listing import Page

AT = datetime(2026, 3, 1, tzinfo=UTC)


def begin(
    committed: Course | None,
    progress: Progress | None = None,
    *,
    days: float = 30.0,
    after: int = 0,
) -> Course:
    return next_course(
        committed, progress, query="q", relist_days=days, at=AT + timedelta(days=after)
    )


def listed(
    course: Course,
    *pages: str,
    problem: bool = False,
    is_last: bool = True,
    shows_part: bool = False,
) -> Course:
    """The course after pages, each named by the position after it."""
    for number, page in enumerate(pages, start=1):
        course = after_page(
            course,
            Page(
                records=(),
                position={"at": page},
                is_last=is_last and number == len(pages),
                problem="a gap" if problem and number == 1 else None,
                shows_part=shows_part,
            ),
        )
    return course


def test_the_first_listing_starts_at_the_beginning():
    course = begin(None)
    assert (course.epoch, course.position, course.full_at) == (1, {}, None)


def test_a_whole_listing_is_gone_on_from_within_its_epoch():
    whole = listed(begin(None), "a", "b")
    assert (whole.position, whole.full_at, whole.is_unfinished) == (
        {"at": "b"},
        AT.isoformat(),
        False,
    )
    course = begin(whole, after=1)
    assert (course.epoch, course.origin, course.position) == (1, {"at": "b"}, {"at": "b"})


def test_when_it_is_due_everything_is_listed_in_a_new_epoch():
    course = begin(listed(begin(None), "a"), after=30)
    assert (course.epoch, course.position, course.full_at) == (2, {}, None)


def test_a_killed_listing_goes_on_after_its_last_page():
    part = listed(begin(None), "a", "b", is_last=False)
    course = begin(None, Progress(base=None, course=part), after=3)
    assert (course.position, course.epoch) == ({"at": "b"}, 1)
    assert listed(course, "c").full_at == AT.isoformat()


def test_progress_counts_only_on_top_of_the_course_that_it_began_with():
    whole = listed(begin(None), "a")
    old = Progress(base=None, course=listed(begin(None), "z", is_last=False))
    assert begin(whole, old).position == {"at": "a"}
    new = Progress(base=whole.name, course=listed(begin(whole), "b", is_last=False))
    assert begin(whole, new).position == {"at": "b"}


def test_a_listing_that_ended_early_goes_on_where_it_was():
    part = listed(begin(None), "a", is_last=False)
    assert begin(part, after=99) == part


def test_a_listing_that_a_cap_has_ended_is_done_anew_when_it_is_due():
    capped = listed(begin(None), "a", is_last=False).model_copy(update={"is_capped": True})
    assert begin(capped, after=29) == capped
    anew = begin(capped, after=30)
    assert (anew.epoch, anew.position, anew.is_capped) == (2, {}, False)
    # Of a source that was whole before, the time of that counts.
    later = listed(begin(listed(begin(None), "a"), after=20), "b", is_last=False)
    later = later.model_copy(update={"is_capped": True})
    assert begin(later, after=29) == later
    assert begin(later, after=30).epoch == 2


def test_a_listing_with_gaps_is_done_again_from_where_it_started():
    gaps = listed(begin(None), "a", "b", problem=True)
    assert (gaps.position, gaps.full_at) == ({}, None)
    assert (begin(gaps).epoch, begin(gaps).position) == (1, {})
    whole = listed(begin(None), "a")
    update = listed(begin(whole, after=1), "b", "c", problem=True)
    assert update.position == {"at": "a"}
    assert begin(update, after=2).position == {"at": "a"}


def test_a_source_that_never_shows_all_is_never_listed_anew():
    part = listed(begin(None), "a", shows_part=True)
    assert (part.is_part, part.position) == (True, {"at": "a"})
    course = begin(part, after=99)
    assert (course.epoch, course.position, course.is_part) == (1, {"at": "a"}, True)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=12))
def test_a_gap_is_never_forgotten_before_the_listing_was_done_again(pages):
    """However a listing is cut into runs, one with a problem does not end whole."""
    course, has_problem = begin(None), False
    for number, (is_cut, problem) in enumerate(pages):
        is_last = number == len(pages) - 1
        has_problem |= problem
        gap = "a gap" if problem else None
        page = Page(records=(), position={"at": number}, is_last=is_last, problem=gap)
        course = after_page(course, page)
        if is_cut and not is_last:
            course = begin(course, after=number)
    assert (course.full_at is None) == has_problem
    assert course.position == ({} if has_problem else {"at": len(pages) - 1})
