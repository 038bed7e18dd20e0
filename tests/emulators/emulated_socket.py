"""A vendor's socket as an emulator holds it: every frame recorded, every fault in its place.

The vendor's code sends and receives as if all were well; what a rule wants to go wrong happens
here, for all vendors alike.
"""

import asyncio
import json
import random
import socket as sockets
import struct
from collections import deque
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import suppress
from typing import Any

from aiohttp import WSMsgType, web

from sayna.session.clock import Alarm, Clock
from tests.emulators.clock import sleep
from tests.emulators.connections import Connection, Traffic
from tests.emulators.mangling import mangle
from tests.emulators.recorder import Kind, Record, Recorder, Sender
from tests.emulators.rules import (
    DropAfter,
    Duplicate,
    ErrorMessage,
    ExpireToken,
    Hang,
    IdleClose,
    Later,
    Malformed,
    MaxSession,
    ReadyDelay,
    Reorder,
    cut_at,
)

MAX_MESSAGE_BYTES = 16 * 1024 * 1024
CLOSE_LIMIT_S = 2.0
"""Real seconds that a client has to answer a Close frame."""
_LINGER_NOT = struct.pack("ii", 1, 0)

Message = str | bytes
Payload = Message | Mapping[str, Any]


class Gone(Exception):
    """The connection has ended; the vendor's code need not go on."""


