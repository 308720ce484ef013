"""What nobody has foreseen of a site: it costs one picture or one listing, and is told of."""

import logging
from traceback import format_tb

from wunderkammer.conduct.errors import FetchError

log = logging.getLogger(__name__)


class SurpriseError(FetchError):
    """An error of any kind as the fault of one picture or listing; logged with its traceback."""

    def __init__(self, error: Exception, *, of: str) -> None:
        # What it says itself may quote what was asked, and with it a key.
        name = type(error).__name__
        where = "".join(format_tb(error.__traceback__))
        log.error("%s gave what nobody had foreseen:\n%s%s", of, where, name)
        super().__init__("unforeseen", f"{name}; the log tells where, please report it")
