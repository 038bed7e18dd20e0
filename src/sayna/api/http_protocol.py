"""The HTTP side of a connection: httptools for what it knows, h11 for the rest.

httptools refuses a request whose method it has never heard of, or whose target is no path, before
the application sees it. Such a request deserves the same 405 or 404 as any other, so a connection
on which one comes is handed to uvicorn's slower and more open-minded h11 protocol.

An offer to speak something else than HTTP/1 is ignored, as HTTP wants it, unless it is for a
socket: Java's client offers HTTP/2 in every request, and httptools reads no body behind an offer.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, cast

import h11
import httptools
import msgspec
from starlette.routing import WebSocketRoute
from typing_extensions import override
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.http.h11_impl import RequestResponseCycle as H11Cycle
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)
from uvicorn.server import ServerState

from sayna.auth.access import SOCKET_PATH

FAST_OPENINGS = (b"GET /", b"POST /", b"DELETE /", b"HEAD /", b"PUT /", b"PATCH /")
LINE_BREAKS = b"\r\n"
NOT_HTTP = "Invalid HTTP request received."
MAX_SILENT_BYTES = 128 * 1024
"""Bytes that may come without anything in them for the application: a head, chunk sizes."""

HEAD_LIMIT_S = 20.0
"""Seconds from connecting, or from its first byte, that a request's head has to arrive."""

UNREAD_S = 2.0
"""Seconds that a request which is still coming in has left when the server stops."""

Header = tuple[bytes, bytes]
"""Name in lower case, value."""


def is_fast(opening: bytes) -> bool | None:
    """Tell whether a request that opens like this is one for httptools; None: too early to say."""
    if opening.startswith(FAST_OPENINGS):
        return True
    if any(fast.startswith(opening) for fast in FAST_OPENINGS):
        return None
    return False


def takes_socket(app: object, path: bytes) -> bool:
    """Tell whether a path (still percent-encoded) is `/ws`, or a socket of the application."""
    if path == SOCKET_PATH:
        return True
    routes = cast("Iterable[object]", getattr(app, "routes", ()))
    sockets = (route for route in routes if isinstance(route, WebSocketRoute))
    return any(route.path_regex.match(path.decode("latin-1")) for route in sockets)


def render_refusal(
    text: str, default_headers: Iterable[tuple[bytes, bytes]], status: int = 400
) -> bytes:
    """Return the whole answer to bytes that are not HTTP, in JSON like every other error."""
    body = msgspec.json.encode({"error": text})
    head = [
        STATUS_LINE[status],
        *(b"%b: %b\r\n" % header for header in default_headers),
        b"content-type: application/json\r\n",
        b"content-length: %d\r\nconnection: close\r\n\r\n" % len(body),
    ]
    return b"".join(head) + body


def silence(cycle: RequestResponseCycle | H11Cycle | None) -> None:
    """Keep a request that is being answered from writing any more."""
    if cycle is not None and not cycle.response_complete:
        cycle.disconnected = True
        cycle.message_event.set()


