"""URLs that may be asked for, and how they are shown."""

from collections.abc import Collection
from functools import lru_cache

from yarl import URL

from wunderkammer.conduct.addresses import is_allowed
from wunderkammer.conduct.errors import FetchError

# What yarl raises for a text that it can't parse; the second for some user info before a bracket.
NO_URL = (ValueError, IndexError)


def parse_url(text: str, *, loopback_ports: Collection[int]) -> URL:
    """The URL, if it may be fetched as far as its text tells.

    Raises:
        FetchError: "bad_url" (no http(s) URL), "user_info_in_url" or "private_address".
    """
    try:
        url = URL(text)
        port = url.port
    except NO_URL as error:
        raise FetchError("bad_url", "it can't be parsed") from error
    if url.scheme not in ("http", "https") or not url.raw_host or port is None:
        raise FetchError("bad_url", f"scheme {url.scheme!r}; allowed: http and https with a host")
    if url.raw_user is not None or url.raw_password is not None:
        raise FetchError("user_info_in_url", "a user name or password in a URL is not sent")
    # What looks like a number goes straight to a socket, past every resolver.
    if (":" in url.raw_host or url.raw_host.replace(".", "").isdigit()) and not _may_connect(
        url.raw_host, port, frozenset(loopback_ports)
    ):
        raise FetchError("private_address", f"{url.raw_host} is no public address")
    return url.with_fragment(None)


def shown(url: URL) -> str:
    """The URL without what may be a secret."""
    return str(url.with_user(None).with_query(None).with_fragment(None))


@lru_cache(maxsize=1024)
def _may_connect(address: str, port: int, loopback_ports: frozenset[int]) -> bool:
    try:
        return is_allowed(address, port, loopback_ports=loopback_ports)
    except ValueError as error:
        raise FetchError("bad_url", f"{address} is no usual IP address") from error
