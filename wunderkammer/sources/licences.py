"""Licences as sources spell them, read into one code each."""

import re
from dataclasses import dataclass
from typing import Annotated, Literal, get_args

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

CREATIVE_COMMONS = "https://creativecommons.org"
VERSIONS = ("1.0", "2.0", "2.1", "2.5", "3.0", "4.0")
MAX_NAME_CHARS = 200
BY_ELEMENTS: dict[frozenset[str], LicenceCode] = {
    frozenset(code.split("-")[1:]): code for code in get_args(LicenceCode) if code[:5] == "cc-by"
}
# The countries (and more) that have versions of their own up to 3.0, as their deeds name them.
PLACES = (
    "am ar at au az be bg br ca ch cl cn co cr cz de dk ec ee eg es fi fr ge gr gt hk hr hu ie igo "
    "il in it jp kr lu mk mt mx my nl no nz pe ph pl pr pt ro rs scotland se sg si th tw ug uk us "
    "ve vn za"
).replace(" ", "|")
DEED = re.compile(
    r"(?:^|//|[\s\"'(<>=])(?:www\.)?creativecommons\.org/(?:licen[cs]es|publicdomain)/"
    rf"([a-z0-9+-]+)(?:/([0-9]\.[0-9])(?:/({PLACES})(?![a-z0-9.]))?)?"
)
# Long names in the words of the short ones; "4_0" is how GBIF spells a version in a code.
SHORTENED = tuple(
    (re.compile(pattern), short)
    for pattern, short in (
        (r"creative[\s_-]*commons", "cc"),
        (r"non[\s_-]*commercial", "nc"),
        (r"no[\s_-]*deriv(?:ative)?s?(?:[\s_-]*works?)?\b", "nd"),
        (r"share[\s_-]*alike", "sa"),
        (r"attribution", "by"),
        (r"\bcc[\s_-]*(?:0|zero)(?![0-9])", "cc0"),
        (r"\bcc\s+cc0", "cc0"),
        (r"public[\s_-]*domain[\s_-]*mark|\bcc[\s_-]pd[\s_-]mark", "pdm"),
        (r"(?<=[0-9])_(?=[0-9])", "."),
        (r"(?:some|no) rights reserved", " "),
        (r"\b(?:licensed under|licen[cs]es?|international|unported|generic|universal|v)\b", " "),
        (r"\bv(?=[0-9])", ""),
    )
)
# Every letter, digit and sign counts but for those that only part words.
WORD = re.compile(r"[^\W\d_]+0?|\d+(?:\.\d+)*|[^\s\w.,;:/()\[\]-]+")
NAME = re.compile(
    r"(?P<kind>cc0|pdm|(?:cc )?by(?: (?:nc|nd|sa))*)"
    rf"(?:(?P<versions>(?: [0-9](?:\.[0-9])?)+)(?: (?P<place>{PLACES}))?)?"
)
# "CC BY 4.0" again, as in "Attribution 4.0 International (CC BY 4.0)".
NAMES = re.compile(r"(.+?)(?: (?=cc by\b|cc0\b)(.+))?")
# Nobody holds a right, by law or by a dedication that is not CC0. Commons names its templates PD-….
PUBLIC_DOMAIN = re.compile(
    r"public[ -]?domain(?:[ -]dedication)?|cc[ -]pddc|cc[ -]pd|pd(?:-.*)?"
    r"|(?:united states|u\.?s\.?)[ -]gov(?:ernment|t)?[ -]works?|usgov"
)
LINK = re.compile(r"https?://\S+")
SAYS_NOTHING = ("unknown", "unspecified", "not specified", "none", "n/a", "null", "-")


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
    names no licence known here is "other"; no spelling at all is "unknown". That nobody knows of a
    copyright ("No known copyright restrictions") gives no permission and is "other" too, and so is
    Commons' bare "Attribution", which is a licence of its own. Without a version there is no deed
    to name, so `url` is then the one that was given.
    """
    given = [text for one in (url, *spellings) if one and (text := " ".join(one.split()))]
    given = [text for text in given if text.casefold() not in SAYS_NOTHING]
    link = next((text for text in given if LINK.fullmatch(text)), None)
    for text in given:
        licence = _deed(text.casefold()) or _name(text)
        if licence is not None:
            return Licence(licence.code, licence.name, licence.url or link)
    if not given:
        return Licence("unknown", "unknown", None)
    names = [text for text in given if text != link]
    return Licence("other", (names or given)[0][:MAX_NAME_CHARS], link)


def _deed(text: str) -> Licence | None:
    """The licence whose deed stands in the text, if it is one alone."""
    found = {_of_deed(*match) for match in DEED.findall(text)}
    return found.pop() if len(found) == 1 else None


def _of_deed(kind: str, version: str, place: str) -> Licence | None:
    if kind in ("zero", "cc0"):
        return _dedication("cc0", version)
    if kind == "mark":
        return _dedication("pdm", version)
    if kind == "publicdomain":
        return Licence("public-domain", "Public domain", None)
    return _creative_commons(kind.split("-"), version, place)


def _name(text: str) -> Licence | None:
    """The licence that the whole text names, and nothing besides."""
    plain = text.casefold()
    if PUBLIC_DOMAIN.fullmatch(plain):
        named = text if plain.startswith("pd-") else "Public domain"
        return Licence("public-domain", named[:MAX_NAME_CHARS], None)
    if plain == "attribution":
        return None
    for pattern, short in SHORTENED:
        plain = pattern.sub(short, plain)
    plain = " ".join(WORD.findall(plain))
    plain = re.sub(
        r"^public domain dedication (?=cc0)|(?<=cc0 1\.0) public domain dedication$", "", plain
    )
    parts = NAMES.fullmatch(plain)
    named_here = {_of_name(part) for part in parts.groups() if part} if parts else set()
    return named_here.pop() if len(named_here) == 1 else None


def _of_name(words: str) -> Licence | None:
    match = NAME.fullmatch(words)
    if match is None:
        return None
    versions = [one if "." in one else f"{one}.0" for one in (match["versions"] or "").split()]
    version = versions[0] if versions else ""
    kind = match["kind"].removeprefix("cc ")
    if kind in ("cc0", "pdm"):
        return _dedication(kind, version)
    elements = kind.split(" ")
    return _creative_commons(elements, version, match["place"] or "")


def _dedication(kind: str, version: str) -> Licence | None:
    """CC0 or the Public Domain Mark, of which there is one version each."""
    if version not in ("", "1.0"):
        return None
    if kind == "cc0":
        return Licence("cc0", "CC0 1.0", f"{CREATIVE_COMMONS}/publicdomain/zero/1.0/")
    deed = f"{CREATIVE_COMMONS}/publicdomain/mark/1.0/"
    return Licence("public-domain", "Public Domain Mark 1.0", deed)


def _creative_commons(elements: list[str], version: str, place: str) -> Licence | None:
    """A licence of the BY family; from 4.0 on there are no versions for single countries."""
    code = BY_ELEMENTS.get(frozenset(elements))
    if code is None or len(set(elements)) != len(elements) or version not in ("", *VERSIONS):
        return None
    kind = code.removeprefix("cc-")
    name = f"CC {kind.upper()}"
    if not version:
        return Licence(code, name, None)
    deed = f"{CREATIVE_COMMONS}/licenses/{kind}/{version}/"
    if not place or version == "4.0":
        return Licence(code, f"{name} {version}", deed)
    return Licence(code, f"{name} {version} {place.upper()}", f"{deed}{place}/")
