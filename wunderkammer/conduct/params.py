"""The `conduct` section of a source on the network."""

import os
from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from wunderkammer.params import Params

CONTACT_ENV = "WUNDERKAMMER_CONTACT"
Contact = Annotated[str, Field(min_length=5, max_length=200, pattern="^[ -~]+$")]


class ConductParams(Params):
    """How a scrape behaves on the network. Changing it makes nothing stale.

    `contact` (an e-mail address or a page) goes into the User-Agent, so that a site's owner can
    reach the person who asks; without it the environment variable WUNDERKAMMER_CONTACT is read.
    A connection that is silent for `timeout_s`, or slower than `min_kb_per_s` over that time, has
    failed, and so has a download that takes more than `max_download_s`; the next try goes on where
    it broke off. `files_per_s` is the most that one host is asked for files by all processes of a
    user together, as far as they share TMPDIR (an API has its own published rate). A host that
    fails `max_failures_in_a_row` times is left alone for `rest_s`, then twice as long; after the
    third rest it is given up for the run, and so is one that asks to be left alone for more than
    two minutes. `max_requests`, `max_gb`
    and `max_minutes` end a run early: what is missing then comes with the next one. What failed
    for good is asked again after `retry_days`, then after three times that, seven times, and so on.
    `allow_loopback_ports` names the ports of this machine that may be asked (a mirror, a test);
    every other private address is refused.
    """

    contact: Contact | None = None
    timeout_s: Annotated[float, Field(gt=0, le=600)] = 30.0
    min_kb_per_s: Annotated[float, Field(ge=0)] = 10.0
    max_download_s: Annotated[float, Field(gt=0)] = 1800.0
    num_tries: Annotated[int, Field(ge=1, le=10)] = 4
    max_connections: Annotated[int, Field(ge=1, le=256)] = 16
    max_connections_per_host: Annotated[int, Field(ge=1, le=64)] = 4
    files_per_s: Annotated[float, Field(gt=0)] | None = 10.0
    max_failures_in_a_row: Annotated[int, Field(ge=1)] = 20
    rest_s: Annotated[float, Field(gt=0)] = 60.0
    max_requests: Annotated[int, Field(ge=1)] | None = None
    max_gb: Annotated[float, Field(gt=0)] | None = None
    max_minutes: Annotated[float, Field(gt=0)] | None = None
    retry_days: Annotated[float, Field(ge=0)] = 1.0
    allow_loopback_ports: tuple[int, ...] = ()


class MissingContactError(ValueError):
    """Nobody is named whom a site's owner could reach."""


def contact_of(params: ConductParams, environ: Mapping[str, str] = os.environ) -> str:
    """The contact of the section, else of the environment.

    Raises:
        MissingContactError: neither names one; the message names both remedies.
    """
    contact = params.contact or environ.get(CONTACT_ENV, "").strip()
    if not contact:
        raise MissingContactError(
            "a scrape tells each site whom to reach: set scrape.conduct.contact to your e-mail "
            f"address or page, or the environment variable {CONTACT_ENV} for all subjects"
        )
    if len(contact) < 5 or not contact.isascii() or not contact.isprintable():
        raise MissingContactError(
            f"{CONTACT_ENV}={contact!r} is no e-mail address or page: at least 5 plain characters"
        )
    return contact
