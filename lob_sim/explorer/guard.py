"""The door of the page: nothing behind it answers to anybody but the person who began it.

The page is on this machine alone, but so is every program of every user of the machine, and every page of a browser can
send a request here. So each request, whatever its route, and each websocket must come by one of the page's own names (a
name of somebody else's that was made to lead here is refused), from the page itself, and with its token.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, Protocol, TypeAlias
from urllib.parse import parse_qs

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_ENTER = b'<!doctype html><meta charset="utf-8"><title>lob_sim</title><meta http-equiv="refresh" content="0;url=/">'
_REFUSED = (
    b'<!doctype html><meta charset="utf-8"><title>lob_sim</title>'
    b"<p>Not for you: open the address that <code>lob-sim explore</code> has printed.</p>"
)


class App(Protocol):
    """An application as servers call it."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer to one connection."""


class Guard:
    """Hands on to an application only what may come in.

    Whoever opens the address with the token gets it as a cookie that no other site's page can send, and is led to the
    address without it, which may be read over a shoulder.

    Args:
        app: What is guarded.
        token: The secret, of URL-safe characters.
        port: Where the page is served.
    """

    def __init__(self, app: App, token: str, port: int) -> None:
        self.app = app
        self._token = token.encode()
        # Cookies do not tell ports apart: two explorers on one machine need two names.
        self._cookie = f"lob_sim_explore_{port}"
        self._hosts = [f"{name}:{port}".encode() for name in ("127.0.0.1", "localhost")]
        self._headers = _headers(self._hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, hand on, or refuse."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            if self._is_from_here(scope, must_say=True) and self._has_cookie(scope):
                await self.app(scope, receive, send)
            else:
                # Before it is accepted: the handshake is answered with 403.
                await send({"type": "websocket.close", "code": 1008})
        else:
            await self._answer(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        reads = scope["method"] in ("GET", "HEAD")
        if not self._is_from_here(scope, must_say=not reads):
            await self._say(send, 403, _REFUSED)
            return
        if reads and scope["path"] == "/" and b"token=" in scope["query_string"]:
            given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [])
            if len(given) == 1 and self._is_token(given[0]):
                cookie = f"{self._cookie}={self._token.decode()}; Path=/; HttpOnly; SameSite=Strict"
                # A redirect would count as begun where the link was, and would be without the cookie.
                await self._say(send, 200, _ENTER, [(b"set-cookie", cookie.encode())])
                return
        if not self._has_cookie(scope):
            await self._say(send, 403, _REFUSED)
            return

        async def send_guarded(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                own = {name for name, _ in message.get("headers", ())}
                added = [(name, value) for name, value in self._headers if name not in own]
                message = {**message, "headers": [*message.get("headers", ()), *added]}
            await send(message)

        has_left = False

        async def receive_noting() -> MutableMapping[str, Any]:
            nonlocal has_left
            message = await receive()
            has_left = has_left or message["type"] == "http.disconnect"
            return message

        try:
            await self.app(scope, receive_noting, send_guarded)
        except RuntimeError:
            # Nothing is wrong with an answer that nobody waited for: a tab that was closed, or the explorer's end.
            if not has_left:
                raise

    async def _say(self, send: Send, status: int, text: bytes, headers: Iterable[tuple[bytes, bytes]] = ()) -> None:
        about = [(b"content-type", b"text/html; charset=utf-8"), (b"content-length", str(len(text)).encode())]
        own = [*about, (b"cache-control", b"no-store"), *headers]
        await send({"type": "http.response.start", "status": status, "headers": [*own, *self._headers]})
        await send({"type": "http.response.body", "body": text})

    def _is_from_here(self, scope: Scope, must_say: bool) -> bool:
        """Whether it was sent to a name of this page, and by this page as far as the browser says who sends.

        Args:
            scope: The request.
            must_say: Whether the browser says so of every such request, so that one that does not is refused.
        """
        hosts = _values(scope, b"host")
        origins = _values(scope, b"origin")
        if len(hosts) != 1 or hosts[0] not in self._hosts or len(origins) > 1:
            return False
        return origins == [b"http://" + hosts[0]] if origins else not must_say

    def _has_cookie(self, scope: Scope) -> bool:
        pairs = [pair for line in _values(scope, b"cookie") for pair in line.decode("latin-1").split(";")]
        given = [value for name, _, value in (pair.strip().partition("=") for pair in pairs) if name == self._cookie]
        return len(given) == 1 and self._is_token(given[0])

    def _is_token(self, given: str) -> bool:
        # In constant time: how long it takes tells nothing of how much was right.
        return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), self._token)


def _values(scope: Scope, name: bytes) -> list[bytes]:
    return [value for key, value in scope["headers"] if key.lower() == name]


def _headers(hosts: Iterable[bytes]) -> list[tuple[bytes, bytes]]:
    """What every answer says: nothing is loaded from elsewhere, and no page elsewhere shows this one."""
    sockets = " ".join(f"ws://{host.decode()}" for host in hosts)
    policy = (
        "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; "
        f"img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self' data: blob: {sockets}; "
        "object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return [
        (b"content-security-policy", policy.encode()),
        (b"referrer-policy", b"no-referrer"),
        (b"x-content-type-options", b"nosniff"),
        (b"x-frame-options", b"DENY"),
        (b"cross-origin-resource-policy", b"same-origin"),
    ]
