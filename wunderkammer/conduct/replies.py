"""What an answer's status and headers mean.

Sources of the rules: RFC 9110 (status codes, Retry-After, Content-Range, validators), and the
habit of sites to opt out of machine learning with `X-Robots-Tag: noai` or `noimageai`.
"""

import random
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from wunderkammer.conduct.errors import FetchError

MAX_RETRY_AFTER_S = 24 * 3600.0
# A host that asks to be left alone for longer is given up for the run.
MAX_PATIENCE_S = 120.0
FIRST_BACKOFF_S = 0.5
MAX_BACKOFF_S = 30.0
BODY = frozenset({200, 201, 203, 206})
REDIRECTS = frozenset({301, 302, 303, 307, 308})
THROTTLES = frozenset({403, 429, 503})
HTML_TYPES = ("text/html", "application/xhtml+xml")
HTML = re.compile(rb"\s*(<!--.*?-->\s*)*<(!doctype\s+html|html|head|body)\b", re.I | re.S)
SNIFFED_BYTES = 1024
OPT_OUT = re.compile(r"\bno(image)?ai\b", re.I)
CONTENT_RANGE = re.compile(r"bytes\s+(?:(\d+)-(\d+)|\*)/(\d+|\*)", re.ASCII)
# Numbers of more digits are taken for the least of these: no file has so many bytes.
MAX_DIGITS = 18
# A date is a strong validator only if it was no longer the present (RFC 9110, 8.8.2.2).
STRONG_AFTER = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Head:
    """Status and headers of an answer; names in lower case, repeated ones joined by ", "."""

    status: int
    headers: Mapping[str, str]

    @property
    def content_type(self) -> str | None:
        """The media type without its parameters."""
        value = self.headers.get("content-type")
        return None if value is None else value.partition(";")[0].strip().lower()

    @property
    def content_length(self) -> int | None:
        """The announced number of bytes, if it is a number."""
        value = self.headers.get("content-length", "")
        return _number(value) if value.isascii() and value.isdigit() else None


def read_head(lines: Iterable[bytes]) -> Head:
    """The head from its raw lines; that of an interim answer (1xx) before it is dropped.

    One that does not come to its end, an empty line, has status 0.
    """
    status, is_whole, headers = 0, False, dict[str, str]()
    for line in lines:
        if line.startswith(b"HTTP/"):
            status, is_whole, headers = _status(line), False, {}
            continue
        name, colon, value = line.decode("latin-1").partition(":")
        if colon:
            key, value = name.lower(), value.strip()
            headers[key] = f"{headers[key]}, {value}" if key in headers else value
        elif not name.strip():
            is_whole = True
    return Head(status if is_whole else 0, headers)


def _status(line: bytes) -> int:
    code = line.split()[1:2]
    return int(code[0]) if code and len(code[0]) == 3 and code[0].isdigit() else 0


def is_redirect(head: Head) -> bool:
    """Whether the answer names another place to ask."""
    return head.status in REDIRECTS and "location" in head.headers


def backoff_s(num_failures: int) -> float:
    """How long to wait after so many failures: doubling, with jitter between half and all."""
    longest = min(FIRST_BACKOFF_S * 2 ** min(num_failures - 1, 16), MAX_BACKOFF_S)
    return random.uniform(longest / 2, longest)


def wait_s(asked_s: float | None, *, num_failures: int) -> float:
    """How long to wait where a server may have asked for some seconds: these and the back-off.

    So nobody comes early, not all come at once, and a server that always asks for none is spared.
    """
    return (asked_s or 0.0) + backoff_s(num_failures)


def retry_after_s(value: str | None, *, at: datetime) -> float | None:
    """The seconds that a Retry-After header asks for from `at` on, capped; None if unreadable."""
    if value is None:
        return None
    if value.strip().isascii() and value.strip().isdigit():
        return min(float(value), MAX_RETRY_AFTER_S)
    date = _date(value)
    if date is None:
        return None
    return min(max((date - at).total_seconds(), 0.0), MAX_RETRY_AFTER_S)


def failure(head: Head, body: bytes, *, where: str) -> FetchError:
    """What a status without content means; `body` is its beginning.

    A 403 with a web page comes from a wall that asks for patience, not from the API or the file.
    """
    status = head.status
    throttled = status == 403 and (head.content_type in HTML_TYPES or bool(HTML.match(body)))
    return FetchError(
        "throttled" if throttled else f"http_{status}",
        f"{status} from {where}",
        may_pass=throttled or status in (408, 429) or status >= 500,
        retry_after_s=retry_after_s(head.headers.get("retry-after"), at=datetime.now(UTC)),
        status=status,
    )


def strong_validator(head: Head) -> str | None:
    """What tells later whether the bytes are still the same: a value for If-Range."""
    etag = head.headers.get("etag", "")
    if etag.startswith('"') and may_be_sent_back(etag):
        return etag
    modified = head.headers.get("last-modified", "")
    changed, sent = _date(modified), _date(head.headers.get("date"))
    if changed is None or sent is None or sent - changed < STRONG_AFTER:
        return None
    return modified if may_be_sent_back(modified) else None


def is_other_version(head: Head, validator: str) -> bool:
    """Whether an answer to `If-Range: validator` is not of that version, or leaves it open.

    A part has to come with the ETag of the whole; its date may be left out (RFC 9110, 15.3.7).
    """
    is_tag = validator.startswith('"')
    unnamed = None if is_tag and head.status == 206 else validator
    return head.headers.get("etag" if is_tag else "last-modified", unnamed) != validator


def may_be_sent_back(value: str) -> bool:
    """Whether what a server has sent can go into a header, with no other one hidden in it."""
    return value != "" and value.isascii() and value.isprintable()


def content_range(head: Head) -> tuple[int | None, int | None, int | None]:
    """First byte, last byte and size of the whole, as far as Content-Range tells them."""
    found = CONTENT_RANGE.fullmatch(head.headers.get("content-range", "").strip())
    if found is None:
        return None, None, None
    first, last, size = (_number(n) if n and n != "*" else None for n in found.groups())
    return first, last, size


def _number(digits: str) -> int:
    return int(digits) if len(digits) <= MAX_DIGITS else 10**MAX_DIGITS


def _date(value: str | None) -> datetime | None:
    if value is None:
        return None
    try:
        date = parsedate_to_datetime(value)
    except (ValueError, OverflowError, IndexError):  # the last one: a year of a comma alone
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)
