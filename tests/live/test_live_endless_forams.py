"""Does Endless Forams still answer as expected?"""

import pytest

from tests.sources.listings import check_records, pages_of, problems_of
from wunderkammer.conduct.params import ConductParams
from wunderkammer.sources.endless_forams import EndlessForams, EndlessForamsParams
from wunderkammer.sources.listing import Page


def check_live(pages: list[Page], *, base_url: str) -> None:
    """Assert the shape of the list of species."""
    wanted = check_records(pages)
    assert problems_of(pages) == []
    assert pages[-1].is_last
    amounts = []
    for record in wanted:
        assert record.label == record.id == record.title
        assert len(record.id.split()) >= 2
        head, amount = record.url.removesuffix("?download=capsule.zip").rsplit("/", 1)
        assert head.startswith(f"{base_url}/randomizer/download/")
        assert record.form == "zip"
        amounts.append(int(amount))
    assert min(amounts) > 0
    assert amounts == sorted(amounts, reverse=True)


@pytest.mark.live
def test_the_species_are_listed():
    params = EndlessForamsParams(kind="endless_forams")
    pages = pages_of(lambda network: EndlessForams(params, network), ConductParams())
    check_live(pages, base_url=params.base_url)
