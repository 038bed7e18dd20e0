"""Many callers in one process: each sends 20 ms frames at the pace of speech."""

import asyncio
import json
import time
from dataclasses import dataclass, field

from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect
from typing_extensions import override

from bench.counting import FRAMES_PER_RESULT

FRAME = bytes(640)
"""20 ms at 16 kHz, 16 bit."""
FRAME_S = 0.02
CONFIG = json.dumps(
    {
        "type": "config",
        "stt_config": {
            "provider": "counting",
            "language": "en-US",
            "sample_rate": 16_000,
            "channels": 1,
            "punctuation": True,
            "encoding": "linear16",
            "model": "",
        },
        "tts_config": {"provider": "counting", "model": "", "sample_rate": 16_000},
    }
).encode()
SPEAK = b'{"type":"speak","text":"Anything at all."}'


@dataclass
class Caller(WSListener):
    """One connection; remembers when it sent and what it waited."""

    sent: int = 0
    asked_at: float = 0.0
    waits_ms: list[float] = field(default_factory=list[float])
    spoke_at: float = 0.0
    first_audio_ms: list[float] = field(default_factory=list[float])
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    complete: asyncio.Event = field(default_factory=asyncio.Event)
    transport: WSTransport | None = None

    @override
    def on_ws_connected(self, transport: WSTransport) -> None:
        """Introduce ourselves."""
        self.transport = transport
        transport.send(WSMsgType.TEXT, CONFIG)

    @override
    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Note the answer."""
        del transport
        now = time.perf_counter()
        if frame.msg_type == WSMsgType.BINARY:
            if self.spoke_at:
                self.first_audio_ms.append((now - self.spoke_at) * 1000)
                self.spoke_at = 0.0
            return
        kind = json.loads(frame.get_payload_as_bytes())["type"]
        if kind == "ready":
            self.ready.set()
        elif kind == "stt_result":
            self.waits_ms.append((now - self.asked_at) * 1000)
        elif kind == "tts_playback_complete":
            self.complete.set()
        else:
            raise RuntimeError(f"the server said {kind}")

    def send_frame(self) -> None:
        """Send the next 20 ms."""
        assert self.transport
        self.sent += 1
        if self.sent % FRAMES_PER_RESULT == 0:
            self.asked_at = time.perf_counter()
        self.transport.send(WSMsgType.BINARY, FRAME)

    async def speak(self, message: bytes = SPEAK) -> None:
        """Ask for speech and wait for its end."""
        assert self.transport
        self.complete.clear()
        self.spoke_at = time.perf_counter()
        self.transport.send(WSMsgType.TEXT, message)
        async with asyncio.timeout(10):
            await self.complete.wait()


async def connect(port: int, count: int) -> list[Caller]:
    """Open `count` sessions, each ready."""
    callers: list[Caller] = []
    for _ in range(count):
        # a lambda: given the class itself, picows would fill its first fields with the handshake
        _transport, listener = await ws_connect(
            lambda: Caller(),
            f"ws://127.0.0.1:{port}/ws",
        )
        assert isinstance(listener, Caller)
        callers.append(listener)
    async with asyncio.timeout(30):
        for caller in callers:
            await caller.ready.wait()
    return callers


async def stream(callers: list[Caller], seconds: float) -> int:
    """Send speech-paced frames, the callers spread evenly over each 20 ms; return frames sent."""
    began = time.perf_counter()
    ticks = int(seconds / FRAME_S)
    slices = min(10, len(callers))
    for tick in range(ticks):
        for part in range(slices):
            due = began + (tick + part / slices) * FRAME_S
            if (wait_s := due - time.perf_counter()) > 0:
                await asyncio.sleep(wait_s)
            for caller in callers[part::slices]:
                caller.send_frame()
    return ticks * len(callers)


async def hang_up(callers: list[Caller]) -> None:
    """Close every session."""
    for caller in callers:
        if caller.transport:
            caller.transport.disconnect()
    for caller in callers:
        if caller.transport:
            await caller.transport.wait_disconnected()
