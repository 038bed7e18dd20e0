"""A WebSocket as messages in and one bounded outlet out; frames, pings and closing stay in here.

picows calls back with frames, not messages: fragments are joined here, text is checked to be
UTF-8, sizes are limited. Its `send` never waits, so a client that does not read is noticed by
`pause_writing`: then speech waits, events queue up to a limit, and a client that takes nothing at
all for too long is cut off.
"""

import asyncio
from collections.abc import Callable
from typing import NoReturn, Protocol, cast

import structlog
from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSProtocolError, WSTransport
from typing_extensions import override

from sayna.api.event_messages import render_event
from sayna.api.unread import UnreadLimit, acknowledged_bytes
from sayna.session.clock import Alarm, Clock
from sayna.session.events import Backlog, SessionEvent
from sayna.settings.tree import SessionLimits

log = structlog.get_logger(__name__)

MAX_BEHIND = 512
"""Events kept for a client that does not read."""

FAR_BEHIND = MAX_BEHIND // 2
"""Events kept from which on the client's commands are not acted on, so that no answer is lost."""

CLOSING_LIMIT_S = 5.0
"""Seconds that the client has to answer our Close."""

_NEVER_SENT, _LAST_CODE = (0, 1006), 4999
"""Close codes that picows lets pass and RFC 6455 (7.4) does not: these, and those above."""

_BINARY, _TEXT, _CLOSE = WSMsgType.BINARY, WSMsgType.TEXT, WSMsgType.CLOSE
_CONTINUATION, _PING, _PONG = WSMsgType.CONTINUATION, WSMsgType.PING, WSMsgType.PONG


class Inlet(Protocol):
    """Who takes the messages of one WebSocket, in order."""

    def take_text(self, text: str) -> None:
        """Take a text message."""
        ...

    def take_audio(self, audio: bytes) -> None:
        """Take a binary message."""
        ...

    def take_end(self) -> None:
        """The client has closed or is gone; nothing follows, and nothing reaches it any more."""
        ...


