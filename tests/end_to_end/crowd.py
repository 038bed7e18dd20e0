"""Clients of our own for tests that need thousands: they write what they like and read it all."""

import asyncio
import json
import socket
import struct
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from typing import Any

from tests.api.raw_socket import BINARY, CLOSE, PING, PONG, TEXT, UPGRADE, Frame, render_frame

ANSWER_LIMIT_S = 20.0
KINDS = {"ready", "stt_result", "error", "sip_transfer_error", "tts_playback_complete"}
REQUEST = "\r\n".join(
    ["GET /ws HTTP/1.1", *(f"{name}: {value}" for name, value in UPGRADE), "", ""]
).encode()


def fence(name: str) -> bytes:
    """Return a message that is no command: it is answered in its turn, with its name."""
    return render_frame(TEXT, json.dumps({"type": f"fence {name}"}).encode())


class Client:
    """One connection; reads frames out of a buffer and holds each to the protocol."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self._buffer = bytearray()

    def send(self, data: bytes) -> None:
        """Write; what does not fit waits in here."""
        self.writer.write(data)

    def say(self, **message: Any) -> None:  # noqa: ANN401 - whatever JSON says
        """Send a text message."""
        self.send(render_frame(TEXT, json.dumps(message).encode()))

    async def frame(self) -> Frame | None:
        """Return the next frame, pings answered; None: the connection has ended.

        Raises:
            AssertionError: the server breaks the protocol.
            TimeoutError: it says nothing.
        """
        async with asyncio.timeout(ANSWER_LIMIT_S):
            while True:
                got = self._parse()
                if got is not None and got.opcode == PING:
                    self.send(render_frame(PONG, got.payload))
                elif got is not None and got.opcode != PONG:
                    return got
                elif got is None and not await self._fill():
                    assert not self._buffer, "the connection ended in the middle of a frame"
                    return None

    async def event(self) -> dict[str, Any]:
        """Return the next text message, audio skipped."""
        while (got := await self.frame()) is not None:
            if got.opcode == TEXT:
                told: dict[str, Any] = json.loads(got.payload)
                return told
            assert got.opcode == BINARY, f"closed with {got.close_code}"
        raise AssertionError("the connection has ended")

    async def wait_fence(self, name: str) -> None:
        """Wait until the fence, and so everything sent before it, has been acted on."""
        while f"`fence {name}`" not in (await self.event()).get("message", ""):
            pass

    async def wait_end(self) -> int | None:
        """Read to the end; return the code of the server's Close, None: it sent none."""
        code = None
        with suppress(ConnectionError):
            while (got := await self.frame()) is not None:
                assert code is None, "something follows the Close"
                if got.opcode == CLOSE:
                    code = got.close_code if got.payload else 1005
        return code

    def reset(self) -> None:
        """Be gone at once, with a reset."""
        connection: socket.socket = self.writer.get_extra_info("socket")
        if connection.fileno() >= 0:
            linger = struct.pack("ii", 1, 0)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.writer.transport.abort()

    async def _fill(self) -> bool:
        data = await self.reader.read(65_536)
        self._buffer += data
        return bool(data)

    def _parse(self) -> Frame | None:
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        size, at = buffer[1], 2
        assert size < 128, "the server masks"
        if size > 125:
            width = 2 if size == 126 else 8
            if len(buffer) < 2 + width:
                return None
            size, at = int.from_bytes(buffer[2 : 2 + width], "big"), 2 + width
        if len(buffer) < at + size:
            return None
        opcode, payload = buffer[0] & 0xF, bytes(buffer[at : at + size])
        assert buffer[0] & 0xF0 == 0x80, "the server fragments, or sets reserved bits"
        del buffer[: at + size]
        _check(opcode, payload)
        return Frame(opcode, payload)


def _check(opcode: int, payload: bytes) -> None:
    assert opcode in {TEXT, BINARY, CLOSE, PING, PONG}
    if opcode == TEXT:
        message = json.loads(payload.decode())
        assert message["type"] in KINDS, message


@asynccontextmanager
async def connected(
    port: int, *, receive_buffer: int | None = None, behind: bytes = b""
) -> AsyncGenerator[Client, None]:
    """Upgrade; the connection is dropped with the block.

    Args:
        receive_buffer: bytes that the kernel keeps for a client that does not read, roughly.
        behind: what is sent together with the request.
    """
    plain = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if receive_buffer is not None:
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    plain.setblocking(False)
    try:
        await asyncio.get_running_loop().sock_connect(plain, ("127.0.0.1", port))
    except BaseException:
        plain.close()
        raise
    limit = 64 * 1024 if receive_buffer is None else receive_buffer
    reader, writer = await asyncio.open_connection(sock=plain, limit=limit)
    try:
        writer.write(REQUEST + behind)
        async with asyncio.timeout(ANSWER_LIMIT_S):
            head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 "), head
        yield Client(reader, writer)
    finally:
        writer.transport.abort()
        with suppress(OSError):
            await writer.wait_closed()


async def each(
    numbers: Iterable[int], at_once: int, visit: Callable[[int], Awaitable[None]], seed: str
) -> None:
    """Make these visits, several at a time.

    Raises:
        AssertionError: one failed; the text tells which, so that it can be had again.
    """
    waiting = iter(numbers)

    async def visit_on() -> None:
        for number in waiting:
            try:
                await visit(number)
            except Exception as error:
                raise AssertionError(f"seed {seed!r}, number {number}: {error!r}") from error

    async with asyncio.TaskGroup() as tasks:
        for _ in range(at_once):
            tasks.create_task(visit_on())
