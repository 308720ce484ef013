"""Does Wikimedia Commons still answer as expected?"""

import pytest

from tests.sources.listings import check_records, pages_of
from wunderkammer.conduct.params import ConductParams
from wunderkammer.sources.commons import Commons, CommonsParams


def check_commons(params: CommonsParams, conduct: ConductParams) -> None:
    """Assert the shape of the first batch of files."""
    pages = pages_of(lambda network: Commons(params, network), conduct, num_pages=1)
    wanted = check_records(pages)
    for record in wanted:
        assert record.id.isdigit()
        assert record.author
        assert record.landing_page
        assert "/File:" in record.landing_page
        if params.width_px is None:
            assert record.sha1
            assert record.num_bytes
    if params.width_px is not None:
        assert any(record.num_bytes is None for record in wanted), "nothing is scaled down"


@pytest.mark.live
@pytest.mark.parametrize("width_px", [None, 960])
def test_a_category_is_listed(width_px):
    params = CommonsParams(kind="commons", categories=("Quilts",), width_px=width_px, depth=1)
    check_commons(params, params.conduct)


@pytest.mark.live
def test_a_search_is_listed():
    params = CommonsParams(kind="commons", search="pembroke welsh corgi filetype:bitmap")
    check_commons(params, params.conduct)
