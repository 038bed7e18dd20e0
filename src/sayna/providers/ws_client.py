"""One WebSocket to a vendor: dialled, written without ever waiting, read message by message.

Nothing here knows whose socket it is. picows calls back with frames, not messages: fragments are
joined here. Its `send` never blocks, so a vendor that does not
read is noticed by `pause_writing`; then a bounded backlog waits, and the oldest audio is dropped.
"""

import asyncio
import logging
import os
import ssl
from collections import deque
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Protocol

import structlog
from picows import (
    WSCloseCode,
    WSFrame,
    WSHandshakeError,
    WSListener,
    WSMsgType,
    WSTransport,
    ws_connect,  # pyright: ignore[reportUnknownVariableType] - it passes **kwargs on
)
from typing_extensions import override

from sayna.errors import ConnectionFailed, ProviderError
from sayna.providers.wires import Message

log = structlog.get_logger(__name__)

CONNECT_LIMIT_S = 10.0
"""Seconds from the first packet to the open socket."""

WRITE_AHEAD_BYTES = 32 * 1024
"""What the operating system has not taken yet and yet was sent, as far as callers can see."""

MAX_WAITING_CONTROLS = 64
"""Messages other than audio in the backlog."""

CLOSING_LIMIT_S = 0.5
"""Seconds for the last bytes and the end of TLS; then the connection is cut."""

MAX_MESSAGE_BYTES = 16 * 2**20

READ_BUFFER_BYTES = 4096
"""Of each connection; grows for larger messages. picows would take four times as much."""

_TEXT, _BINARY, _CONTINUATION = WSMsgType.TEXT, WSMsgType.BINARY, WSMsgType.CONTINUATION
_CLOSE = WSMsgType.CLOSE

_quiet = logging.getLogger("sayna.vendor_socket")
_quiet.setLevel(logging.ERROR)  # each connection would be a line; what matters is logged here
_quiet.propagate = False
_quiet.addHandler(logging.NullHandler())


class HandshakeRefused(Exception):
    """The vendor answered the upgrade with something else than 101."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        super().__init__(str(status))
        self.status = status
        self.headers = headers
        """Names in lower case."""
        self.body = body
        """As much as came along with the headers."""


class Inlet(Protocol):
    """Who takes what a socket brings; called from the event loop, must neither wait nor raise."""

    def take_message(self, message: Message) -> None:
        """Take the next message."""
        ...

    def take_end(self, code: int | None, reason: str) -> None:
        """Nothing follows. `code` is the vendor's Close, None when there was none."""
        ...


class Alarm(Protocol):
    """Something that will be called later unless it is cancelled."""

    def cancel(self) -> None:
        """Do not call."""
        ...


CallLater = Callable[[float, Callable[[], object]], Alarm]
"""`loop.call_later`, or the hands of a test's clock."""


@dataclass(frozen=True, slots=True)
class Dial:
    """Where to connect, and how to stay connected."""

    url: str
    headers: Mapping[str, str]
    ping_s: float = 20.0
    """Seconds between pings."""
    ping_when_idle: bool = True
    """False: only while we send and nothing comes back, to tell a dead vendor from a silent one."""
    max_waiting_bytes: int = 64 * 1024
    """Of audio in the backlog while the vendor does not read."""
    limit_s: float = CONNECT_LIMIT_S


