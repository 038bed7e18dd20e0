"""Upgrades: uvicorn's port hands them over here; `/ws` goes to picows, other paths to ASGI.

The only file that touches what picows (its `WSProtocol`) and uvicorn (its `ws` hook) do not
promise; `tests/api/test_sockets.py` is the contract with both. uvicorn makes one protocol for an
upgrade request, calls `connection_made`, `data_received` with the request rebuilt, and
`set_protocol`; at a graceful end it calls `shutdown` on everything in `server_state.connections`
and waits for that set and for `server_state.tasks` to become empty.
"""

import asyncio
import base64
import binascii
import logging
import socket
from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, cast

import msgspec
import structlog
from fastapi import FastAPI
from picows import (
    WSAutoPingStrategy,
    WSListener,
    WSUpgradeRequest,
    WSUpgradeResponse,
    WSUpgradeResponseWithListener,
    picows,
)
from typing_extensions import override
from uvicorn.config import Config
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState

from sayna.api.authentication import AccessDenied, AccessRequest, admit
from sayna.api.request_log import HEADER, choose_request_id
from sayna.api.services import Services
from sayna.api.ws import Connection
from sayna.api.ws_transport import WebSocketTransport
from sayna.auth.identity import Identity
from sayna.session.clock import LoopClock

log = structlog.get_logger(__name__)

PATH = b"/ws"
ADMISSION_LIMIT_S = 30.0
"""Seconds that authentication may take; its own limits are shorter."""

LINGER_LIMIT_S = 1.0
"""Seconds that a client gets to take in our Close while it is still sending."""

MAX_UNSENT_BYTES = 16_384
"""Bytes that the kernel holds back for a client before we wait: half a second of speech."""

READ_BUFFER_BYTES = 4096  # of each connection; grows for larger messages


class _PicowsLog(logging.LoggerAdapter[logging.Logger]):
    """picows reports its peers' faults as errors; here they are nothing out of the ordinary."""

    @override
    def error(self, msg: object, *args: object, **kwargs: Any) -> None:
        self.info(msg, *args, **kwargs)


_picows_logger = logging.getLogger("picows.server")
_picows_logger.setLevel(logging.WARNING)  # info lists socket options at every connection
_picows_log = _PicowsLog(_picows_logger)


@dataclass(frozen=True, slots=True)
class _Upgrade:
    """An upgrade request, as uvicorn rebuilds it."""

    method: str
    target: bytes
    headers: Sequence[tuple[bytes, bytes]]
    """Names in lower case."""

    @property
    def raw_path(self) -> bytes:
        return self.target.partition(b"?")[0]

    @property
    def query(self) -> bytes:
        return self.target.partition(b"?")[2]

    def header(self, name: bytes) -> bytes | None:
        return next((value.strip() for key, value in self.headers if key == name), None)


def upgrade_protocol(app: FastAPI) -> type[asyncio.Protocol]:
    """Return what `uvicorn.Config(ws=...)` wants; `app.state.services` is read at each upgrade."""

    class Upgrades(UpgradeProtocol):
        """The upgrades of one application."""

        application = app

    return Upgrades


