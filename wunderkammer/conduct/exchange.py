"""One request under all rules: its turn, its pace, the budget, and what its outcome tells."""

import asyncio
from collections.abc import Collection, Mapping

from yarl import URL

from wunderkammer.conduct.bodies import Body
from wunderkammer.conduct.budget import NetworkStats
from wunderkammer.conduct.client import Client
from wunderkammer.conduct.errors import BudgetSpentError, FetchError
from wunderkammer.conduct.pace import Pace, shared_file
from wunderkammer.conduct.params import ConductParams
from wunderkammer.conduct.replies import Head, failure, is_redirect
from wunderkammer.conduct.turns import Terms, Turns
from wunderkammer.conduct.urls import shown

THROTTLED = ("throttled", "http_429")
# Failures of a host although asking it again at once would not help.
BROKEN = ("tls_failed", "bad_response")
# What this machine is to blame for, or the URL.
OURS = ("closed", "disk_full", "private_address")


class Exchange:
    """Sends requests and receives answers; lives on the running event loop."""

    def __init__(self, params: ConductParams, *, contact: str, stats: NetworkStats) -> None:
        self._stats = stats
        self._turns = Turns(params, pace=Pace(shared_file()), stats=stats)
        self._client = Client(params, contact=contact, stats=stats)
        left = stats.seconds_left
        loop = asyncio.get_running_loop()
        self._deadline = None if left is None else loop.call_later(left, self._end)

    async def ask(
        self,
        url: URL,
        *,
        terms: Terms,
        body: Body,
        headers: Mapping[str, str],
        accepted: Collection[int],
        posted: bytes | None = None,
    ) -> Head:
        """The head of an answer with an accepted status, or of a redirect.

        Raises:
            FetchError: there is none; BudgetSpentError if nothing more may be asked.
        """
        host = f"{url.raw_host}:{url.port}"
        await self._turns.enter(host, terms)
        failed: bool | None = None
        try:
            head, refused = await self._client.ask(
                str(url), host=host, body=body, headers=headers, posted=posted
            )
            if head.status not in accepted and not is_redirect(head):
                raise failure(head, refused, where=shown(url))
            failed = False
        except FetchError as error:
            failed = self._judge(error, host)
            raise
        finally:
            self._turns.leave(host, terms, failed=failed)
        return head

    def close(self) -> None:
        """Break off what is under way and close all connections."""
        if self._deadline is not None:
            self._deadline.cancel()
        self._turns.end(FetchError("closed", "the network is closed", may_pass=True))
        self._client.close()

    def _judge(self, error: FetchError, host: str) -> bool | None:
        """Whether the host has failed, None if unknown; one that throttles is left alone."""
        if isinstance(error, BudgetSpentError) or error.reason in OURS:
            return None
        if error.may_pass and (error.retry_after_s is not None or error.reason in THROTTLED):
            self._turns.leave_alone(host, error.retry_after_s)
        return error.may_pass or error.reason in BROKEN

    def _end(self) -> None:
        problem = self._stats.overdrawn()
        if problem is not None:
            self._turns.end(problem)
