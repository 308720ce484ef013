"""Keys in what a site sends back: a page that quotes the question, a redirect that carries it on.

A key stays out of messages in that no message shows a query or a header. But a site may put it
anywhere: into an error's text, the address of the next page, the path of a redirect.
"""

from collections.abc import Iterable
from copy import copy
from urllib.parse import quote, unquote

from wunderkammer.conduct.errors import FetchError

# What is shorter is a setting like format=json, or the name of a scheme like Bearer.
MIN_KEY_CHARS = 8
# A key that was quoted more often than this is one to nobody.
MAX_QUOTED = 4
HIDDEN = b"(hidden)"


class Keys:
    """What of some values of queries, headers and forms may be a key."""

    def __init__(self, values: Iterable[str]) -> None:
        words = (word for value in values for word in value.split())
        self._words = frozenset(word for word in words if len(word) >= MIN_KEY_CHARS)
        self._spelt = {s.encode() for word in self._words for s in (word, quote(word, safe=""))}

    def hide(self, content: bytes) -> bytes:
        """`content` without the keys."""
        for spelt in self._spelt:
            content = content.replace(spelt, HIDDEN)
        return content

    def are_in(self, text: str) -> bool:
        """Whether one is in a text, however often it was quoted as a part of a URL."""
        for _ in range(MAX_QUOTED):
            if any(word in text for word in self._words):
                return True
            text = unquote(text)
        return False

    def without(self, error: FetchError) -> FetchError:
        """The same error with nothing in it of what was asked."""
        told = copy(error)
        told.detail = "what the site sent back quotes a key, so it is not shown"
        told.args = (told.reason, told.detail)
        return told