class VendorSocket(WSListener):
    """An open connection; made by `open_vendor_socket`.

    Args:
        dial: how to stay connected.
        inlet: takes what comes.
        call_later: wakes us for pings.
    """

    def __init__(self, dial: Dial, inlet: Inlet, call_later: CallLater) -> None:
        self._dial = dial
        self._inlet = inlet
        self._call_later = call_later
        self._transport: WSTransport | None = None
        self._given_up = False
        self._writable = True
        self._waiting: deque[tuple[WSMsgType, Message, int]] = deque()
        self._waiting_bytes = 0  # of audio
        self._parts: list[bytes] = []
        self._parts_kind = _BINARY
        self._closed_with: tuple[int | None, str] = (None, "")
        self._alarm: Alarm | None = None
        self._heard_at_last_beat = 0
        self._sent_since_beat = False
        self._over = asyncio.Event()
        self.signs_of_life = 0
        """Frames that came, pongs included."""
        self.dropped_bytes = 0
        """Of audio that the vendor did not take in time."""

    @property
    def is_open(self) -> bool:
        """Messages can be sent."""
        return self._transport is not None and not self._over.is_set()

    @property
    def was_open(self) -> bool:
        """The handshake succeeded, whatever came of it since."""
        return self._transport is not None

    def send(self, message: Message, audio_bytes: int = 0) -> None:
        """Send a message, or keep it for a moment; after the end it is lost.

        Args:
            message: text or binary.
            audio_bytes: how much audio is in it; 0: it is none and must not be dropped.
        """
        kind = _TEXT if isinstance(message, str) else _BINARY
        self._sent_since_beat = True
        if self._writable and self._transport is not None:
            self._transport.send(kind, message)
        elif audio_bytes:
            self._waiting.append((kind, message, audio_bytes))
            self._waiting_bytes += audio_bytes
            self._drop_oldest_audio()
        elif sum(not size for _, _, size in self._waiting) < MAX_WAITING_CONTROLS:
            self._waiting.append((kind, message, 0))

    def pause_reading(self) -> None:
        """Take no more from the vendor until `resume_reading`."""
        if self.is_open and self._transport is not None:
            with suppress(RuntimeError):  # it is closing
                self._transport.underlying_transport.pause_reading()

    def resume_reading(self) -> None:
        """Take messages again."""
        if self.is_open and self._transport is not None:
            with suppress(RuntimeError):
                self._transport.underlying_transport.resume_reading()

    def hang_up(self) -> None:
        """Close the connection; the inlet is told of the end in a moment."""
        transport = self._transport
        if transport is None:
            self._given_up = True
        elif not self._over.is_set():
            if not transport.is_close_frame_sent:
                transport.send_close(WSCloseCode.OK)
            transport.disconnect()

    async def aclose(self) -> None:
        """Close the connection and wait for its end, `CLOSING_LIMIT_S` at most."""
        transport = self._transport
        if transport is None or self._over.is_set():
            return
        self.resume_reading()
        self.hang_up()
        try:
            async with asyncio.timeout(CLOSING_LIMIT_S):
                await self._over.wait()
        except TimeoutError:
            pass
        finally:
            if not self._over.is_set():
                transport.disconnect(graceful=False)
        await self._over.wait()

    async def wait_over(self) -> None:
        """Wait for the end of the connection."""
        await self._over.wait()

    # What picows calls

    @override
    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport
        if self._given_up:
            transport.disconnect(graceful=False)
            return
        transport.underlying_transport.set_write_buffer_limits(high=WRITE_AHEAD_BYTES)
        self._alarm = self._call_later(self._dial.ping_s, self._beat)

    @override
    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        self.signs_of_life += 1
        kind = frame.msg_type
        if kind == _CLOSE:
            self._take_close(transport, frame.get_payload_as_bytes())
        elif kind == _CONTINUATION or self._parts or not frame.fin:
            self._join(kind, frame)
        elif kind in {_TEXT, _BINARY}:
            self._deliver(kind, frame.get_payload_as_bytes())

    @override
    def on_ws_disconnected(self, transport: WSTransport) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._waiting.clear()
        if self.dropped_bytes:
            log.warning("vendor_audio_dropped", dropped_bytes=self.dropped_bytes)
        self._over.set()
        if not self._given_up:
            self._inlet.take_end(*self._closed_with)

    @override
    def pause_writing(self) -> None:
        self._writable = False

    @override
    def resume_writing(self) -> None:
        self._writable = True
        transport = self._transport
        while self._waiting and self._writable and transport is not None:
            kind, message, audio_bytes = self._waiting.popleft()
            self._waiting_bytes -= audio_bytes
            transport.send(kind, message)

    def _deliver(self, kind: WSMsgType, payload: bytes) -> None:
        if kind == _BINARY:
            self._inlet.take_message(payload)
        else:  # bytes that are no UTF-8 are for the wire to stumble over, not for the connection
            self._inlet.take_message(payload.decode(errors="replace"))

    def _join(self, kind: WSMsgType, frame: WSFrame) -> None:
        if kind not in {_TEXT, _BINARY, _CONTINUATION}:
            return  # a pong between two fragments
        if (kind == _CONTINUATION) != bool(self._parts):
            self._give_up(1002, "the vendor's fragments are out of order")
            return
        if not self._parts:
            self._parts_kind = kind
        self._parts.append(frame.get_payload_as_bytes())
        if sum(map(len, self._parts)) > MAX_MESSAGE_BYTES:
            self._give_up(1009, "the vendor sent a message without end")
        elif frame.fin:
            whole = b"".join(self._parts)
            self._parts.clear()
            self._deliver(self._parts_kind, whole)

    def _give_up(self, code: int, why: str) -> None:
        self._parts.clear()
        self._closed_with = (code, why)
        self.hang_up()

    def _take_close(self, transport: WSTransport, payload: bytes) -> None:
        if self._closed_with == (None, ""):
            code = int.from_bytes(payload[:2], "big") if len(payload) >= 2 else None
            self._closed_with = (code or 1005, payload[2:].decode(errors="replace"))
        if not transport.is_close_frame_sent:
            transport.send_close(WSCloseCode.OK)
        transport.disconnect()

    def _drop_oldest_audio(self) -> None:
        kept: list[tuple[WSMsgType, Message, int]] = []
        while self._waiting_bytes > self._dial.max_waiting_bytes and len(self._waiting) > 1:
            oldest = self._waiting.popleft()
            if oldest[2]:
                self._waiting_bytes -= oldest[2]
                self.dropped_bytes += oldest[2]
            else:
                kept.append(oldest)
        self._waiting.extendleft(reversed(kept))

    def _beat(self) -> None:
        if self._over.is_set() or self._transport is None:
            return
        silent = self.signs_of_life == self._heard_at_last_beat
        if (self._dial.ping_when_idle or self._sent_since_beat) and silent and self._writable:
            self._transport.send_ping()
        self._heard_at_last_beat = self.signs_of_life
        self._sent_since_beat = False
        self._alarm = self._call_later(self._dial.ping_s, self._beat)


