"""Recorded frames and closes of `/ws`, byte by byte against a real server process."""

import asyncio
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress

import pytest

from tests.api.raw_socket import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    UPGRADE,
    Frame,
    RawSocket,
    ask,
    open_raw,
    render_frame,
)
from tests.contract.runner import ServerProcess, load_recording, start_server

pytestmark = pytest.mark.slow

RECORDING = load_recording("ws")
ROWS = {row["id"]: row for row in RECORDING.rows if row["group"] == "close"}
DISABLED = "Audio processing is disabled. Send config message with audio=true first."
MIB = 2**20

HALF = b'{"type":'


def code(number: int) -> bytes:
    return number.to_bytes(2, "big")


CLOSES = {
    "close.client-close-empty": (render_frame(CLOSE), 1000),
    "close.client-close-4001": (render_frame(CLOSE, code(4001)), 4001),
    "close.client-close-before-config": (render_frame(CLOSE, code(1000)), 1000),
    "close.close-during-nothing-then-frame": (
        render_frame(CLOSE, code(1000)) + render_frame(TEXT, b"nonsense"),
        1000,
    ),
    "close.invalid-utf8-text": (render_frame(TEXT, b"\xff\xfe"), 1007),
    "close.continuation-first": (render_frame(CONTINUATION, b"x"), 1002),
    "close.reserved-opcode": (render_frame(3, b"x"), 1002),
    "close.unmasked": (render_frame(TEXT, b"{}", mask=False), 1002),
    "close.frame-16MiB+1": (render_frame(BINARY, bytes(16 * MIB + 1)), 1009),
    "close.message-32MiB-in-2-frames": (
        render_frame(BINARY, bytes(16 * MIB), fin=False)
        + render_frame(CONTINUATION, bytes(16 * MIB)),
        1009,
    ),
}
"""What is sent, and the code of the Close that must be the only answer."""

OPEN: Mapping[str, tuple[bytes, Sequence[Frame | str]]] = {
    "close.ping-before-config": (render_frame(PING), [Frame(PONG, b"")]),
    "close.pong": (render_frame(PONG, b"nobody asked"), []),
    "close.fragmented-text": (
        render_frame(TEXT, HALF, fin=False) + render_frame(CONTINUATION, b'"clear"}'),
        [],
    ),
    "close.fragmented-error": (
        render_frame(TEXT, HALF, fin=False)
        + render_frame(PING, b"p")
        + render_frame(CONTINUATION, b'"x"}'),
        [Frame(PONG, b"p"), "Invalid message format: "],
    ),
    "close.fragmented-binary": (
        render_frame(BINARY, bytes(160), fin=False) + render_frame(CONTINUATION, bytes(160)),
        [DISABLED],
    ),
    "close.frame-16MiB": (render_frame(BINARY, bytes(16 * MIB)), [DISABLED]),
}
"""What is sent, and what comes before the answer to a last ping: frames, or how errors begin."""

BY_HAND = {
    "close.half-close",
    "close.handshake-answer",
    "close.handshake-offers-refused",
    "close.idle-12s",  # with a clock whose hands are turned: tests/api/test_ws_transport.py
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    running = start_server(RECORDING.environments["plain"], tmp_path_factory.mktemp("plain"), {})
    try:
        yield running
    finally:
        assert running.stop() == 0


async def send(raw: RawSocket, frames: bytes) -> None:
    """Send as much as the server takes."""
    with suppress(ConnectionError):  # it may close in the middle, as it should
        await raw.send(frames)


@pytest.mark.parametrize("name", CLOSES)
async def test_a_close_is_answered_and_the_connection_ends(
    name: str, server: ServerProcess
) -> None:
    frames, answered = CLOSES[name]
    async with open_raw(server.port) as raw:
        sending = asyncio.ensure_future(send(raw, frames))
        frame = await raw.receive()
        assert (frame.opcode, frame.close_code) == (CLOSE, answered)
        await sending
        try:
            assert await raw.receive_end() == b""
        except ConnectionResetError:
            assert len(frames) > MIB  # what it did not read is thrown away with the connection


@pytest.mark.parametrize("name", OPEN)
async def test_a_frame_is_answered_and_the_connection_stays(
    name: str, server: ServerProcess
) -> None:
    frames, answers = OPEN[name]
    async with open_raw(server.port) as raw:
        await raw.send(frames)
        for answer in answers:
            frame = await raw.receive()
            if isinstance(answer, Frame):
                assert frame == answer
            else:
                assert json.loads(frame.payload)["message"].startswith(answer)
        await raw.send(render_frame(PING, b"still there?"))
        assert await raw.receive() == Frame(PONG, b"still there?")


async def test_half_a_close_ends_the_connection(server: ServerProcess) -> None:
    async with open_raw(server.port) as raw:
        raw.writer.write_eof()
        assert await raw.receive_end() == b""


@pytest.mark.parametrize("name", ["close.handshake-answer", "close.handshake-offers-refused"])
async def test_a_handshake_is_answered_with_nothing_that_was_not_recorded(
    name: str, server: ServerProcess
) -> None:
    offers = (
        [
            ("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits"),
            ("Sec-WebSocket-Protocol", "chat, sayna"),
        ]
        if name.endswith("refused")
        else []
    )
    async with ask(server.port, [*UPGRADE, *offers]) as (_, status, head):
        names = {line.partition(b":")[0].decode().lower() for line in head.splitlines()[1:] if line}
    assert status == ROWS[name]["answer"]["status"]
    assert set(ROWS[name]["headers_all"]) - {"date"} <= names
    assert not names & {"sec-websocket-extensions", "sec-websocket-protocol"}


def test_every_recorded_close_is_looked_at() -> None:
    assert set(CLOSES) | set(OPEN) | BY_HAND == set(ROWS)
