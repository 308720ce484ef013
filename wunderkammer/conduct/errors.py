"""What goes wrong on the network, as a typed outcome of one request."""


class FetchError(Exception):
    """A URL that gave nothing usable.

    Attributes:
        reason: a short code, such as "http_404", "timed_out", "private_address".
        detail: for a person; holds no user info, no query and no header, which may be secrets.
        may_pass: whether asking again makes sense.
        retry_after_s: what the server asked for; None with `may_pass` means the usual back-off.
        status: the HTTP status, None if there was no answer.
    """

    def __init__(
        self,
        reason: str,
        detail: str = "",
        *,
        may_pass: bool = False,
        retry_after_s: float | None = None,
        status: int | None = None,
    ) -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail
        self.may_pass = may_pass
        self.retry_after_s = retry_after_s
        self.status = status


class BudgetSpentError(FetchError):
    """The run's budget of requests, bytes or minutes is spent: nothing more is asked."""