class HeadLimit:
    """Hangs up on whoever does not come to the end of a request's head.

    Args:
        expire: called once when `HEAD_LIMIT_S` have passed between `start` and `stop`.
    """

    def __init__(self, expire: Callable[[], None]) -> None:
        self._expire = expire
        self._alarm: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """The head is due from now on, unless it is already."""
        if self._alarm is None:
            self._alarm = asyncio.get_running_loop().call_later(HEAD_LIMIT_S, self._expire)

    def stop(self) -> None:
        """The head is here, or nobody waits for it any more."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None


class PatientProtocol(H11Protocol):
    """uvicorn's h11 protocol, with our words for bytes that are not HTTP; upgrades nothing."""

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn's own
        super().connection_made(transport)
        self._head_limit = HeadLimit(self.transport.close)
        self._head_limit.start()

    @override
    def data_received(self, data: bytes) -> None:
        """Read on; a head that has begun has to end."""
        super().data_received(data)
        if self.conn.their_state is h11.IDLE and not self.transport.is_closing():
            self._head_limit.start()
        else:
            self._head_limit.stop()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the limit."""
        self._head_limit.stop()
        self._unset_keepalive_if_required()  # uvicorn leaves it ticking after a reset
        super().connection_lost(exc)

    @override
    def _should_upgrade(self) -> bool:
        return False  # whatever could become a socket is for httptools

    @override
    def send_400_response(self, msg: str) -> None:
        """Refuse and hang up; whoever was reading the body is told that the client is gone."""
        silence(cast("H11Cycle | None", self.cycle))
        self.transport.write(render_refusal(msg, self.server_state.default_headers))
        self.transport.close()


class HttpProtocol(HttpToolsProtocol):
    """uvicorn's httptools protocol that lets go of requests it would refuse unheard."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._opening = b""
        self._parsing = False
        """Whether the parser is in the middle of a request."""
        self._silent_bytes = 0
        """Bytes that came since the parser last had something for the application."""
        self._last_call: asyncio.TimerHandle | None = None
        self._head_limit = HeadLimit(self._end_headless)
        self._declined: Header | None = None
        """The header with the offer that the request being read had made."""

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn's own
        super().connection_made(transport)
        self._head_limit.start()

    @override
    def data_received(self, data: bytes) -> None:
        """Look at the opening of each request that starts on an idle connection."""
        if not self._is_idle():
            self._parse(data)
            return
        self._head_limit.start()
        data = (self._opening + data).lstrip(LINE_BREAKS)  # RFC 9112 2.2: skip empty lines
        match is_fast(data):
            case None:
                self._opening = data
            case True:
                self._opening = b""
                self._parse(data)
            case False:
                self._hand_over(data)

    def _parse(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        self._silent_bytes += len(data)
        while True:
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as offer:
                if self._should_upgrade():
                    self.handle_websocket_upgrade()
                    return
                if self.scope["method"] == "CONNECT":  # only behind another request: see is_fast
                    self.send_400_response(NOT_HTTP)
                    return
                data = self._decline() + data[offer.args[0] :]
            except httptools.HttpParserError:
                self.send_400_response(NOT_HTTP)
                return
            else:
                self._bound_silence()
                return

    def _bound_silence(self) -> None:
        """Hang up on a head, or a trailer, that does not end: nothing else bounds it."""
        if self._silent_bytes > MAX_SILENT_BYTES and not self.transport.is_closing():
            self._refuse(431, "The request head is too large")

    def _decline(self) -> bytes:
        """Return the head that was read as it would be without its offer, for a new parser."""
        self._declined = next(entry for entry in self.headers if entry[0] == b"upgrade")
        kept = [entry for entry in self.headers if entry[0] != b"upgrade"]
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        method, version = self.scope["method"].encode(), self.scope["http_version"].encode()
        first = b"%b %b HTTP/%b\r\n" % (method, self.url, version)
        return b"".join([first, *(b"%b: %b\r\n" % entry for entry in kept), b"\r\n"])

    @override
    def _should_upgrade(self) -> bool:
        upgradable = self.scope["method"] == "GET" and self.scope["http_version"] == "1.1"
        path = self.url.partition(b"?")[0]
        return upgradable and takes_socket(self.config.app, path) and super()._should_upgrade()

    def _is_idle(self) -> bool:
        """Tell whether the next byte opens a request and nothing before it awaits its answer."""
        if self._parsing or self.pipeline:
            return False
        cycle = cast("RequestResponseCycle | None", self.cycle)
        return cycle is None or cycle.response_complete

    @override
    def on_message_begin(self) -> None:
        """Note that a request has begun."""
        self._parsing = True
        super().on_message_begin()

    @override
    def on_headers_complete(self) -> None:
        """Start to answer, unless the parser stops here because of an offer."""
        self._head_limit.stop()
        self.scope["method"] = self.parser.get_method().decode("ascii")
        self.scope["http_version"] = self.parser.get_http_version()
        if self._stops_here():
            return
        if self._declined is not None:  # the application shall know of it
            self.headers.append(self._declined)
            self._declined = None
        self._silent_bytes = 0
        super().on_headers_complete()
        self.headers = []  # what comes behind the body is no header of this request

    @override
    def on_body(self, body: bytes) -> None:
        """Take a piece of the body; how much may come is for whoever reads it."""
        self._silent_bytes = 0
        super().on_body(body)

    @override
    def on_message_complete(self) -> None:
        """Note that a request has been read to its end."""
        self._parsing = False
        self._silent_bytes = 0
        if not self._stops_here():
            super().on_message_complete()

    def _stops_here(self) -> bool:
        """Tell whether the parser reads no body: what follows is what the client offered."""
        return self.parser.should_upgrade()

    @override
    def shutdown(self) -> None:
        """Stop after this request; one that is not here yet has to hurry."""
        super().shutdown()
        if self._parsing:
            self._last_call = self.loop.call_later(UNREAD_S, self._end_unread)

    def _end_headless(self) -> None:
        if not self.transport.is_closing():
            self._refuse(408, f"The request head did not arrive within {HEAD_LIMIT_S:g} s")

    def _end_unread(self) -> None:
        if self._parsing:
            self.transport.close()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the limits."""
        self._head_limit.stop()
        self._unset_keepalive_if_required()  # uvicorn leaves it ticking after a reset
        if self._last_call is not None:
            self._last_call.cancel()
        super().connection_lost(exc)

    def _hand_over(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        self._head_limit.stop()
        self.connections.discard(self)
        successor = PatientProtocol(self.config, self.server_state, self.app_state, self.loop)
        successor.connection_made(self.transport)
        self.transport.set_protocol(successor)
        successor.data_received(data)

    @override
    def send_400_response(self, msg: str) -> None:
        """Refuse and hang up."""
        self._refuse(400, msg)

    def _refuse(self, status: int, text: str) -> None:
        """Refuse what cannot be read, but let what was read before it have its answer."""
        cycle = cast("RequestResponseCycle | None", self.cycle)
        newest = self.pipeline[0][0] if self.pipeline else cycle
        if newest and not newest.response_complete and newest.scope is not self.scope:
            newest.keep_alive = False
            self.flow.pause_reading()
            return
        silence(cycle)
        defaults = self.server_state.default_headers
        self.transport.write(render_refusal(text, defaults, status))
        self.transport.close()