class UpgradeProtocol(asyncio.Protocol):
    """One upgrade: who it is for, whether it may, and then the socket that it becomes."""

    application: FastAPI

    def __init__(
        self, config: Config, server_state: ServerState, app_state: dict[str, Any]
    ) -> None:
        self._config = config
        self._server_state = server_state
        self._app_state = app_state
        self._transport: asyncio.Transport | None = None
        self._asgi: WebSocketsSansIOProtocol | None = None
        self._connection: Connection | None = None
        self._stopping = False

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    @override
    def data_received(self, data: bytes) -> None:
        if self._asgi is not None:
            self._asgi.data_received(data)
        elif self._transport is not None:
            upgrade = _parse_upgrade(data)
            if upgrade.raw_path == PATH:
                self._begin(self._transport, upgrade)
            else:
                self._pass_on(self._transport, data)

    @override
    def eof_received(self) -> bool | None:
        if self._asgi is not None:
            self._asgi.eof_received()
        return None

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        if self._asgi is not None:
            self._asgi.connection_lost(exc)

    @override
    def pause_writing(self) -> None:
        if self._asgi is not None:
            self._asgi.pause_writing()

    @override
    def resume_writing(self) -> None:
        if self._asgi is not None:
            self._asgi.resume_writing()

    def shutdown(self) -> None:
        """Let the session end in good order: uvicorn stops."""
        self._stopping = True
        if self._connection is not None:
            self._connection.shutdown()

    def _pass_on(self, transport: asyncio.Transport, request: bytes) -> None:
        """Let uvicorn's own implementation speak with the application."""
        self._asgi = WebSocketsSansIOProtocol(self._config, self._server_state, self._app_state)
        self._asgi.connection_made(transport)
        self._asgi.data_received(request)

    def _begin(self, transport: asyncio.Transport, upgrade: _Upgrade) -> None:
        transport.pause_reading()  # until there is somebody to take what comes
        self._server_state.connections.add(cast("Any", self))
        tasks = self._server_state.tasks
        serving = asyncio.get_running_loop().create_task(self._serve(transport, upgrade), name="ws")
        tasks.add(serving)
        serving.add_done_callback(tasks.discard)

    async def _serve(self, transport: asyncio.Transport, upgrade: _Upgrade) -> None:
        request_id = choose_request_id(upgrade.headers)
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            await self._serve_known(transport, upgrade, request_id)

    async def _serve_known(
        self, transport: asyncio.Transport, upgrade: _Upgrade, request_id: str
    ) -> None:
        services: Services = self.application.state.services
        try:
            caller = await _admit(services, upgrade)
            if isinstance(caller, Identity) and (self._stopping or transport.is_closing()):
                caller = _Refusal(503, {"error": "Server is stopping"})
            if isinstance(caller, _Refusal):
                self._refuse(transport, caller, request_id)
                return
            services.drain.sockets.add(self)
            await self._converse(transport, upgrade, services, caller, request_id)
        except Exception:
            log.exception("socket_failed")
            transport.abort()
        finally:
            services.drain.sockets.discard(self)
            self._server_state.connections.discard(cast("Any", self))

    async def _converse(
        self,
        transport: asyncio.Transport,
        upgrade: _Upgrade,
        services: Services,
        caller: Identity,
        request_id: str,
    ) -> None:
        clock, settings = LoopClock(), services.settings
        memory = services.memory_of(caller)
        socket = WebSocketTransport(settings.session, clock)
        self._connection = connection = Connection(
            socket, providers=services.registry, settings=settings, clock=clock, memory=memory
        )
        limit = settings.session.max_message_bytes
        _switch(transport, upgrade, socket, request_id, max_message_bytes=limit)
        if self._stopping:
            connection.shutdown()
        began = clock.now()
        log.info("socket_opened")
        await connection.run()
        log.info("socket_closed", seconds=round(clock.now() - began, 3))

    def _refuse(self, transport: asyncio.Transport, refusal: "_Refusal", request_id: str) -> None:
        log.info("socket_refused", status=refusal.status)
        if not transport.is_closing():
            headers = [*self._server_state.default_headers, (HEADER, request_id.encode())]
            transport.write(_render(refusal, headers))
            transport.close()


@dataclass(frozen=True, slots=True)
class _Refusal:
    """A plain HTTP answer in the place of an upgrade."""

    status: int
    body: Mapping[str, str]
    headers: Sequence[tuple[bytes, bytes]] = ()


def _parse_upgrade(request: bytes) -> _Upgrade:
    line, *lines = request.partition(b"\r\n\r\n")[0].split(b"\r\n")
    method, _, rest = line.partition(b" ")
    headers = [(name.lower(), value) for name, _, value in (h.partition(b": ") for h in lines)]
    return _Upgrade(method.decode("ascii"), rest.rpartition(b" ")[0], headers)


async def _admit(services: Services, upgrade: _Upgrade) -> Identity | _Refusal:
    """Return who wants the upgrade, or why there will be none."""
    if upgrade.method != "GET":
        return _Refusal(405, {"error": "Method Not Allowed"}, [(b"allow", b"GET,HEAD")])
    request = AccessRequest("GET", upgrade.raw_path, upgrade.query, upgrade.headers)
    try:
        async with asyncio.timeout(ADMISSION_LIMIT_S):
            caller = await admit(services, request)
    except AccessDenied as denied:
        return _Refusal(denied.status, {"error": denied.error, "message": denied.message})
    except TimeoutError:
        return _Refusal(503, {"error": "auth_service_unavailable", "message": "Timed out"})
    return _handshake_refusal(upgrade) or caller


