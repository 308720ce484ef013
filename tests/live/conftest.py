"""Fixtures of the tests that ask real sites; they run only as `make live` runs them."""

import pytest

from wunderkammer.conduct.params import ConductParams, contact_of


@pytest.fixture(autouse=True)
def contact() -> str:
    """Whom a site's owner can reach; without one nothing is asked."""
    return contact_of(ConductParams())
