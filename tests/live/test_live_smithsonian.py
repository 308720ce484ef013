"""Does the Smithsonian's Open Access still answer as expected?"""

import os
from collections.abc import Mapping

import pytest

from tests.sources.listings import check_records, pages_of
from wunderkammer.conduct.params import ConductParams
from wunderkammer.sources.smithsonian import Smithsonian, SmithsonianParams


def check_smithsonian(
    params: SmithsonianParams, conduct: ConductParams, environ: Mapping[str, str]
) -> None:
    """Assert the shape of the first page of objects."""
    pages = pages_of(
        lambda network: Smithsonian(params, network, environ=environ), conduct, num_pages=1
    )
    wanted = check_records(pages)
    assert pages[0].problem is None
    assert pages[0].total
    assert pages[0].total >= len({record.group for record in pages[0].records})
    for record in wanted:
        assert record.group
        assert record.id.startswith(f"{record.group}/")
        assert record.landing_page
        assert record.licence == "CC0 1.0"
        assert params.max_side_px is None or f"max={params.max_side_px}" in record.url
    assert any(record.author for record in wanted)
    assert any(record.label for record in wanted)


@pytest.mark.live
@pytest.mark.parametrize("max_side_px", [None, 1024])
def test_a_search_is_listed(max_side_px):
    params = SmithsonianParams(
        kind="smithsonian", query="quilt", max_side_px=max_side_px, label="object_type"
    )
    # The key that api.data.gov gives everybody, for thirty requests an hour.
    environ = {params.key_env: "DEMO_KEY", **os.environ}
    check_smithsonian(params, params.conduct, environ)