def _handshake_refusal(upgrade: _Upgrade) -> _Refusal | None:
    if upgrade.header(b"sec-websocket-version") != b"13":
        return _Refusal(
            400,
            {"error": "`Sec-WebSocket-Version` header did not include '13'"},
            [(b"sec-websocket-version", b"13")],
        )
    key = upgrade.header(b"sec-websocket-key")
    if key is None:
        return _Refusal(400, {"error": "`Sec-WebSocket-Key` header missing"})
    with suppress(binascii.Error):
        if len(base64.b64decode(key, validate=True)) == 16:
            return None
    return _Refusal(400, {"error": "`Sec-WebSocket-Key` header is not a key"})


def _render(refusal: _Refusal, default_headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    body = msgspec.json.encode(refusal.body)
    headers = [
        *default_headers,
        *refusal.headers,
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
        (b"connection", b"close"),
    ]
    status = b"HTTP/1.1 %d %b\r\n" % (refusal.status, HTTPStatus(refusal.status).phrase.encode())
    return b"".join([status, *(b"%b: %b\r\n" % header for header in headers), b"\r\n", body])


def _switch(
    transport: asyncio.Transport,
    upgrade: _Upgrade,
    listener: WSListener,
    request_id: str,
    *,
    max_message_bytes: int,
) -> None:
    """Hand the connection to picows, which answers the upgrade."""

    def answer(_request: WSUpgradeRequest) -> WSUpgradeResponseWithListener:
        headers = {HEADER.decode(): request_id}
        return WSUpgradeResponseWithListener(
            WSUpgradeResponse.create_101_response(extra_headers=headers), listener
        )

    make_protocol = cast("Any", picows).WSProtocol  # its arguments are in picows' source only
    protocol = make_protocol(
        None,  # host and port: a client's
        None,  # path: a client's
        False,  # not a client
        answer,
        _picows_log,
        True,  # an exception of the listener ends the connection
        None,  # no limit for the handshake: it is complete
        False,  # no pings of its own: ours count any sign of life
        20,
        20,
        WSAutoPingStrategy.PING_WHEN_IDLE,
        False,  # no answers to pings: ours are bounded
        max_message_bytes,
        None,  # extra headers: a client's
        READ_BUFFER_BYTES,
    )
    # A cleared utterance shall not wait in the kernel either.
    transport.get_extra_info("socket").setsockopt(
        socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, MAX_UNSENT_BYTES
    )
    protocol.connection_made(_Lingering(transport))
    transport.set_protocol(protocol)
    # picows reads `Connection` to the letter, and browsers send more in it than `Upgrade`.
    request = b"".join(
        (
            b"GET /ws HTTP/1.1\r\nhost: ws\r\nupgrade: websocket\r\nconnection: Upgrade\r\n",
            b"sec-websocket-version: 13\r\nsec-websocket-key: ",
            upgrade.header(b"sec-websocket-key") or b"",
            b"\r\n\r\n",
        )
    )
    buffer: MutableMapping[slice, bytes] = protocol.get_buffer(-1)
    buffer[slice(0, len(request))] = request
    protocol.buffer_updated(len(request))
    if not transport.is_closing():
        transport.resume_reading()


class _Lingering:
    """A transport that, asked to close, first lets the client take in what was sent.

    A socket closed with unread data in it resets the connection, and the client never learns
    why. So: end our direction, throw away what still comes, and close when the client has closed.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._lingering = False
        self.get_extra_info = transport.get_extra_info
        self.get_write_buffer_size = transport.get_write_buffer_size
        self.set_write_buffer_limits = transport.set_write_buffer_limits
        self.write = transport.write
        self.writelines = transport.writelines
        self.pause_reading = transport.pause_reading
        self.resume_reading = transport.resume_reading
        self.abort = transport.abort

    def is_closing(self) -> bool:
        """Tell whether nothing more is to be read or written."""
        return self._lingering or self._transport.is_closing()

    def close(self) -> None:
        """End the connection, gently."""
        transport = self._transport
        if self._lingering or transport.is_closing():
            return
        self._lingering = True
        if not transport.can_write_eof():
            transport.close()
            return
        transport.set_protocol(_Sink(cast("asyncio.Protocol", transport.get_protocol()), transport))
        transport.write_eof()
        transport.resume_reading()


class _Sink(asyncio.Protocol):
    """Throws away what comes until the client has closed, or for as long as it may linger."""

    def __init__(self, successor: asyncio.BaseProtocol, transport: asyncio.Transport) -> None:
        self._ended = successor
        loop = asyncio.get_running_loop()
        self._limit = loop.call_later(LINGER_LIMIT_S, transport.abort)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._limit.cancel()
        self._ended.connection_lost(exc)
