"""A WebSocket client that does what no library would: bad frames, half frames, no answers."""

import asyncio
import struct
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import NamedTuple

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
UPGRADE = (
    ("Host", "127.0.0.1"),
    ("Upgrade", "websocket"),
    ("Connection", "keep-alive, Upgrade"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", KEY),
)


class Frame(NamedTuple):
    """One frame of the server."""

    opcode: int
    payload: bytes

    @property
    def close_code(self) -> int:
        assert self.opcode == CLOSE
        return int.from_bytes(self.payload[:2], "big")


def render_frame(
    opcode: int, payload: bytes = b"", *, fin: bool = True, mask: bool = True, rsv: int = 0
) -> bytes:
    """Write a frame, sound or not."""
    first = (0x80 if fin else 0) | rsv << 4 | opcode
    bit = 0x80 if mask else 0
    if len(payload) < 126:
        head = struct.pack("!BB", first, bit | len(payload))
    elif len(payload) < 2**16:
        head = struct.pack("!BBH", first, bit | 126, len(payload))
    else:
        head = struct.pack("!BBQ", first, bit | 127, len(payload))
    if not mask:
        return head + payload
    return head + bytes(4) + payload  # a mask of zeros


class RawSocket:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, *frames: bytes) -> None:
        self.writer.write(b"".join(frames))
        await self.writer.drain()

    async def receive(self) -> Frame:
        """Return the next frame.

        Raises:
            asyncio.IncompleteReadError: there is none any more.
        """
        async with asyncio.timeout(10):
            first, second = await self.reader.readexactly(2)
            size = second & 0x7F
            if size == 126:
                size = int.from_bytes(await self.reader.readexactly(2), "big")
            elif size == 127:
                size = int.from_bytes(await self.reader.readexactly(8), "big")
            return Frame(first & 0xF, await self.reader.readexactly(size))

    async def receive_close(self) -> int:
        """Skip to the server's Close and return its code."""
        while (frame := await self.receive()).opcode != CLOSE:
            pass
        return frame.close_code

    async def receive_end(self) -> bytes:
        """Return everything up to the end of the connection."""
        async with asyncio.timeout(10):
            return await self.reader.read()


@asynccontextmanager
async def ask(
    port: int,
    headers: Sequence[tuple[str, str]] = UPGRADE,
    *,
    method: str = "GET",
    path: str = "/ws",
) -> AsyncGenerator[tuple[RawSocket, int, bytes], None]:
    """Send a request; give the connection, the status and the head. Dropped with the block."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers)]
    try:
        writer.write("\r\n".join([*lines, "", ""]).encode())
        async with asyncio.timeout(10):
            head = await reader.readuntil(b"\r\n\r\n")
        yield RawSocket(reader, writer), int(head.split()[1]), head
    finally:
        writer.transport.abort()
        with suppress(OSError):
            await writer.wait_closed()


@asynccontextmanager
async def open_raw(
    port: int, headers: Sequence[tuple[str, str]] = UPGRADE, *, path: str = "/ws"
) -> AsyncGenerator[RawSocket, None]:
    """Upgrade; the connection is dropped with the block."""
    async with ask(port, headers, path=path) as (raw, status, head):
        assert status == 101, head
        yield raw
