"""The HTTP side of the review page."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import anyio
from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route

from wunderkammer.images.decode import DecodeError
from wunderkammer.review.crop_table import NothingToReviewError
from wunderkammer.review.decision import Decision
from wunderkammer.review.deck import Deck
from wunderkammer.review.guard import Guard
from wunderkammer.review.pictures import Pictures
from wunderkammer.review.session import RefusedError, Session, Wishes
from wunderkammer.storage.store import MissingObjectError
from wunderkammer.workers import num_cpus

PAGE = Path(__file__).parent / "page"
MEDIA_TYPES = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
MAX_BODY_BYTES = 256 * 1024
# A row of a version never changes its picture.
FOREVER = {"Cache-Control": "private, max-age=31536000, immutable"}

Result = TypeVar("Result")


@dataclass(frozen=True)
class ReviewApp:
    """The endpoints below the token, for one session."""

    session: Session
    pictures: Pictures
    decoders: anyio.CapacityLimiter = field(
        default_factory=lambda: anyio.CapacityLimiter(num_cpus())
    )

    def routes(self) -> list[Route]:
        """All that there is; a path is never made of what a request says."""
        files = sorted(file for file in PAGE.iterdir() if file.suffix in MEDIA_TYPES)
        return [
            Route("/", _file(PAGE / "index.html")),
            *(Route(f"/{file.name}", _file(file)) for file in files),
            Route("/api/opening", self.opening),
            Route("/api/changes", self.changes),
            Route("/api/details", self.details),
            Route("/api/decide", self.decide, methods=["POST"]),
            Route("/thumb/{version}/{row:int}", self.thumb),
            Route("/picture/{version}/{row:int}", self.picture),
        ]

    async def opening(self, _request: Request) -> Response:
        """The crops in force."""
        return JSONResponse(await run_in_threadpool(self.session.opening))

    async def changes(self, request: Request) -> Response:
        """What was decided since."""
        version, since = request.query_params.get("version", ""), _number(request, "since")
        return JSONResponse(await run_in_threadpool(self.session.changes, version, since))

    async def details(self, request: Request) -> Response:
        """Provenance and history of one crop."""
        version, row = request.query_params.get("version", ""), _number(request, "row")

        def look() -> dict[str, object]:
            deck = _deck(self.session, version, row)
            history = [_told(decision) for decision in self.session.history(version, row)]
            return {**deck.details(row), "history": history}

        return JSONResponse(await run_in_threadpool(look))

    async def decide(self, request: Request) -> Response:
        """Take decisions."""
        if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
            return PlainTextResponse("decisions are sent as application/json\n", 415)
        body = await _body(request)
        if body is None:
            limit = f"at most {MAX_BODY_BYTES} bytes may be sent at once\n"
            return PlainTextResponse(limit, 413, {"Connection": "close"})
        wishes = Wishes.model_validate_json(body)
        return JSONResponse(await run_in_threadpool(self.session.decide, wishes))

    async def thumb(self, request: Request) -> Response:
        """A small JPEG of a crop."""
        return await self._jpeg(request, "crop_sha256", self.pictures.thumb)

    async def picture(self, request: Request) -> Response:
        """A JPEG of the whole picture that a crop comes from."""
        return await self._jpeg(request, "sha256", self.pictures.screen)

    async def _jpeg(self, request: Request, column: str, make: Callable[[str], bytes]) -> Response:
        version, row = request.path_params["version"], request.path_params["row"]

        def shrink() -> bytes:
            return make(_deck(self.session, version, row).crops.column(column)[row])

        content = await anyio.to_thread.run_sync(shrink, limiter=self.decoders)
        return Response(content, media_type="image/jpeg", headers=FOREVER)


def review_app(session: Session, pictures: Pictures, *, token: str) -> Starlette:
    """The whole application: only requests with `token` reach it."""
    return Starlette(
        routes=[Mount(f"/{token}", routes=ReviewApp(session, pictures).routes())],
        middleware=[
            Middleware(Guard, token=token),
            Middleware(GZipMiddleware, minimum_size=4096, compresslevel=1),
        ],
        exception_handlers={
            NothingToReviewError: _says(404),
            MissingObjectError: _says(404),
            DecodeError: _says(422),
            RefusedError: _says(409),
            ValidationError: _invalid,
            OSError: _says(503),
        },
    )


def _file(file: Path) -> Callable[[Request], Response]:
    def endpoint(_request: Request) -> Response:
        return Response(file.read_bytes(), media_type=MEDIA_TYPES[file.suffix])

    return endpoint


def _deck(session: Session, version: str, row: int) -> Deck:
    deck = session.deck(version)
    if not 0 <= row < len(deck.crops):
        raise RefusedError(f"row {row}: there are {len(deck.crops)} crops")
    return deck


def _number(request: Request, name: str) -> int:
    value = request.query_params.get(name, "")
    if not value.isdecimal() or len(value) > 12:
        raise RefusedError(f"{name}={value[:32]!r}: a whole number is needed")
    return int(value)


async def _body(request: Request) -> bytes | None:
    """The body, or None as soon as it is found to be too long."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            return None
    return bytes(body)


def _told(decision: Decision) -> dict[str, str | None]:
    return {
        "decision": decision.decision,
        "reason": decision.reason,
        "reviewer": decision.reviewer,
        "time": decision.time,
        "proposed_by": decision.proposal.proposed_by,
    }


def _says(status: int) -> Callable[[Request, Exception], Response]:
    def handler(_request: Request, error: Exception) -> Response:
        return PlainTextResponse(f"{error}\n", status)

    return handler


def _invalid(_request: Request, error: Exception) -> Response:
    assert isinstance(error, ValidationError)
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    is_json = faults[0]["type"] != "json_invalid"
    told = [f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in faults[:8]]
    return PlainTextResponse("\n".join(told) + "\n", 422 if is_json else 400)
