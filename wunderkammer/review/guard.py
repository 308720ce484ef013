"""Who may talk to the review page: this machine's own browser, with the token of this start."""

import hmac

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
TOKEN_HEADER = "X-Review-Token"  # noqa: S105 - the name of a header, no secret

# Nothing from elsewhere, nothing inline, no frame around it; scripts put no strings into the page.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class Guard:
    """Refuses a request before the application sees it, and hardens every reply.

    A page of elsewhere that has rebound its own name to 127.0.0.1 still sends that name as Host.
    The token is the first part of every path, so that pictures need it too; a POST needs it in a
    header besides, which no form and no page of another origin can send.
    """

    def __init__(self, app: ASGIApp, *, token: str) -> None:
        self.app = app
        self.token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it with the reason why not."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        refusal = self._refusal(scope["method"], scope["path"], Headers(scope=scope))
        app = refusal or self.app
        await app(scope, receive, _hardened(send))

    def _refusal(self, method: str, path: str, headers: Headers) -> Response | None:
        host = headers.get("host", "")
        if len(headers.getlist("host")) != 1 or not is_loopback(host):
            return PlainTextResponse("this page is served to 127.0.0.1 only\n", 421)
        if not self._matches(path.split("/")[1] if path.startswith("/") else ""):
            return PlainTextResponse(
                "open the address that `wunderkammer review` has printed\n", 403
            )
        if method in ("GET", "HEAD"):
            return None
        origin = headers.get("origin")
        if origin is not None and origin != f"http://{host}":
            return PlainTextResponse("a page of elsewhere may not post here\n", 403)
        if not self._matches(headers.get(TOKEN_HEADER, "")):
            return PlainTextResponse(f"the header {TOKEN_HEADER} is missing or wrong\n", 403)
        return None

    def _matches(self, token: str) -> bool:
        return hmac.compare_digest(token.encode(), self.token.encode())


def is_loopback(host: str) -> bool:
    """Whether a Host header names this machine, at any port (a tunnel has one of its own)."""
    name, _, port = host.rpartition(":")
    if not name or port.endswith("]"):
        name, port = host, ""
    return name.lower() in LOOPBACK and (port == "" or port.isdecimal())


def _hardened(send: Send) -> Send:
    async def send_hardened(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers[name] = value
            headers.setdefault("Cache-Control", "no-store")
        await send(message)

    return send_hardened
