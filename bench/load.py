"""Many callers in one process: each sends 20 ms frames at the pace of speech, speaks now and then.

The callers are spread over the 20 ms, and their results over the second, as strangers' would be.
"""

import asyncio
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple

from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect
from typing_extensions import override

from bench.exchange import FRAME, FRAME_S, FRAMES_PER_RESULT, config, speak

SLICES = 20
"""Into which a frame's 20 ms are cut: the event loop keeps time to a millisecond."""

TICKS_PER_SPEAK = 500
"""Frames between two `speak` of one caller: ten seconds."""

TEXTS = [speak(f"Sentence number {number}.") for number in range(20)]
TOGETHER = 50
"""Handshakes at a time."""

ANSWER_LIMIT_S = 5.0
DIALLING_LIMIT_S = 30.0
CLOSING_LIMIT_S = 20.0


@dataclass
class Caller(WSListener):
    """One connection; remembers when it asked and what it waited."""

    first_message: bytes
    joins_at: int = 0
    """Frames that it lets pass before its first one."""
    sent: int = 0
    asked_at: deque[float] = field(default_factory=deque[float])
    waits_ms: list[float] = field(default_factory=list[float])
    spoke_at: float = 0.0
    first_audio_ms: list[float] = field(default_factory=list[float])
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    introduced_at: float = 0.0
    errors: int = 0
    """Told by the server, which lost its vendor, say: under too much load."""
    misleads: bool = False
    """After an error the vendor counts other frames than we do: its results tell nothing more."""
    ready_ms: float = 0.0
    """From the config to `ready`."""
    complete: asyncio.Event = field(default_factory=asyncio.Event)
    transport: WSTransport | None = None

    @override
    def on_ws_connected(self, transport: WSTransport) -> None:
        """Introduce ourselves."""
        self.transport = transport
        self.introduced_at = time.perf_counter()
        transport.send(WSMsgType.TEXT, self.first_message)

    @override
    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Note the answer."""
        now = time.perf_counter()
        if frame.msg_type == WSMsgType.BINARY:
            if self.spoke_at:
                self.first_audio_ms.append((now - self.spoke_at) * 1000)
                self.spoke_at = 0.0
            return
        message = frame.get_payload_as_bytes()
        if b'"stt_result"' in message:
            if self.asked_at:  # a stream that was opened again counts frames again
                self.waits_ms.append((now - self.asked_at.popleft()) * 1000)
        elif b'"ready"' in message:
            self.ready_ms = (now - self.introduced_at) * 1000
            self.ready.set()
        elif b'"tts_playback_complete"' in message:
            self.complete.set()
        elif b'"error"' in message:
            self.errors += 1
            self.misleads = True
        else:
            raise RuntimeError("the server said something else")

    def send_frame(self) -> None:
        """Send the next 20 ms."""
        assert self.transport
        self.sent += 1
        if self.sent % FRAMES_PER_RESULT == 0:
            self.asked_at.append(time.perf_counter())
        self.transport.send(WSMsgType.BINARY, FRAME)

    def ask(self, message: bytes) -> None:
        """Ask for speech, unless some is on its way."""
        assert self.transport
        if not self.spoke_at:
            self.spoke_at = time.perf_counter()
            self.transport.send(WSMsgType.TEXT, message)

    async def speak(self, message: bytes) -> None:
        """Ask for speech and wait for its end."""
        self.complete.clear()
        self.ask(message)
        async with asyncio.timeout(10):
            await self.complete.wait()


class Overloaded(Exception):
    """The server does not take more sessions."""


class Streamed(NamedTuple):
    """What a stretch of load came to."""

    frames: int
    late_p99_ms: float
    """How far the load itself was behind its own times: what is above a few ms is not the server's
    fault."""


async def connect(
    port: int, count: int, *, first: int = 0, provider: str = "counting", together: int = TOGETHER
) -> list[Caller]:
    """Open `count` sessions, each ready, each at another point of its second.

    Args:
        port: of the server.
        count: of sessions.
        first: how many there are already.
        provider: that hears and speaks.
        together: handshakes at a time.

    Raises:
        Overloaded: one of them was refused, or not ready in half a minute.
    """
    callers: list[Caller] = []
    while len(callers) < count:
        now = range(min(together, count - len(callers)))
        try:
            async with asyncio.timeout(DIALLING_LIMIT_S), asyncio.TaskGroup() as tasks:
                dialling = [tasks.create_task(_connect_one(port, provider)) for _ in now]
        except (TimeoutError, ExceptionGroup) as error:
            raise Overloaded from error
        callers += [task.result() for task in dialling]
    for number, caller in enumerate(callers, first):
        caller.joins_at = number % FRAMES_PER_RESULT
    return callers


async def _connect_one(port: int, provider: str) -> Caller:
    # a lambda: given the class itself, picows would fill its first fields with the handshake
    _transport, listener = await ws_connect(
        lambda: Caller(config(provider=provider)), f"ws://127.0.0.1:{port}/ws"
    )
    assert isinstance(listener, Caller)
    await listener.ready.wait()
    return listener


async def stream(callers: list[Caller], seconds: float) -> Streamed:
    """Send frames at the pace of speech, and a `speak` of each caller every ten seconds.

    New callers join in within the first second: it is for warming up.
    """
    began = time.perf_counter()
    ticks = round(seconds / FRAME_S)
    groups = [callers[part::SLICES] for part in range(min(SLICES, len(callers)))]
    late: list[float] = []
    for tick in range(ticks):
        for part, group in enumerate(groups):
            due = began + (tick + part / len(groups)) * FRAME_S
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            late.append((time.perf_counter() - due) * 1000)
            for caller in group:
                if tick >= caller.joins_at:
                    caller.send_frame()
        for number in range(tick % TICKS_PER_SPEAK, len(callers), TICKS_PER_SPEAK):
            callers[number].ask(TEXTS[number % len(TEXTS)])
    for caller in callers:
        caller.joins_at = 0
    return Streamed(ticks * len(callers), percentile(late, 0.99))


async def settle(callers: list[Caller]) -> int:
    """Wait for the answers that are on their way; return how many never came, or were errors."""
    give_up_at = time.perf_counter() + ANSWER_LIMIT_S
    while any(caller.asked_at or caller.spoke_at for caller in callers):
        if time.perf_counter() > give_up_at:
            break
        await asyncio.sleep(0.01)
    never = sum(len(caller.asked_at) + bool(caller.spoke_at) for caller in callers)
    errors = sum(caller.errors for caller in callers)
    for caller in callers:
        caller.asked_at.clear()
        caller.errors = 0
    return never + errors


async def hang_up(callers: list[Caller]) -> None:
    """Close every session, as far as the server still can."""
    for caller in callers:
        if caller.transport:
            caller.transport.disconnect()
    with suppress(TimeoutError):
        async with asyncio.timeout(CLOSING_LIMIT_S):
            for caller in callers:
                if caller.transport:
                    await caller.transport.wait_disconnected()


def percentile(values: list[float], share: float) -> float:
    """Return the value that `share` of all stay below; NaN of none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")