class EmulatedSocket:
    """One open socket.

    Args:
        expire: called when a rule expires the key.
        error: the vendor's own error, for `error_msg` without a body.
    """

    def __init__(
        self,
        socket: web.WebSocketResponse,
        transport: asyncio.Transport,
        connection: Connection,
        clock: Clock,
        recorder: Recorder,
        *,
        expire: Callable[[str | None], None],
        error: Mapping[str, Any],
    ) -> None:
        self._socket = socket
        self._transport = transport
        self.connection = connection
        self._clock = clock
        self._recorder = recorder
        self._expire = expire
        self._error = error
        plan = connection.plan
        self._ahead: list[Later] = plan.later()
        self._mangled: deque[Malformed] = deque()
        self._silent_until_s: float | None = None
        self._doubled = (plan.of(Duplicate) or Duplicate(n=0)).n
        self._delayed = (plan.of(Reorder) or Reorder(n=0)).n
        self._held: list[Payload] = []
        self._released = asyncio.Event()
        self._half_open = False
        self._gone = False
        self._heard_at_s = clock.now()
        self._alarms: dict[str, Alarm] = {}
        self._ending: asyncio.Task[None] | None = None
        self.late_chunks = self._delayed
        """Chunks of cancelled audio that a rule wants sent late."""
        self.random = random.Random(connection.number)  # noqa: S311 - the same in every run

    @property
    def is_gone(self) -> bool:
        """Nothing can be sent any more."""
        return self._gone

    @property
    def _is_hanging(self) -> bool:
        return self._silent_until_s == float("inf")

    # --- sending

    async def send(self, message: Payload, *, is_final: bool = False) -> None:
        """Send a JSON message, a text as it is, or audio.

        Args:
            is_final: one of those that `dup` doubles and `reorder` delays.

        Raises:
            Gone: a rule ended the connection here, or the client did.
        """
        if self._delayed and is_final:
            self._delayed -= 1
            self._held.append(message)
            return
        await self._send(message)
        if self._doubled and is_final:
            self._doubled -= 1
            await self._send(message)
        held, self._held = self._held, []
        for late in held:
            await self._send(late)

    async def send_ready(self, message: Payload) -> None:
        """Send the first message of a vendor that greets."""
        delay = self.connection.plan.of(ReadyDelay)
        if delay is not None:
            await sleep(self._clock, delay.ms / 1000)
        await self.send(message)

    async def _send(self, message: Payload) -> None:
        await self._strike("sent", self.connection.sent)
        if self._is_hanging:
            return
        await self._wait_while_silent()
        while self._mangled and not isinstance(message, bytes):
            payload, is_text = mangle(self._mangled.popleft().kind, _text_of(message))
            await self._put(payload, WSMsgType.TEXT if is_text else WSMsgType.BINARY)
        if isinstance(message, bytes):
            for part in cut_at(message, self.connection.sent.bytes, self._ahead):
                if self._is_hanging:
                    return
                await self._put(part, WSMsgType.BINARY)
                await self._strike("sent", self.connection.sent)
        else:
            await self._put(_text_of(message).encode(), WSMsgType.TEXT)
            await self._strike("sent", self.connection.sent)

    async def _put(self, payload: bytes, opcode: WSMsgType) -> None:
        if self._gone:
            raise Gone
        self.connection.sent.messages += 1
        self.connection.sent.bytes += len(payload)
        kind: Kind = "binary" if opcode is WSMsgType.BINARY else "text"
        self._record(kind, "emulator", payload)
        try:
            await self._socket.send_frame(payload, opcode)
        except (ConnectionError, RuntimeError) as error:
            self._gone = True
            raise Gone from error

    async def _wait_while_silent(self) -> None:
        if self._silent_until_s is None:
            return
        await sleep(self._clock, self._silent_until_s - self._clock.now())
        self._silent_until_s = None

    # --- receiving

    async def messages(self) -> AsyncGenerator[Message, None]:
        """Yield what the client sends, until it or a rule ends the connection."""
        while not self._gone:
            message = await self._receive()
            if message is None:
                return
            self._heard_at_s = self._clock.now()
            yield message
            try:
                await self._strike("received", self.connection.received)
            except Gone:
                return

    async def _receive(self) -> Message | None:
        if self._half_open:
            await self._released.wait()
            return None
        while (frame := await self._socket.receive()).type in {WSMsgType.PING, WSMsgType.PONG}:
            await self._answer_ping(frame.type, frame.data)
        if frame.type is WSMsgType.BINARY:
            audio: bytes = frame.data
            self._count_received("binary", audio)
            return audio
        if frame.type is WSMsgType.TEXT:
            text: str = frame.data
            self._count_received("text", text)
            return text
        self._note_end(frame.type, frame.data)
        return None

    async def _answer_ping(self, type_: WSMsgType, data: bytes) -> None:
        if type_ is WSMsgType.PING and self._silent_until_s is None and not self._gone:
            with suppress(ConnectionError, RuntimeError):  # the next receive tells of the end
                await self._socket.pong(data)

    def _count_received(self, kind: Kind, payload: Message) -> None:
        self.connection.received.messages += 1
        self.connection.received.bytes += len(payload)
        self._record(kind, "client", payload)

    def _note_end(self, type_: WSMsgType, data: object) -> None:
        if self._gone:
            return
        self._gone = True
        self._released.set()
        if type_ is WSMsgType.CLOSE and isinstance(data, int):
            self._record("close", "client", None, status=data)
        else:
            self._record("eof", "client", None, status=self._socket.close_code or 0)

    # --- faults

    async def _strike(self, of: str, traffic: Traffic) -> None:
        """Let happen what is due."""
        if not self._ahead:
            return
        for later in tuple(self._ahead):
            is_due = traffic.bytes >= later.bytes and traffic.messages >= later.messages
            if later.of == of and is_due:
                self._ahead.remove(later)
                await self._happen(later)

    async def strike_at_open(self) -> None:
        """Let happen what was to happen before anything is sent or received."""
        for later in tuple(self._ahead):
            if not later.bytes and not later.messages and not isinstance(later, Malformed):
                self._ahead.remove(later)
                await self._happen(later)

    async def _happen(self, later: Later) -> None:
        match later:
            case Malformed():
                self._mangled.append(later)
            case Hang(ms=ms):
                wait_s = float("inf") if ms is None else ms / 1000
                self._silent_until_s = self._clock.now() + wait_s
            case ExpireToken():
                self._expire(self.connection.key)
            case ErrorMessage():
                await self._put(_text_of(later.body or self._error).encode(), WSMsgType.TEXT)
                if later.fatal:
                    await self.close(later.code, later.reason)
                    raise Gone
            case DropAfter():
                await self._drop(later)
                raise Gone

    async def _drop(self, drop: DropAfter) -> None:
        match drop.mode:
            case "close":
                await self.close(drop.code, drop.reason)
            case "reset":
                self.reset()
            case "eof":
                self.cut()
            case "half-open":
                self.go_half_open()
                await self._released.wait()

    # --- ending

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Send a Close frame and wait for the client's, for a while."""
        if self._gone:
            return
        if self._is_hanging:
            return
        self._gone = True
        self._record("close", "emulator", reason, status=code)
        try:
            await self._socket.close(code=code, message=reason.encode())
        except ConnectionError:
            pass
        finally:
            self._released.set()

    def reset(self) -> None:
        """End the connection as a crash does: the client reads a reset."""
        self._end("reset")
        reset_transport(self._transport)

    def cut(self) -> None:
        """End the connection without a Close frame: the client reads the end of the stream."""
        self._end("eof")
        self._transport.close()

    def go_half_open(self) -> None:
        """Neither read nor send any more, and do not say so."""
        self._half_open = True
        self._gone = True
        self._record("eof", "emulator", "half-open")
        self._transport.pause_reading()

    def release(self) -> None:
        """Let go of a client that was kept in silence; the emulator is closing."""
        self._gone = True
        self._released.set()
        for alarm in self._alarms.values():
            alarm.cancel()
        if self._ending is not None:
            self._ending.cancel()
        self._transport.abort()

    def _end(self, how: str) -> None:
        if not self._gone:
            self._record("eof", "emulator", how)
        self._gone = True
        self._released.set()

    # --- limits

    def watch(self, idle_s: float | None, code: int, reason: str) -> None:
        """End the connection when the client is silent for so long, or stays too long."""
        chosen = self.connection.plan.of(IdleClose)
        limit_s = chosen.s if chosen is not None else idle_s
        if limit_s is not None:
            self._watch_idle(limit_s, code, reason)
        longest = self.connection.plan.of(MaxSession)
        if longest is not None:
            self._alarms["session"] = self._clock.call_at(
                self._clock.now() + longest.s, lambda: self._end_later(longest.code, longest.reason)
            )

    def _watch_idle(self, limit_s: float, code: int, reason: str) -> None:
        due_s = self._heard_at_s + limit_s
        if self._clock.now() >= due_s:
            self._end_later(code, reason)
            return
        self._alarms["idle"] = self._clock.call_at(
            due_s, lambda: self._watch_idle(limit_s, code, reason)
        )

    def _end_later(self, code: int, reason: str) -> None:
        if not self._gone and self._ending is None:
            self._ending = asyncio.get_running_loop().create_task(self.close(code, reason))

    async def finish(self) -> None:
        """Give back alarms and tasks; called once, by whoever opened the socket."""
        while self._is_hanging and not self._gone:  # until the client loses patience
            await self._receive()
        self._released.set()
        for alarm in self._alarms.values():
            alarm.cancel()
        if self._ending is not None:
            await asyncio.gather(self._ending, return_exceptions=True)
        if not self._socket.closed and not self._half_open:
            await self._socket.close()

    def _record(
        self, kind: Kind, sender: Sender, payload: Message | None, *, status: int = 0
    ) -> None:
        if kind == "text" and isinstance(payload, bytes):
            payload = payload.decode(errors="replace")
        size = len(payload) if payload is not None else 0
        now_s = self._clock.now()
        number = self.connection.number
        self._recorder.add(Record(kind, sender, now_s, number, size, payload, status=status))


def reset_transport(transport: asyncio.Transport) -> None:
    """End a connection so that the other side reads a reset."""
    raw: sockets.socket | None = transport.get_extra_info("socket")
    if raw is not None and raw.fileno() >= 0:
        raw.setsockopt(sockets.SOL_SOCKET, sockets.SO_LINGER, _LINGER_NOT)
    transport.abort()


def _text_of(message: Payload) -> str:
    if isinstance(message, str):
        return message
    if isinstance(message, bytes):
        raise TypeError("audio is no text")
    return json.dumps(message, separators=(",", ":"))
