"""Recorded `/ws` exchanges, sent to a real server process, with a fake Deepgram where one is named.

A room is never there.
"""

import asyncio
import base64
import json
import re
import struct
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect

from tests.contract.runner import RECORDED, Row, ServerProcess, load_recording
from tests.contract.vendor_session import open_servers_with_vendor

pytestmark = pytest.mark.slow

RECORDING = load_recording("ws")
ABOUT: Mapping[str, Any] = json.loads((RECORDED / "ws.json").read_text(encoding="utf-8"))["about"]
FENCE: str = ABOUT["fence"]
FENCE_ANSWER = (
    "LiveKit client not configured. Send config message with livekit configuration first."
)
FORMAT_ERROR = "Invalid message format: "
DISABLED = "Audio processing is disabled. Send config message with audio=true first."
NOT_CONFIGURED = "Voice manager not configured. Send config message with audio=true first."
LOADING_NEEDS_AUDIO = (
    "Loading indicator requires audio to be enabled. Send a config message with audio=true."
)
LOADING_NEEDS_ROOM = (
    "Loading indicator requires a LiveKit room. Include a livekit configuration in your config"
    " message."
)
LONG = re.compile(r"<(\d+) times (.)>")
PLACEHOLDERS = {"<uuid>": r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "<ms>": r"\d{13}"}

FREE_DETAILS = (
    "loading_audio is not a valid WAV file: ",
    "loading_audio could not be read as 16-bit PCM: ",
)
"""Texts about a clip of which only the beginning is promised."""

SPOKEN = "config.config-then-speak"
LOADING_ROWS = [row for row in RECORDING.rows if row["group"] == "loading"]
ROWS = [
    row
    for row in RECORDING.rows
    if row["group"] not in {"close", "loading"} and row["id"] != SPOKEN
]


@pytest.fixture(scope="module")
async def servers(
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncGenerator[Mapping[str, ServerProcess], None]:
    opening = open_servers_with_vendor(RECORDING.environments, tmp_path_factory.mktemp("ws"))
    async with opening as (_, running):
        yield running


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
    elif any(reply["type"] == "ready" for reply in ours):
        check_ready(row["id"], ours)
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
        case "crash.tts-rate-0":
            assert messages[0].startswith("Failed to create voice manager: TTS error: ")
            assert messages[1:] == [NOT_CONFIGURED]
        case _:
            pytest.fail(f"nobody has said what {name} expects")


def check_ready(name: str, replies: Sequence[Mapping[str, Any]]) -> None:
    """Check a row that is expected, in words, to begin with `ready`."""
    assert [reply["type"] for reply in replies] == ["ready", "error"][: len(replies)]
    made_up = re.fullmatch(PLACEHOLDERS["<uuid>"], replies[0]["stream_id"])
    problems = [reply["message"] for reply in replies[1:]]
    match name:
        case "config.stream-empty" | "config.stream-dots" | "config.stream-300":
            assert made_up
            assert problems[0].startswith("stream_id ")
        case "config.vad-keys-ignored":
            assert made_up
            assert not problems
        case "config.twice":
            assert made_up
            assert "configured already" in problems[0]
        case "config.audio-false-then-true":
            assert replies[0]["stream_id"] == "a"
            assert "configured already" in problems[0]
        case _:
            pytest.fail(f"nobody has said what {name} expects")


@pytest.mark.parametrize("row", ROWS, ids=[row["id"] for row in ROWS])
async def test_a_recorded_exchange_holds(row: Row, servers: Mapping[str, ServerProcess]) -> None:
    async with connect(url(servers[row["env"]]), max_size=None) as client:
        survived = "server_crashed" not in row  # else the fence is among what was recorded
        replies = await exchange(client, row["frames"], row["replies"] if survived else ())
        check(row, replies)
        assert row["socket_open_afterwards"] == survived
        assert await exchange(client, []) == []


async def test_a_config_with_a_speak_right_behind_it_is_answered_as_recorded(
    servers: Mapping[str, ServerProcess],
) -> None:
    [row] = [row for row in RECORDING.rows if row["id"] == SPOKEN]
    recorded = [int(size) for size in re.findall(r"<binary (\d+)>", " ".join(row["replies"]))]
    async with connect(url(servers["deepgram"])) as client, asyncio.timeout(10):
        for sent in row["frames"]:
            await client.send(sent)
        assert matches(json.loads(row["replies"][0]), json.loads(await client.recv()))
        sizes: list[int] = []
        while isinstance(reply := await client.recv(), bytes):
            sizes.append(len(reply))
        complete = json.loads(reply)
        assert list(complete) == ["type", "timestamp"]
        assert complete["type"] == "tts_playback_complete"
        assert isinstance(complete["timestamp"], int)
    assert sizes == recorded


@pytest.mark.parametrize("row", LOADING_ROWS, ids=[row["id"] for row in LOADING_ROWS])
async def test_a_recorded_clip_is_judged_as_recorded(
    row: Row, servers: Mapping[str, ServerProcess]
) -> None:
    name, problem = row["id"], row["loading_error"]
    message = ABOUT["config"] | {"loading_audio": clip(row["frames"][0]["loading_audio"])}
    if name != "loading.no-livekit":
        message["livekit"] = {"room_name": "r"}
    if name == "loading.audio-false":
        message["audio"] = False
    async with connect(url(servers[row["env"]])) as client:
        replies = await exchange(client, [json.dumps(message)])
        said = [json.loads(reply) for reply in replies]
        if name == "loading.no-livekit":
            assert [one["type"] for one in said] == ["ready", "error"]
            assert said[1]["message"] == problem
        else:  # a failing room is the only thing that is told
            assert [one["type"] for one in said] == ["error"]
            assert "room" in said[0]["message"].lower()
        again = await exchange(client, ['{"type":"loading_start"}'])
        [told] = [json.loads(reply)["message"] for reply in again]
    if name == "loading.audio-false":
        assert told == LOADING_NEEDS_AUDIO
    else:
        free = next((text for text in FREE_DETAILS if str(problem).startswith(text)), None)
        assert told.startswith(free) if free else told == (problem or LOADING_NEEDS_ROOM)


def clip(recorded: Mapping[str, Any]) -> dict[str, Any]:
    """Return a clip with its data built where that is recorded in words."""
    data = str(recorded["data"])
    if found := re.fullmatch(r"<base64 of (\d+) zero bytes>", data):
        data = base64.b64encode(bytes(int(found[1]))).decode()
    elif found := re.fullmatch(r"<base64 of a .*WAV header \((.*)\) and (\d+) zero bytes>", data):
        data = base64.b64encode(_wav(found[1], int(found[2]))).decode()
    return {**recorded, "data": data}


def _wav(words: str, size: int) -> bytes:
    """Return a WAV file; its header says what the words have it say."""
    said = {"rate": 16_000, "ch": 1, "bits": 16, "fmt": 1}
    said |= {key: int(value) for key, value in re.findall(r"(\w+)=(\d+)", words)}
    declared = re.search(r"data size (\d+)", words)
    frame = said["ch"] * said["bits"] // 8
    return (
        struct.pack("<4sI8sI", b"RIFF", 36 + size, b"WAVEfmt ", 16)
        + struct.pack("<HHII", said["fmt"], said["ch"], said["rate"], said["rate"] * frame)
        + struct.pack(
            "<HH4sI", frame, said["bits"], b"data", int(declared[1]) if declared else size
        )
        + bytes(size)
    )
