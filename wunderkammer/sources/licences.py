"""Licences as sources spell them, read into one code each."""

import re
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

LicenceCode = Literal[
    "cc0",
    "public-domain",
    "cc-by",
    "cc-by-sa",
    "cc-by-nc",
    "cc-by-nc-sa",
    "cc-by-nd",
    "cc-by-nc-nd",
    "other",
    "unknown",
]
Licences = Annotated[tuple[LicenceCode, ...], Field(min_length=1)]
# What may be changed and passed on by anybody, with credit at most.
OPEN: tuple[LicenceCode, ...] = ("cc0", "public-domain", "cc-by", "cc-by-sa")


@dataclass(frozen=True)
class Licence:
    """A licence: its code, its name with the version ("CC BY-SA 4.0"), and its deed."""

    code: LicenceCode
    name: str
    url: str | None


def read_licence(*spellings: str | None, url: str | None = None) -> Licence:
    """The licence that the first telling one of `url` and `spellings` names.

    Reads deeds (`https://creativecommons.org/licenses/by-sa/4.0/`), short codes (`by-sa`,
    `CC-BY-SA-4.0`, `cc0`, `pdm`) and names (`CC BY-SA 4.0`, `Public domain`). A spelling that
    names no licence known here is "other"; no spelling at all is "unknown".
    """
    raise NotImplementedError
