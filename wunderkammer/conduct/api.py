"""A JSON API, asked at its published rate; its keys are in every request and in no message."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlencode

from wunderkammer.conduct.errors import FetchError
from wunderkammer.conduct.hiding import Keys
from wunderkammer.conduct.requests import Answer, Request

if TYPE_CHECKING:
    from wunderkammer.conduct.network import Network

T = TypeVar("T")
Query = Mapping[str, str | int | float]


class Api:
    """One API of a host.

    `query` and `headers` go with every request; they may hold keys, which are never shown, not
    even where a reply quotes them.
    """

    def __init__(
        self,
        network: "Network",
        base_url: str,
        *,
        per_s: float,
        at_once: int = 1,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self._network = network
        self._base_url = base_url.rstrip("/")
        self._per_s = per_s
        self._at_once = at_once
        self._query = dict(query or {})
        self._headers = {"Accept": "application/json", **(headers or {})}
        self._secrets = (*self._query.values(), *(headers or {}).values())

    async def get(
        self,
        path: str,
        query: Query | None = None,
        *,
        check: Callable[[Any], None] | None = None,
    ) -> Any:
        """The parsed JSON of one answer.

        `check` may raise a FetchError for an error inside a 200; with `may_pass` it is asked again.

        Raises:
            FetchError: there is none after all tries; "bad_json" if it is none.
        """
        request = self._request(path, query)
        return await self._ask(request, read=lambda answer: _json(answer, check))

    async def post(
        self,
        path: str,
        form: Mapping[str, str],
        *,
        headers: Mapping[str, str] | None = None,
        check: Callable[[Any], None] | None = None,
    ) -> Any:
        """The parsed JSON of the answer to a form.

        Raises:
            FetchError: as of `get`.
        """
        request = self._request(path, None, headers=headers, body=urlencode(form).encode())
        secrets = (*form.values(), *(headers or {}).values())
        return await self._ask(request, *secrets, read=lambda answer: _json(answer, check))

    async def read(self, path: str, query: Query | None = None) -> bytes:
        """The bytes of one answer that is no JSON.

        Raises:
            FetchError: there is none after all tries.
        """
        return await self._ask(self._request(path, query), read=lambda answer: answer.content)

    async def _ask(self, request: Request, *secrets: str, read: Callable[[Answer], T]) -> T:
        keys = Keys((*self._secrets, *secrets))

        def read_hidden(answer: Answer) -> T:
            return read(replace(answer, content=keys.hide(answer.content)))

        try:
            return await self._network.ask_for(request, read=read_hidden)
        except FetchError as error:
            if not keys.are_in(error.detail):
                raise
            hidden = keys.without(error)
        raise hidden

    def _request(
        self,
        path: str,
        query: Query | None,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Request:
        asked = urlencode({**self._query, **(query or {})})
        return Request(
            url=f"{self._base_url}/{path.lstrip('/')}" + (f"?{asked}" if asked else ""),
            headers={**self._headers, **(headers or {})},
            body=body,
            per_s=self._per_s,
            at_once=self._at_once,
        )


def _json(answer: Answer, check: Callable[[Any], None] | None) -> Any:
    try:
        parsed = json.loads(answer.content)
    except (ValueError, RecursionError):
        raise FetchError("bad_json", f"from {answer.url}", may_pass=True) from None
    if check is not None:
        check(parsed)
    return parsed
