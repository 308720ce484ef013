"""What a run has asked for, and how much more it may."""

from collections import Counter
from dataclasses import dataclass, field
from time import monotonic

from wunderkammer.conduct.errors import BudgetSpentError
from wunderkammer.conduct.params import ConductParams

GB = 1_000_000_000


@dataclass
class NetworkStats:
    """Requests and bytes of a run, each by host (`name:port`)."""

    params: ConductParams
    began_at: float = field(default_factory=monotonic)
    num_requests: int = 0
    num_bytes: int = 0
    requests_by_host: Counter[str] = field(default_factory=Counter)
    bytes_by_host: Counter[str] = field(default_factory=Counter)

    @property
    def seconds_left(self) -> float | None:
        """Until `max_minutes` are over; None if there is no such limit."""
        minutes = self.params.max_minutes
        return None if minutes is None else self.began_at + 60 * minutes - monotonic()

    def spent(self) -> BudgetSpentError | None:
        """Why nothing more may be asked, None while it may."""
        most = self.params.max_requests
        if most is not None and self.num_requests >= most:
            return _error(f"max_requests={most}")
        return self.overdrawn()

    def overdrawn(self) -> BudgetSpentError | None:
        """Why even what is under way has to end, None while it may go on."""
        most, left = self.params.max_gb, self.seconds_left
        if most is not None and self.num_bytes >= most * GB:
            return _error(f"max_gb={most}")
        if left is not None and left <= 0:
            return _error(f"max_minutes={self.params.max_minutes}")
        return None


def _error(limit: str) -> BudgetSpentError:
    detail = f"scrape.conduct.{limit} is reached; the next run goes on, or raise it"
    return BudgetSpentError("budget_spent", detail)
