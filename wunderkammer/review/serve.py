"""The review page on this machine's loopback address."""

import secrets
import socket
from collections.abc import Callable
from contextlib import suppress

import uvicorn

from wunderkammer.review.app import review_app
from wunderkammer.review.pictures import Pictures
from wunderkammer.review.session import Session
from wunderkammer.storage.blobs import Blobs
from wunderkammer.storage.store import Store

HOST = "127.0.0.1"
STOP_TIMEOUT_S = 3


class PortError(ValueError):
    """The page can't be served at this port."""


def serve_review(session: Session, store: Store, *, port: int, say: Callable[[str], None]) -> None:
    """Serve the page until Ctrl-C; `say` gets its address. `port` 0 is any that is free.

    Raises:
        NothingToReviewError: there are no crops.
        PortError: the port is taken.
    """
    deck = session.deck()
    token = secrets.token_urlsafe(24)
    app = review_app(session, Pictures(Blobs(store)), token=token)
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        ws="none",
        lifespan="off",
        timeout_graceful_shutdown=STOP_TIMEOUT_S,
    )
    with socket.socket() as listener:
        _listen(listener, port)
        num_decided = sum(decision is not None for decision in deck.decisions)
        say(f"{session.subject}: {len(deck.crops)} crops, {num_decided} of them decided")
        say(f"Review them at http://{HOST}:{listener.getsockname()[1]}/{token}/")
        if session.params.gate == "none":
            say("review.gate is none: nothing waits for a decision; what you reject stays out.")
        say("Ctrl-C ends it; every decision that the page shows is kept already.")
        # uvicorn hands the signal on when it has stopped.
        with suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[listener])


def _listen(listener: socket.socket, port: int) -> None:
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        listener.listen()
    except OSError as error:
        raise PortError(
            f"port {port} can't be used: {error.strerror}; choose another with --port, or leave it "
            f"out"
        ) from error
