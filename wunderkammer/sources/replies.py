"""What the replies of APIs hold, read with distrust: texts are bounded, what is odd is None."""

import logging
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from wunderkammer.conduct.api import Api, Query
from wunderkammer.conduct.errors import BudgetSpentError, FetchError
from wunderkammer.sources.licences import Licence, LicenceCode

log = logging.getLogger(__name__)

MAX_TEXT_CHARS = 500
MAX_URL_CHARS = 2000
MAX_HTML_CHARS = 20_000
MAX_ID_CHARS = 300
MAX_TAGS = 100
# Of what JSON can hold, what a column of a table can.
MAX_INT = 2**63 - 1
# No site that is asked here is as old.
FIRST_WATERMARK = datetime(1990, 1, 1, tzinfo=UTC)
CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]")
# Statuses that concern whoever asks, not what is asked for: the next page will not do better.
OF_THE_ASKER = (401, 403, 429)


def as_text(value: object) -> str | None:
    """A string or a number as one line of at most 500 characters; None for anything else."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        return None
    # Half a surrogate pair, which JSON can hold, has no UTF-8.
    text = value[: 4 * MAX_TEXT_CHARS].encode("utf-8", "replace").decode()
    return " ".join(CONTROLS.sub(" ", text).split())[:MAX_TEXT_CHARS].rstrip() or None


def as_texts(value: object) -> tuple[str, ...]:
    """The texts of a list, each once, at most 100; none of anything else."""
    if not isinstance(value, list | tuple):
        return ()
    found = dict.fromkeys(text for one in value if (text := as_text(one)))
    return tuple(found)[:MAX_TAGS]


def as_url(value: object) -> str | None:
    """An http(s) URL; None for anything else."""
    if not isinstance(value, str):
        return None
    url = value.strip()
    url = f"https:{url}" if url.startswith("//") else url
    is_url = url.startswith(("http://", "https://")) and len(url) <= MAX_URL_CHARS
    return url if is_url and url.isprintable() else None


def as_list(value: object) -> object:
    """An absent list as an empty one."""
    return () if value is None else value


def as_int(value: object) -> int | None:
    """A whole number that is not negative and has 63 bits; None for anything else."""
    return value if type(value) is int and 0 <= value <= MAX_INT else None


def as_time(value: object) -> datetime | None:
    """A time in ISO 8601, of UTC where it names no zone; None for anything else."""
    try:
        time = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return time.replace(tzinfo=UTC) if time is not None and time.tzinfo is None else time


def as_watermark(value: object) -> datetime | None:
    """A time that a later listing can go on from; None for one before 1990 or still to come.

    A watermark in the future would hide all that is published until then.
    """
    time = as_time(value)
    return time if time is not None and FIRST_WATERMARK <= time <= datetime.now(UTC) else None


def as_mappings(value: object) -> list[Mapping[str, Any]]:
    """The mappings of a list; none of anything else."""
    items = value if isinstance(value, list | tuple) else ()
    return [item for item in items if isinstance(item, Mapping)]


def named_by(name: str) -> Callable[[object], object]:
    """A validator for the items of a page: those without an id called `name` are left out."""

    def identified(value: object) -> object:
        if not isinstance(value, list):
            return value
        kept = [item for item in as_mappings(value) if _is_id(item.get(name))]
        if len(kept) < len(value):
            log.warning(
                "%d of %d items have no %r: left out", len(value) - len(kept), len(value), name
            )
        return kept

    return identified


def _is_id(value: object) -> bool:
    is_text = isinstance(value, str) and value.isprintable() and 0 < len(value) <= MAX_ID_CHARS
    return is_text or type(value) is int


Text = Annotated[str | None, BeforeValidator(as_text)]
Id = Annotated[str, BeforeValidator(as_text)]
Texts = Annotated[tuple[str, ...], BeforeValidator(as_texts)]
Url = Annotated[str | None, BeforeValidator(as_url)]
Count = Annotated[int | None, BeforeValidator(as_int)]
Time = Annotated[datetime | None, BeforeValidator(as_time)]


class Reply(BaseModel):
    """A part of an API's reply; what it does not name is ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


R = TypeVar("R", bound=Reply)


def parse(model: type[R], value: Any) -> R:
    """`value` as `model`.

    Raises:
        FetchError: "bad_reply" if it is none; it may pass.
    """
    try:
        return model.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "the reply"
        detail = f"{where}: {first['msg']}"[:MAX_TEXT_CHARS]
        raise FetchError("bad_reply", detail, may_pass=True) from None


async def ask(
    api: Api, path: str, query: Query, model: type[R], *, check: Callable[[Any], None] | None = None
) -> R:
    """The answer to a question as `model`; one that is none is asked for again.

    `check` may raise a FetchError for what the reply itself calls an error.

    Raises:
        FetchError: there is none after all tries.
    """

    answers: list[R] = []

    def judge(reply: Any) -> None:
        if check is not None:
            check(reply)
        answers.append(parse(model, reply))

    await api.get(path, query, check=judge)
    return answers[-1]


class Gaps:
    """Pages of a numbered listing that could not be had, although they were asked for repeatedly.

    One is left out. Two in a row, or a refusal of whoever asks, end the listing where it was.
    """

    def __init__(self) -> None:
        self._open: str | None = None

    def leave(self, what: str, error: FetchError) -> None:
        """Leave out `what`.

        Raises:
            FetchError: `error`, if the listing can't go on.
        """
        ends = isinstance(error, BudgetSpentError) or error.status in OF_THE_ASKER
        if ends or error.reason == "throttled" or self._open is not None:
            raise error
        self._open = f"{what} could not be had ({error.reason})"

    def close(self) -> str | None:
        """What is missing since the page before; to be called after each page that came."""
        missing, self._open = self._open, None
        return missing


def licence_refusal(licence: Licence, allowed: tuple[LicenceCode, ...]) -> tuple[str, str] | None:
    """Why a picture is refused for its licence; None if it is allowed."""
    if licence.code in allowed:
        return None
    return ("licence", f"{licence.name}; allowed: {', '.join(allowed)}")


def text_of_html(html: object) -> str | None:
    """The visible text of a piece of HTML, as one line."""
    if not isinstance(html, str) or not html:
        return as_text(html)
    reader = _TextOfHtml()
    reader.feed(html[:MAX_HTML_CHARS])
    reader.close()
    return as_text("".join(reader.pieces))


VOID = ("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "wbr")
INLINE = ("a", "abbr", "b", "bdi", "big", "cite", "em", "font", "i", "small", "span", "strong")


class _TextOfHtml(HTMLParser):
    """Collects what a reader would see; an element that is not shown hides all below it."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[str] = []
        self._num_hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in INLINE:
            self.pieces.append(" ")
        if tag in VOID:
            return
        style = "".join((dict(attrs).get("style") or "").lower().split())
        if self._num_hidden or tag in ("script", "style") or "display:none" in style:
            self._num_hidden += 1

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            self._num_hidden = max(self._num_hidden - 1, 0)
        if tag not in INLINE:
            self.pieces.append(" ")

    def handle_data(self, data: str) -> None:
        if not self._num_hidden:
            self.pieces.append(data)


def mapping_of(value: object) -> Mapping[str, Any]:
    """A mapping as it is; an empty one for anything else."""
    return value if isinstance(value, Mapping) else {}
