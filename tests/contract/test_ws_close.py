"""Recorded frames and closes of `/ws`, byte by byte against a real server process."""

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress

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
from tests.contract.runner import RECORDED, ServerProcess, load_recording
from tests.contract.vendor_session import open_servers_with_vendor

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


CONFIG = json.loads((RECORDED / "ws.json").read_text(encoding="utf-8"))["about"]["config"]
"""Rows of the environment with a vendor begin with it: their session is ready."""

Servers = Mapping[str, ServerProcess]


@pytest.fixture(scope="module")
async def servers(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Servers, None]:
    environments = {name: RECORDING.environments[name] for name in ("plain", "deepgram")}
    opening = open_servers_with_vendor(environments, tmp_path_factory.mktemp("close"))
    async with opening as (_, running):
        yield running


@asynccontextmanager
async def open_row(name: str, servers: Servers) -> AsyncGenerator[RawSocket, None]:
    """Open the connection of a row, its session configured where the recorded one was."""
    environment = ROWS[name]["env"]
    async with open_raw(servers[environment].port) as raw:
        if environment == "deepgram":
            await raw.send(render_frame(TEXT, json.dumps(CONFIG).encode()))
            ready = await raw.receive()
            assert json.loads(ready.payload)["type"] == "ready"
        yield raw


async def send(raw: RawSocket, frames: bytes) -> None:
    """Send as much as the server takes."""
    with suppress(ConnectionError):  # it may close in the middle, as it should
        await raw.send(frames)


@pytest.mark.parametrize("name", CLOSES)
async def test_a_close_is_answered_and_the_connection_ends(name: str, servers: Servers) -> None:
    frames, answered = CLOSES[name]
    async with open_row(name, servers) as raw:
        sending = asyncio.ensure_future(send(raw, frames))
        frame = await raw.receive()
        assert (frame.opcode, frame.close_code) == (CLOSE, answered)
        await sending
        try:
            assert await raw.receive_end() == b""
        except ConnectionResetError:
            assert len(frames) > MIB  # what it did not read is thrown away with the connection


@pytest.mark.parametrize("name", OPEN)
async def test_a_frame_is_answered_and_the_connection_stays(name: str, servers: Servers) -> None:
    frames, answers = OPEN[name]
    async with open_row(name, servers) as raw:
        await raw.send(frames)
        for answer in answers:
            frame = await raw.receive()
            if isinstance(answer, Frame):
                assert frame == answer
            else:
                assert json.loads(frame.payload)["message"].startswith(answer)
        await raw.send(render_frame(PING, b"still there?"))
        assert await raw.receive() == Frame(PONG, b"still there?")


async def test_half_a_close_ends_the_connection(servers: Servers) -> None:
    async with open_row("close.half-close", servers) as raw:
        raw.writer.write_eof()
        assert await raw.receive_end() == b""


@pytest.mark.parametrize("name", ["close.handshake-answer", "close.handshake-offers-refused"])
async def test_a_handshake_is_answered_with_nothing_that_was_not_recorded(
    name: str, servers: Servers
) -> None:
    offers = (
        [
            ("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits"),
            ("Sec-WebSocket-Protocol", "chat, sayna"),
        ]
        if name.endswith("refused")
        else []
    )
    async with ask(servers["deepgram"].port, [*UPGRADE, *offers]) as (_, status, head):
        names = {line.partition(b":")[0].decode().lower() for line in head.splitlines()[1:] if line}
    assert status == ROWS[name]["answer"]["status"]
    assert set(ROWS[name]["headers_all"]) - {"date"} <= names
    assert not names & {"sec-websocket-extensions", "sec-websocket-protocol"}


def test_every_recorded_close_is_looked_at() -> None:
    assert set(CLOSES) | set(OPEN) | BY_HAND == set(ROWS)
