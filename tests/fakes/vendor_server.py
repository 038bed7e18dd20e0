"""Servers that a vendor's loop connects to, for one test: scripted, on 127.0.0.1.

`open_ws_vendor` runs a coroutine for each WebSocket; `open_rude_vendor` speaks bytes.
"""

import asyncio
import base64
import hashlib
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

Talk = Callable[[ServerConnection], Awaitable[None]]
RudeTalk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
LIMIT_S = 10.0
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


@asynccontextmanager
async def open_ws_vendor(
    talk: Talk, refuse: tuple[int, Mapping[str, str], bytes] | None = None
) -> AsyncGenerator[str, None]:
    """Serve WebSockets; yields `ws://host:port`. `refuse` answers every upgrade so."""

    def process(_: ServerConnection, request: Request) -> Response | None:
        if refuse is None:
            return None
        status, headers, body = refuse
        sized = {**headers, "Content-Length": str(len(body)), "Connection": "close"}
        return Response(status, "No", Headers(sized), body)

    async with serve(talk, "127.0.0.1", 0, process_request=process, close_timeout=1) as server:
        port = server.sockets[0].getsockname()[1]
        yield f"ws://127.0.0.1:{port}"


@asynccontextmanager
async def open_rude_vendor(talk: RudeTalk) -> AsyncGenerator[str, None]:
    """Serve bytes; yields `127.0.0.1:port`. Connections end with the block."""
    writers: list[asyncio.StreamWriter] = []

    async def talk_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        try:
            await talk(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(talk_once, "127.0.0.1", 0, limit=1024)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for writer in writers:
            writer.transport.abort()
        await server.wait_closed()


async def shake_hands(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Accept a WebSocket."""
    head = await reader.readuntil(b"\r\n\r\n")
    found = re.search(rb"(?i)sec-websocket-key: *(\S+)", head)
    assert found is not None
    accept = base64.b64encode(hashlib.sha1(found[1] + _GUID).digest())  # noqa: S324 - RFC 6455
    writer.write(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
    )
    await writer.drain()


async def until(holds: Callable[[], object]) -> None:
    """Let others run until something holds."""
    async with asyncio.timeout(LIMIT_S):
        while not holds():  # noqa: ASYNC110 - it may be anything
            await asyncio.sleep(0.001)


class Hands:
    """`call_later` that a test turns by hand."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self._alarms: list[_HandAlarm] = []

    def now(self) -> float:
        return self.now_s

    def call_later(self, delay: float, callback: Callable[[], object]) -> "_HandAlarm":
        alarm = _HandAlarm(self.now_s + delay, callback)
        self._alarms.append(alarm)
        return alarm

    @property
    def waiting(self) -> int:
        """Alarms that are still to ring."""
        return sum(alarm.callback is not None for alarm in self._alarms)

    def advance(self, seconds: float) -> None:
        end = self.now_s + seconds
        while due := [one for one in self._alarms if one.callback and one.when <= end]:
            alarm = min(due, key=lambda one: one.when)
            self._alarms.remove(alarm)
            self.now_s = max(self.now_s, alarm.when)
            assert alarm.callback is not None
            alarm.callback()
        self.now_s = end


class _HandAlarm:
    def __init__(self, when: float, callback: Callable[[], object]) -> None:
        self.when = when
        self.callback: Callable[[], object] | None = callback

    def cancel(self) -> None:
        self.callback = None
