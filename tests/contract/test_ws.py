"""Recorded `/ws` exchanges, sent to a real server process."""

import asyncio
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.contract.runner import RECORDED, Row, ServerProcess, load_recording, start_server

pytestmark = pytest.mark.slow

RECORDING = load_recording("ws")
FENCE: str = json.loads((RECORDED / "ws.json").read_text(encoding="utf-8"))["about"]["fence"]
FENCE_ANSWER = (
    "LiveKit client not configured. Send config message with livekit configuration first."
)
FORMAT_ERROR = "Invalid message format: "
DISABLED = "Audio processing is disabled. Send config message with audio=true first."
LONG = re.compile(r"<(\d+) times (.)>")
PLACEHOLDERS = {"<uuid>": r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "<ms>": r"\d{13}"}
MIB = 2**20

ROWS = [row for row in RECORDING.rows if "frames" in row]
CLOSE_ROWS = {row["id"] for row in RECORDING.rows if row["group"] == "close"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    running = start_server(RECORDING.environments["plain"], tmp_path_factory.mktemp("plain"), {})
    try:
        yield running
    finally:
        assert running.stop() == 0


def url(server: ServerProcess) -> str:
    return f"ws://127.0.0.1:{server.port}/ws"


async def exchange(
    client: ClientConnection, frames: Sequence[Any], recorded: Sequence[str] = ()
) -> list[str]:
    """Send the frames and return what comes back before the answer to a fence."""
    own = sum(FENCE_ANSWER in reply for reply in recorded)
    for frame in frames:
        sent = bytes(frame["binary"]) if isinstance(frame, dict) else LONG.sub(_repeat, frame)
        await client.send(sent)
    await client.send(FENCE)
    replies: list[str] = []
    async with asyncio.timeout(10):
        while True:
            reply = await client.recv()
            assert isinstance(reply, str)
            if json.loads(reply).get("message") == FENCE_ANSWER:
                if own == 0:
                    return replies
                own -= 1
            replies.append(reply)


def _repeat(match: re.Match[str]) -> str:
    return match[2] * int(match[1])


def matches(recorded: Any, ours: Any) -> bool:  # noqa: ANN401 - any JSON
    """Compare, letting additive keys pass and keeping the order of the others."""
    if isinstance(recorded, str):
        pattern = re.escape(recorded)
        for mark, meaning in PLACEHOLDERS.items():
            pattern = pattern.replace(re.escape(mark), meaning)
        return isinstance(ours, str) and re.fullmatch(pattern, ours) is not None
    if isinstance(recorded, dict):
        shared = [key for key in ours if key in recorded]
        return shared == list(recorded) and all(matches(recorded[k], ours[k]) for k in recorded)
    return bool(recorded == ours)


def check(row: Row, replies: Sequence[str]) -> None:
    ours = [json.loads(reply) for reply in replies]
    expected = row["expect"].get("replies") if row["ours"] == "differs" else row["replies"]
    if expected is not None and row["ours"] != "prefix":
        assert len(ours) == len(expected), replies
        for reply, wanted in zip(ours, expected, strict=True):
            assert matches(json.loads(wanted), reply), (reply, wanted)
    elif row["ours"] == "prefix":
        assert [reply["type"] for reply in ours] == ["error"] * len(row["replies"])
        for reply, prefix in zip(ours, row["mentions"], strict=True):
            assert reply["message"].startswith(prefix)
    else:
        check_note(row["id"], [reply["message"] for reply in ours])


def check_note(name: str, messages: Sequence[str]) -> None:
    """Check a row whose expectation is recorded in words only."""
    match name:
        case "envelope.config-rate-float" | "envelope.deep-unknown":
            assert all(message.startswith(FORMAT_ERROR) for message in messages)
        case "before-config.binary-3":
            assert 1 <= len(messages) <= 3
            assert set(messages) == {DISABLED}
        case "before-config.speak-empty":
            assert set(messages) <= {DISABLED}
        case "before-config.transfer-number-08":
            assert messages == ["Room name not available. Ensure LiveKit is configured."]
        case _:
            pytest.fail(f"nobody has said what {name} expects")


@pytest.mark.parametrize("row", ROWS, ids=[row["id"] for row in ROWS])
async def test_a_recorded_exchange_holds(row: Row, server: ServerProcess) -> None:
    async with connect(url(server), max_size=None) as client:
        replies = await exchange(client, row["frames"], row["replies"])
        check(row, replies)
        assert row["socket_open_afterwards"]
        assert await exchange(client, []) == []


async def test_close_client_close_before_config(server: ServerProcess) -> None:
    async with connect(url(server)) as client:
        await client.close(1000)
    assert client.close_code == 1000


async def test_close_ping_before_config(server: ServerProcess) -> None:
    async with connect(url(server)) as client, asyncio.timeout(10):
        await (await client.ping())


async def test_close_fragmented_binary(server: ServerProcess) -> None:
    async with connect(url(server)) as client, asyncio.timeout(10):
        await client.send([bytes(160), bytes(160)])
        assert json.loads(await client.recv())["message"] == DISABLED
        assert await exchange(client, []) == []


async def test_close_frame_16mib(server: ServerProcess) -> None:
    async with connect(url(server)) as client, asyncio.timeout(10):
        await client.send(bytes(16 * MIB))
        assert json.loads(await client.recv())["message"] == DISABLED


@pytest.mark.parametrize(
    "message",
    [[bytes(16 * MIB + 1)], [bytes(16 * MIB), bytes(16 * MIB)]],
    ids=["frame-16MiB+1", "message-32MiB-in-2-frames"],
)
async def test_close_too_big(message: list[bytes], server: ServerProcess) -> None:
    client = await connect(url(server))
    async with asyncio.timeout(10):
        with suppress(ConnectionClosed):
            await client.send(message)
        await client.wait_closed()
    assert client.close_code == 1009


def test_every_recorded_row_is_looked_at() -> None:
    by_hand = {
        "close.client-close-before-config",
        "close.ping-before-config",
        "close.fragmented-binary",
        "close.frame-16MiB",
        "close.frame-16MiB+1",
        "close.message-32MiB-in-2-frames",
        "close.idle-12s",  # with a clock whose hands are turned: tests/api/test_ws_transport.py
    }
    assert by_hand == CLOSE_ROWS
    assert len(ROWS) + len(CLOSE_ROWS) == len(RECORDING.rows)
    assert Path(RECORDED / "ws.json").exists()