@asynccontextmanager
async def open_vendor_socket(
    dial: Dial, inlet: Inlet, *, tls: ssl.SSLContext | None, call_later: CallLater | None = None
) -> AsyncGenerator[VendorSocket, None]:
    """Connect; the connection ends with the block.

    Raises:
        HandshakeRefused: on entering; the vendor does not want us.
        ConnectionFailed: on entering; there is no vendor, or it does not answer.
    """
    socket = await dial_vendor(dial, inlet, tls=tls, call_later=call_later)
    try:
        yield socket
    finally:
        await socket.aclose()


async def dial_vendor(
    dial: Dial, inlet: Inlet, *, tls: ssl.SSLContext | None, call_later: CallLater | None = None
) -> VendorSocket:
    """Connect; the caller closes with `aclose`.

    Raises:
        HandshakeRefused: the vendor does not want us.
        ConnectionFailed: there is no vendor, or it does not answer.
    """
    loop = asyncio.get_running_loop()
    socket = VendorSocket(dial, inlet, loop.call_later if call_later is None else call_later)
    try:
        async with asyncio.timeout(dial.limit_s):
            await ws_connect(
                lambda: socket,
                dial.url,
                ssl_context=tls,
                websocket_handshake_timeout=dial.limit_s,
                logger_name=_quiet,
                max_frame_size=MAX_MESSAGE_BYTES,
                read_buffer_init_size=READ_BUFFER_BYTES,
                extra_headers=dict(dial.headers),
                max_redirects=0,  # a redirect would carry the key to another host
            )
    except BaseException as error:
        socket.hang_up()  # should it open after all
        failure = _failure_of(error)
        if failure is None:
            raise
        raise failure from error
    if not socket.was_open:
        raise ConnectionFailed("the vendor hung up before it answered", retryable=True)
    return socket


def _failure_of(error: BaseException) -> HandshakeRefused | ProviderError | None:
    match error:
        case TimeoutError():
            return ConnectionFailed("Connection timeout", retryable=True)
        case WSHandshakeError(response=answer) if answer is not None:
            headers = {name.lower(): value for name, value in answer.headers.items()}
            return HandshakeRefused(int(answer.status), headers, error.raw_body or b"")
        case WSHandshakeError():
            return ConnectionFailed("the vendor does not speak WebSocket", retryable=True)
        case ssl.SSLError():
            return ConnectionFailed("no secure connection to the vendor", retryable=True)
        case OSError():
            number = error.errno or 0  # of a name that cannot be resolved it is negative
            why = os.strerror(number) if number > 0 else "no such host"
            return ConnectionFailed(f"cannot reach the vendor: {why}", retryable=True)
        case _:
            return None
