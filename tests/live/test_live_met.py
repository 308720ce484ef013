"""Does the Metropolitan Museum still answer as expected?"""

import pytest

from tests.sources.listings import check_records, pages_of
from wunderkammer.conduct.params import ConductParams
from wunderkammer.sources.met import Met, MetParams


def check_met(params: MetParams, conduct: ConductParams) -> None:
    """Assert the shape of the first twenty objects."""
    pages = pages_of(lambda network: Met(params, network), conduct, num_pages=1)
    wanted = check_records(pages)
    assert pages[0].problem is None
    assert pages[0].total
    for record in wanted:
        assert record.group == record.id.split("/")[0]
        assert record.landing_page
        assert record.landing_page.endswith(record.group)
        assert record.licence == "CC0 1.0"
    assert any(record.label for record in wanted)
    assert any(record.tags for record in wanted)


@pytest.mark.live
def test_a_search_is_listed():
    params = MetParams(kind="met", query="quilt", label="department")
    check_met(params, params.conduct)
