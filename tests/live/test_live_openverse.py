"""Does Openverse still answer as expected?"""

from collections.abc import Mapping

import pytest

from tests.sources.listings import check_records, pages_of
from wunderkammer.conduct.params import ConductParams
from wunderkammer.sources.openverse import Openverse, OpenverseParams


def check_openverse(
    params: OpenverseParams, conduct: ConductParams, environ: Mapping[str, str]
) -> None:
    """Assert the shape of the first page of pictures."""
    pages = pages_of(
        lambda network: Openverse(params, network, environ=environ), conduct, num_pages=1
    )
    wanted = check_records(pages)
    assert len(pages[0].records) > 5
    assert pages[0].total
    for record in wanted:
        assert len(record.id) == 36
        assert record.landing_page
        assert record.licence_url
    assert any(record.author for record in wanted)
    assert any(record.tags for record in wanted)


@pytest.mark.live
def test_a_search_is_listed():
    params = OpenverseParams(kind="openverse", query="pembroke welsh corgi")
    check_openverse(params, params.conduct, {})
