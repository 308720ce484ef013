"""What the listing of iNaturalist relies on, asked of the site itself."""

import pytest

from tests.sources.listings import check_records, pages_of, problems_of
from wunderkammer.conduct.params import ConductParams
from wunderkammer.sources.inaturalist import INaturalist, INaturalistParams
from wunderkammer.sources.listing import Page


def check_live(pages: list[Page], *, allowed: tuple[str, ...]) -> None:
    """Assert the shape of the first pages of a full listing of a taxon."""
    wanted = check_records(pages)
    assert problems_of(pages) == []
    assert pages[0].total is not None
    assert pages[0].total > 0
    numbers = [int(record.group or "") for page in pages for record in page.records]
    assert numbers == sorted(numbers)
    for record in wanted:
        observation, photo = record.id.split("/")
        assert record.group == observation
        assert (record.landing_page or "").endswith(f"/observations/{observation}")
        assert f"/{photo}/original." in record.url
        assert record.author
        assert (record.licence or "").startswith(allowed)
        assert (record.licence_url or "").startswith("https://creativecommons.org/")
        assert record.title
    assert any(record.label for record in wanted)
    assert any(record.taken_at for record in wanted)


@pytest.mark.live
def test_spiders_are_listed_as_expected():
    params = INaturalistParams(kind="inaturalist", taxon="Araneae")
    pages = pages_of(lambda network: INaturalist(params, network), ConductParams(), num_pages=2)
    assert pages[-1].position["taxon_id"] == 47118
    check_live(pages, allowed=("CC0 1.0", "CC BY 4.0", "CC BY-SA 4.0", "Public"))
