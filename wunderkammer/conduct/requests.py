"""What is asked of the network, and what it gives."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

MB = 1_000_000
# Replies of APIs are kept in memory.
MAX_ANSWER_BYTES = 32 * MB


@dataclass(frozen=True, kw_only=True)
class Request:
    """One small question; its answer is held in memory.

    Attributes:
        url: with its query; it and `headers` may hold secrets, which are never shown.
        body: a form, which is posted.
        per_s: the published rate of this host's API, kept by all processes of this user.
        at_once: how many of these requests may be open at a time.
    """

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    per_s: float | None = None
    at_once: int | None = None
    max_bytes: int = MAX_ANSWER_BYTES


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A successful answer.

    Attributes:
        url: where it came from after redirects, without its query.
        headers: names in lower case; a repeated one is joined by ", ".
    """

    url: str
    status: int
    headers: Mapping[str, str]
    content: bytes


@dataclass(frozen=True, kw_only=True)
class Download:
    """One file to fetch.

    Attributes:
        other_urls: tried in turn where the one before is gone (404, 410).
        num_bytes, md5, sha1: as published; bytes that differ are refused ("wrong_digest").
        etag, last_modified: of an earlier download; if they still hold, nothing is fetched.
        robots: whether the host's robots.txt is obeyed (pages; an API has its own terms).
        to_file: whether the content comes in a file however small it is.
    """

    url: str
    other_urls: tuple[str, ...] = ()
    max_bytes: int
    num_bytes: int | None = None
    md5: str | None = None
    sha1: str | None = None
    etag: str | None = None
    last_modified: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    robots: bool = False
    to_file: bool = False


@dataclass(frozen=True, kw_only=True)
class Downloaded:
    """A whole, verified file.

    Attributes:
        url: the one of the job's URLs that gave it.
        content: its bytes; beyond 1 MiB, or as the job says, a file in the scratch folder, which
            the caller moves or deletes. Empty if `not_modified`.
        etag, last_modified: for the next time.
    """

    url: str
    content: bytes | Path
    sha256: str
    num_bytes: int
    etag: str | None
    last_modified: str | None
    content_type: str | None
    not_modified: bool = False
