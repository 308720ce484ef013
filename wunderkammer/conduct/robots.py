"""What a host's robots.txt allows (RFC 9309)."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from protego import Protego
from yarl import URL

from wunderkammer.conduct.errors import BudgetSpentError, FetchError
from wunderkammer.conduct.urls import shown

AGENT = "Wunderkammer"
# RFC 9309, 2.5: at least this much has to be read.
MAX_ROBOTS_BYTES = 500 * 1024
MAX_CRAWL_DELAY_S = 60.0
# RFC 9309, 2.4: rules are read again after a day; sooner where they could not be read.
MAX_AGE_S = 24 * 3600.0
MAX_UNREACHABLE_S = 600.0


class _Reading(NamedTuple):
    """The rules of a host as they were, or will be, read; `began_at` by the loop's clock."""

    rules: asyncio.Task[Protego]
    began_at: float

    def is_outdated(self, now: float) -> bool:
        """Whether the host has to be asked again."""
        if not self.rules.done():
            return False
        has_failed = self.rules.cancelled() or self.rules.exception() is not None
        return now - self.began_at >= (MAX_UNREACHABLE_S if has_failed else MAX_AGE_S)


class Robots:
    """Reads each host's robots.txt once a day.

    `fetch` gives its beginning, and raises a FetchError with the status if there is none.
    """

    def __init__(self, fetch: Callable[[URL], Awaitable[bytes]]) -> None:
        self._fetch = fetch
        self._readings: dict[URL, _Reading] = {}

    async def delay_s(self, url: URL) -> float:
        """The seconds that the host wants between two requests.

        Raises:
            FetchError: "robots" if the URL may not be fetched; "robots_unreachable" (may pass) if
                the rules can't be read, which forbids everything until they can;
                "private_address" if they, and so the URL, lie where nothing may be asked.
        """
        rules = await self._read(url.origin())
        if not rules.can_fetch(str(url), AGENT):
            raise FetchError("robots", f"robots.txt of {url.host} forbids {shown(url)}")
        return min(float(rules.crawl_delay(AGENT) or 0.0), MAX_CRAWL_DELAY_S)

    async def _read(self, origin: URL) -> Protego:
        now = asyncio.get_running_loop().time()
        reading = self._readings.get(origin)
        if reading is None or reading.is_outdated(now):
            reading = self._readings[origin] = _Reading(
                asyncio.create_task(self._ask(origin)), began_at=now
            )
            # If all who wait have gone, nobody is left to learn that it has failed.
            reading.rules.add_done_callback(lambda done: done.cancelled() or done.exception())
        task = reading.rules
        if task.done():
            return task.result()
        # One download that is given up must not take the rules from the others.
        return await asyncio.shield(task)

    async def _ask(self, origin: URL) -> Protego:
        try:
            text = await self._fetch(origin / "robots.txt")
        except BudgetSpentError:
            raise
        except FetchError as error:
            if error.reason == "private_address":
                raise
            status = error.status or 0
            if not 400 <= status < 500 or status == 429:
                detail = f"robots.txt of {origin.host}: {error.reason}"
                raise FetchError("robots_unreachable", detail, may_pass=True) from error
            text = b""
        return Protego.parse(text.decode("utf-8", "replace"))
