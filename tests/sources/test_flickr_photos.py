from collections.abc import Iterator

import pytest
from flickr_kit import listed
from flickr_stand_in import KEY, FlickrStandIn, Photo
from listings import problems_of, records_of
from stand_in import running


@pytest.fixture
def flickr(monkeypatch) -> Iterator[FlickrStandIn]:
    monkeypatch.setenv("FLICKR_API_KEY", KEY)
    with running(FlickrStandIn([])) as stand_in:
        yield stand_in


def test_each_photo_is_judged_by_its_own_licence(flickr):
    flickr.photos = [Photo(id_, license=id_) for id_ in range(13)]
    records = records_of(listed(flickr))
    allowed = {id_ for id_, record in records.items() if record.refused is None}
    assert allowed == {"4", "5", "8", "9", "10", "11"}
    assert records["0"].refused == (
        "licence",
        "All Rights Reserved; allowed: cc0, public-domain, cc-by, cc-by-sa",
    )
    assert records["2"].refused[1].startswith("CC BY-NC 2.0")
    assert records["7"].refused[1].startswith("No known copyright restrictions")
    assert records["11"].licence_url == "https://creativecommons.org/licenses/by/4.0/"
    assert records["12"].licence == "Press only"
    assert flickr.methods().count("photos.licenses.getInfo") == 1


def test_a_licence_that_flickr_does_not_explain_is_unknown(flickr):
    flickr.photos = [Photo(1, license=77)]
    assert records_of(listed(flickr))["1"].licence == "unknown"


def test_only_the_licences_allowed_are_searched_for(flickr):
    flickr.photos = [Photo(id_, license=id_) for id_ in range(13)]
    assert set(records_of(listed(flickr, text="Argiope", licences=("cc-by",)))) == {"4", "11"}


def test_a_video_in_a_pool_is_refused(flickr):
    flickr.photos = [Photo(1, media="video")]
    assert records_of(listed(flickr))["1"].refused == ("video", "only photos are taken")


@pytest.mark.parametrize(
    ("max_size", "expected"),
    [("o", "o"), ("6k", "o"), ("3k", "k"), ("k", "k"), ("h", "l"), ("l", "l")],
)
@pytest.mark.parametrize("listed_sizes", [True, False])
def test_the_largest_size_allowed_is_taken(flickr, max_size, expected, listed_sizes):
    flickr.photos = [Photo(1, listed_sizes=listed_sizes)]
    record = records_of(listed(flickr, max_size=max_size))["1"]
    assert record.url == f"{flickr.url}/65535/1_{expected}.jpg"
    assert flickr.methods().count("photos.getSizes") == (not listed_sizes)


@pytest.mark.parametrize("changes", [{"sizes": {}}, {"listed_sizes": False}])
def test_a_photo_that_is_shown_in_no_size_is_refused(flickr, changes):
    flickr.photos = [Photo(1, **changes)]
    flickr.fault = lambda asked: (
        "2" if "photo_id" in asked.query and changes.get("sizes") is None else None
    )
    assert records_of(listed(flickr))["1"].refused[0] == "no_size"


def test_sizes_that_can_not_be_had_cost_one_photo_only(flickr):
    flickr.photos = [Photo(1), Photo(2, listed_sizes=False), Photo(3)]
    flickr.fault = lambda asked: "105" if "photo_id" in asked.query else None
    pages = listed(flickr)
    assert set(records_of(pages)) == {"1", "3"}
    assert problems_of(pages) == ["the sizes of photo 2 could not be had (flickr_error)"]


@pytest.mark.parametrize(
    ("changes", "taken_at"),
    [
        ({"granularity": 4}, "2020-05"),
        ({"granularity": 6}, "2020"),
        ({"granularity": 8}, "2020"),
        ({"unknown_date": True}, None),
        ({"taken": "0000-00-00 00:00:00"}, None),
        ({"taken": "yesterday"}, None),
    ],
)
def test_a_date_is_told_as_far_as_it_is_known(flickr, changes, taken_at):
    flickr.photos = [Photo(1, **changes)]
    record = records_of(listed(flickr))["1"]
    assert record.taken_at == taken_at
    assert record.group.startswith("12037949754@N01 2020")
