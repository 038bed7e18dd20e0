"""The HTTP side of a connection: httptools for what it knows, h11 for the rest.

httptools refuses a request whose method it has never heard of, or whose target is no path, before
the application sees it. Such a request deserves the same 405 or 404 as any other, so a connection
on which one comes is handed to uvicorn's slower and more open-minded h11 protocol.
"""

import asyncio
from collections.abc import Iterable
from typing import Any, cast

import msgspec
from typing_extensions import override
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)
from uvicorn.server import ServerState

FAST_OPENINGS = (b"GET /", b"POST /", b"DELETE /", b"HEAD /", b"PUT /", b"PATCH /")
LINE_BREAKS = b"\r\n"


def is_fast(opening: bytes) -> bool | None:
    """Tell whether a request that opens like this is one for httptools; None: too early to say."""
    if opening.startswith(FAST_OPENINGS):
        return True
    if any(fast.startswith(opening) for fast in FAST_OPENINGS):
        return None
    return False


def render_refusal(text: str, default_headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Return the whole answer to bytes that are not HTTP, in JSON like every other error."""
    body = msgspec.json.encode({"error": text})
    head = [
        STATUS_LINE[400],
        *(b"%b: %b\r\n" % header for header in default_headers),
        b"content-type: application/json\r\n",
        b"content-length: %d\r\nconnection: close\r\n\r\n" % len(body),
    ]
    return b"".join(head) + body


class PatientProtocol(H11Protocol):
    """uvicorn's h11 protocol, with our words for bytes that are not HTTP."""

    @override
    def send_400_response(self, msg: str) -> None:
        """Refuse and hang up."""
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

    @override
    def data_received(self, data: bytes) -> None:
        """Look at the opening of each request that starts on an idle connection."""
        if not self._is_idle():
            super().data_received(data)
            return
        data = (self._opening + data).lstrip(LINE_BREAKS)  # RFC 9112 2.2: skip empty lines
        match is_fast(data):
            case None:
                self._opening = data
            case True:
                self._opening = b""
                super().data_received(data)
            case False:
                self._hand_over(data)

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
    def on_message_complete(self) -> None:
        """Note that a request has been read to its end."""
        self._parsing = False
        super().on_message_complete()

    def _hand_over(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        self.connections.discard(self)
        successor = PatientProtocol(self.config, self.server_state, self.app_state, self.loop)
        successor.connection_made(self.transport)
        self.transport.set_protocol(successor)
        successor.data_received(data)

    @override
    def send_400_response(self, msg: str) -> None:
        """Refuse and hang up."""
        self.transport.write(render_refusal(msg, self.server_state.default_headers))
        self.transport.close()
