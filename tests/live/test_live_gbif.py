"""What the listing of GBIF relies on, asked of the site itself."""

import pytest

from tests.sources.listings import check_records, pages_of, problems_of
from wunderkammer.conduct.params import ConductParams
from wunderkammer.sources.gbif import Gbif, GbifParams
from wunderkammer.sources.licences import OPEN, read_licence
from wunderkammer.sources.listing import Page


def check_live(pages: list[Page]) -> None:
    """Assert the shape of the first pages of a full listing of a taxon."""
    wanted = check_records(pages)
    assert problems_of(pages) == []
    assert pages[0].total is not None
    assert pages[0].total > 0
    for record in wanted:
        occurrence, picture = record.id.split("/")
        assert int(occurrence) > 0
        assert record.group == occurrence
        assert len(picture) == 12
        assert read_licence(record.licence, url=record.licence_url).code in OPEN
    assert any(record.author for record in wanted)
    assert any(record.label for record in wanted)
    assert any(record.taken_at for record in wanted)


def live(num_pages: int, **settings: object) -> list[Page]:
    params = GbifParams.model_validate({"kind": "gbif", **settings})
    return pages_of(lambda network: Gbif(params, network), ConductParams(), num_pages=num_pages)


@pytest.mark.live
def test_forams_are_listed_as_expected():
    pages = live(2, taxon="Foraminifera")
    assert pages[-1].position["taxon_key"]
    check_live(pages)


@pytest.mark.live
def test_a_number_of_the_older_backbone_is_still_known():
    check_live(live(1, taxon_key=7614))


@pytest.mark.live
def test_a_large_search_is_split_without_loss():
    pages = live(1, taxon="Araneae")
    assert next(iter(pages[0].position["part"])) == "datasetKey"
    check_live(pages)