class WebSocketTransport(WSListener):
    """One client's WebSocket.

    Args:
        limits: size of a message, how often to ping, how long not to be read.
    """

    def __init__(self, limits: SessionLimits, clock: Clock) -> None:
        self._limits = limits
        self._clock = clock
        self._socket: WSTransport | None = None
        self._inlet: Inlet | None = None
        self._closing = False  # a Close was sent, or the connection is gone
        self._ended = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self._backlog = Backlog(MAX_BEHIND)
        self._reading = True
        self._parts: bytearray | None = None  # of a fragmented message, while it lasts
        self._parts_kind = _TEXT
        self._pong: bytes | None = None  # the answer that is due once the client reads again
        self._heard = True  # the client gave a sign of life since the last ping
        self._alarms: dict[str, Alarm] = {}
        self._unread = UnreadLimit(clock, limits.unread_timeout_s, self._count_taken, self._cut_off)

    def attach(self, inlet: Inlet) -> None:
        """Say who takes the messages; before the first of them comes."""
        self._inlet = inlet

    # The outlet

    @property
    def writable(self) -> bool:
        """Whether the client has read what it got so far, or is gone."""
        return self._writable.is_set()

    async def wait_writable(self) -> None:
        """Wait until the client has caught up, or is gone."""
        while not self._writable.is_set():  # again: events that waited may have filled it up
            await self._writable.wait()

    async def wait_caught_up(self) -> None:
        """Wait until few events wait for the client, or it is gone."""
        while len(self._backlog) >= FAR_BEHIND and not self._closing:
            await self._writable.wait()

    def tell(self, event: SessionEvent) -> None:
        """Send an event, or keep it until the client reads again."""
        if self._closing or self._socket is None:
            return
        if self._writable.is_set():
            self._socket.send(_TEXT, render_event(event))
        else:
            self._backlog.push(event)

    def play(self, frame: bytes) -> None:
        """Send a frame of audio."""
        if not self._closing and self._socket is not None:
            self._socket.send(_BINARY, frame)

    def close(self, code: int, reason: str = "") -> None:
        """Send a Close and give the client a moment to answer it."""
        if self._closing or self._socket is None:
            return
        self._closing = True
        self._socket.send_close(_close_code(code), reason)
        self._writable.set()
        self._set_alarm("close", CLOSING_LIMIT_S, self._abort)

    async def wait_ended(self) -> None:
        """Wait until the connection is gone."""
        await self._ended.wait()

    def pause_reading(self) -> None:
        """Take no more messages for now, except those that are here already."""
        if self._reading and self._socket is not None and not self._closing:
            self._reading = False
            self._socket.underlying_transport.pause_reading()

    def resume_reading(self) -> None:
        """Take messages again."""
        if not self._reading and self._socket is not None:
            self._reading = True
            if not self._socket.underlying_transport.is_closing():
                self._socket.underlying_transport.resume_reading()

    # What picows calls

    @override
    def on_ws_connected(self, transport: WSTransport) -> None:
        self._socket = transport
        # Nothing that could still be cleared shall wait in a buffer that cannot be.
        transport.underlying_transport.set_write_buffer_limits(high=0)
        self._set_alarm("ping", self._limits.ping_interval_s, self._ping)

    @override
    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        self._heard = True
        kind = frame.msg_type
        if self._closing or self._inlet is None:
            if kind == _CLOSE:
                transport.disconnect()
        elif frame.rsv1 or frame.rsv2 or frame.rsv3:
            self._violate(WSCloseCode.PROTOCOL_ERROR, "a reserved bit is set")
        elif kind == _BINARY and frame.fin and self._parts is None:
            self._inlet.take_audio(frame.get_payload_as_bytes())
        elif kind == _CLOSE:
            self._take_close(transport, frame)
        elif kind == _PING:
            self._answer_ping(transport, frame.get_payload_as_bytes())
        elif kind != _PONG:
            self._take_part(kind, frame)

    @override
    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self._end()
        for alarm in self._alarms.values():
            alarm.cancel()
        self._alarms.clear()
        self._unread.close()
        self._ended.set()

    @override
    def pause_writing(self) -> None:
        self._writable.clear()
        self._unread.start()

    @override
    def resume_writing(self) -> None:
        self._heard = True  # whoever reads is alive
        self._unread.stop()
        self._writable.set()
        if self._pong is not None and self._socket is not None:
            self._socket.send_pong(self._pong)
            self._pong = None
        while len(self._backlog) and self._writable.is_set():
            self.tell(self._backlog.pop())

    # Messages

    def _take_part(self, kind: WSMsgType, frame: WSFrame) -> None:
        """Take a text message, or a fragment of any message."""
        if (kind == _CONTINUATION) != (self._parts is not None):
            self._violate(WSCloseCode.PROTOCOL_ERROR, "fragments out of order")
        payload = frame.get_payload_as_bytes()
        if self._parts is None:
            if frame.fin:
                self._take_message(kind, payload)
                return
            self._parts, self._parts_kind = bytearray(), kind
        self._parts += payload
        if len(self._parts) > self._limits.max_message_bytes:
            self._parts = None
            self._violate(WSCloseCode.MESSAGE_TOO_BIG, "the message is too big")
        if frame.fin:
            message, self._parts = bytes(self._parts), None
            self._take_message(self._parts_kind, message)

    def _take_message(self, kind: WSMsgType, message: bytes) -> None:
        if self._inlet is None:
            return
        if kind == _BINARY:
            self._inlet.take_audio(message)
            return
        try:
            text = message.decode()
        except UnicodeDecodeError:
            self._violate(WSCloseCode.INVALID_TEXT, "the text is not UTF-8")
        self._inlet.take_text(text)

    def _take_close(self, transport: WSTransport, frame: WSFrame) -> None:
        """Answer the client's Close with the same code, without one with 1000."""
        payload = frame.get_payload_as_bytes()
        code = int.from_bytes(payload[:2], "big") if payload else WSCloseCode.OK.value
        if code in _NEVER_SENT or code > _LAST_CODE:
            self._violate(WSCloseCode.PROTOCOL_ERROR, "no such close code")
        transport.send_close(_close_code(code))
        self._end()
        transport.disconnect()

    def _answer_ping(self, transport: WSTransport, payload: bytes) -> None:
        """Answer; of many pings by a client that does not read, only the last (RFC 6455 5.5.3)."""
        if self._writable.is_set():
            transport.send_pong(payload)
        else:
            self._pong = payload

    def _violate(self, code: WSCloseCode, reason: str) -> NoReturn:
        """Let picows send the Close and end the connection."""
        self._end()
        raise WSProtocolError(code, reason)

    def _end(self) -> None:
        self._closing = True
        self._writable.set()
        inlet, self._inlet = self._inlet, None
        if inlet is not None:
            inlet.take_end()

    # Liveness

    def _ping(self) -> None:
        if self._closing or self._socket is None:
            return
        if self.writable:  # else the client has something to take already: see `_miss`
            self._socket.send_ping()
        if self._heard:  # else the ping before is still to be answered
            self._heard = False
            self._set_alarm("pong", self._limits.ping_timeout_s, self._miss)
        self._set_alarm("ping", self._limits.ping_interval_s, self._ping)

    def _miss(self) -> None:
        """Give the client up, unless it said anything at all since the ping."""
        if self._heard or self._closing:
            return
        limit_s = self._limits.ping_timeout_s
        # Its answer waits behind what we do not read yet, or our ping behind what it reads slowly.
        waits = not self._reading if self.writable else self._unread.idle_s() < limit_s
        if waits:
            self._set_alarm("pong", limit_s, self._miss)
            return
        log.info("client_silent", timeout_s=limit_s)
        self.close(WSCloseCode.INTERNAL_ERROR.value, "no answer to ping")
        self._end()
        self._set_alarm("close", 0.1, self._abort)

    def _cut_off(self) -> None:
        """Give up a client that talks but does not read."""
        if self._closing:  # there is a shorter limit for that
            return
        log.info("client_unread", timeout_s=self._limits.unread_timeout_s)
        self._end()
        self._abort()

    def _count_taken(self) -> int:
        return 0 if self._socket is None else acknowledged_bytes(self._socket.underlying_transport)

    def _abort(self) -> None:
        if self._socket is not None:
            self._socket.disconnect(graceful=False)

    def _set_alarm(self, name: str, delay_s: float, callback: Callable[[], None]) -> None:
        if (earlier := self._alarms.get(name)) is not None:
            earlier.cancel()
        self._alarms[name] = self._clock.call_at(self._clock.now() + delay_s, callback)


def _close_code(code: int) -> WSCloseCode:
    """Return the code for picows, whose type for it only names the registered ones."""
    return cast("WSCloseCode", code)
