"""Recorded sessions against a vendor, held by a real server process and the same fake Deepgram.

Groups about time have a test of their own: here, what is sent and in which order counts.
"""

import asyncio
import json
import re
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.contract.runner import RECORDED, Row, ServerProcess, load_recording, start_server
from tests.contract.test_ws import matches
from tests.fakes.recorded_deepgram import RecordedDeepgram, Stream, open_recorded_deepgram
from tests.fakes.vendor_server import until

pytestmark = pytest.mark.slow

RECORDING = load_recording("deepgram_session")
CONFIG: Mapping[str, Any] = json.loads(
    (RECORDED / "deepgram_session.json").read_text(encoding="utf-8")
)["about"]["config"]
FENCE = '{"type":"send_message","message":"fence","role":"x"}'
FENCE_ANSWER = (
    "LiveKit client not configured. Send config message with livekit configuration first."
)
KEEP_ALIVE = '{"type":"KeepAlive"}'
DRIP_BYTES = 60_000

EXCEPTIONS = {
    "tts.flush-false": "what it is to become is told by the tests of the session",
    "tts.clear-stall": "it is about time, and its answer is our fence",
    "upstream.client-drop": "as upstream.client-close",
    "upstream.query-rate-0": "it is refused: a test of its own",
}


def rows(*groups: str) -> list[Row]:
    return [r for r in RECORDING.rows if r["group"] in groups and r["id"] not in EXCEPTIONS]


def named(row: Row) -> str:
    return str(row["id"])


@dataclass
class Stage:
    """A server and its vendor."""

    vendor: RecordedDeepgram
    server: ServerProcess


@dataclass
class Client:
    """One session: what its client got so far."""

    socket: ClientConnection
    own_fences: int = 0
    """Of the row: their answers are part of what it got."""
    texts: list[str] = field(default_factory=list[str])
    order: list[str | bytes] = field(default_factory=list[str | bytes])
    fenced: bool = False
    over: bool = False

    async def read(self) -> None:
        with suppress(ConnectionClosed):
            async for message in self.socket:
                if isinstance(message, str) and FENCE_ANSWER in message:
                    self.own_fences -= 1
                    if self.own_fences < 0:
                        self.fenced = True
                        continue
                self.order.append(message)
                if isinstance(message, str):
                    self.texts.append(message)
        self.over = True

    @property
    def audio(self) -> bytes:
        return b"".join(one for one in self.order if isinstance(one, bytes))

    def count(self, kind: str) -> int:
        return sum(json.loads(text)["type"] == kind for text in self.texts)


@pytest.fixture(scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Stage, None]:
    folder: Path = tmp_path_factory.mktemp("deepgram")
    async with open_recorded_deepgram() as vendor:
        variables = {
            "DEEPGRAM_API_KEY": "test-key",
            "DEEPGRAM_WS_URL": f"ws://127.0.0.1:{vendor.port}",
            "DEEPGRAM_BASE_URL": f"http://127.0.0.1:{vendor.port}",
        }
        server = await asyncio.to_thread(start_server, {"env": variables}, folder, {})
        try:
            yield Stage(vendor, server)
        finally:
            assert await asyncio.to_thread(server.stop) == 0


@dataclass
class Played:
    """A row that was played to its end."""

    row: Row
    client: Client
    stream: Stream
    vendor: RecordedDeepgram
    models: tuple[str, str]

    @property
    def asked(self) -> list[tuple[str, str]]:
        """The requests for speech of this row's voice."""
        mine = (one for one in self.vendor.requests if f"model={self.models[1]}&" in one.path)
        return [(one.path, one.body) for one in mine]


def config_of(row: Row) -> tuple[dict[str, Any], tuple[str, str]]:
    """Return the row's config and its models, which are its own: nothing is remembered for it."""
    number = [one["id"] for one in RECORDING.rows].index(row["id"])
    models = (f"nova-3-row{number}", f"aura-2-row{number}-en")
    config = json.loads(json.dumps(CONFIG))
    for name, model in zip(("stt_config", "tts_config"), models, strict=True):
        config[name]["model"] = model
        config[name] |= row.get("config_change", {}).get(name, {})
    return config, (config["stt_config"]["model"], config["tts_config"]["model"])


@asynccontextmanager
async def play(row: Row, stage: Stage) -> AsyncGenerator[Played, None]:
    """Open the row's session, follow its script by the clock, and hold the session open."""
    config, models = config_of(row)
    seen = len(stage.vendor.streams)
    url = f"ws://127.0.0.1:{stage.server.port}/ws"
    async with connect(url, max_size=None) as socket:
        await socket.send(json.dumps(config))
        ready = json.loads(await socket.recv())
        assert ready["type"] == "ready", ready
        await until(lambda: len(stage.vendor.streams) > seen)
        client = Client(socket, sum(FENCE_ANSWER in text for text in recorded_texts(row)))
        reading = asyncio.create_task(client.read())
        played = Played(row, client, stage.vendor.streams[seen], stage.vendor, models)
        try:
            await follow(played)
            yield played
        finally:
            reading.cancel()
            await asyncio.wait([reading])


async def follow(played: Played) -> None:
    """Do what the script says, when it says."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    for at_ms, who, what in played.row["script"]:
        await asyncio.sleep(began + at_ms / 1000 - loop.time())
        await act(played, who, what)


async def act(played: Played, who: str, what: Any) -> None:  # noqa: ANN401 - any JSON
    match who:
        case "client":
            await played.client.socket.send(json.dumps(what))
        case "audio":
            await played.client.socket.send(bytes(what["binary"]))
        case "vendor":
            text = what if isinstance(what, str) else json.dumps(what)
            with suppress(ConnectionError):  # we may have hung up already
                await played.stream.socket.send_str(text)
        case "vendor_binary":
            await played.stream.socket.send_bytes(bytes(what["binary"]))
        case "vendor_close":
            await played.stream.socket.close()
        case "vendor_drop":
            assert played.stream.request.transport is not None
            played.stream.request.transport.abort()
        case "client_close":
            await played.client.socket.close()
        case other:
            raise ValueError(f"nobody does {other}")


async def settle(client: Client) -> None:
    """Let everything that was asked for before be answered."""
    await client.socket.send(FENCE)
    await until(lambda: client.fenced or client.over)


def recorded_texts(row: Row) -> list[str]:
    """Return the texts that the client got; a time stamp in them is 0."""
    texts = (one["text"] for one in row["client_got"] if "text" in one)
    return [text.replace("<ms>", "0") for text in texts]


def recorded_bytes(row: Row) -> int:
    total = 0
    for one in row["client_got"]:
        for size in one.get("binary", ()):
            width, _, times = str(size).partition(" x")
            total += int(width) * int(times or 1)
    return total


def letters(audio: bytes) -> str:
    """Return which letters were heard, in order."""
    return "".join(chr(letter) for letter, _ in groupby(audio))


def check_handshake(played: Played) -> None:
    recorded = played.row["vendor_handshake"]
    assert played.stream.path == recorded["path"].replace("<model>", played.models[0])
    assert played.stream.authorization == dict(recorded["headers"])["authorization"]


def check_requests(played: Played) -> None:
    """Hold the requests against the recorded ones; ours may be tried again where one failed."""
    recorded = [
        (one["path"].replace("<model>", played.models[1]), json.loads(one["body"]))
        for one in played.row["vendor_requests"]
    ]
    ours = [(path, json.loads(body)) for path, body in played.asked]
    failing = any(re.fullmatch(r"E\d+|CUT.*", body["text"]) for _, body in recorded)
    if failing:
        ours = [one for one, _ in groupby(ours)]
    if "clear" in played.row["id"]:
        assert all(one in ours for one in recorded)  # what comes next may be made ahead
    else:
        assert ours == recorded


def check_texts(played: Played) -> None:
    wanted = recorded_texts(played.row)
    ours = [re.sub(r'(?<="timestamp":)\d{13}', "0", text) for text in played.client.texts]
    assert len(ours) == len(wanted), ours
    for text, one in zip(wanted, ours, strict=True):
        assert matches(json.loads(text), json.loads(one)), (one, text)


def check_prefixes(played: Played) -> None:
    """Hold kinds and order; of an error, what its text begins with and mentions."""
    kinds = [json.loads(text)["type"] for text in recorded_texts(played.row)]
    assert [json.loads(text)["type"] for text in played.client.texts] == kinds
    error = json.loads(played.client.texts[0])["message"]
    assert all(words.lower() in error.lower() for words in played.row["mentions"])
    assert error.startswith(played.row["mentions"][0])


@pytest.mark.parametrize("row", rows("upstream"), ids=named)
async def test_a_stream_is_asked_for_as_recorded(row: Row, stage: Stage) -> None:
    async with play(row, stage) as played:
        if row["ours"] == "same":
            check_handshake(played)
            wanted = (
                [one.get("bin", one.get("text")) for one in row["vendor_got"]][:-1]
                if ("vendor_got" in row)
                else []
            )
            await until(lambda: len(played.stream.got) >= len(wanted))
            assert played.stream.got[: len(wanted)] == wanted
        else:
            await check_difference(played)


async def check_difference(played: Played) -> None:
    """Hold what a row expects in words."""
    path = played.stream.path
    match played.row["id"]:
        case "upstream.query-pcm":
            assert "&encoding=linear16&" in path
        case "upstream.query-language-blank":
            assert "language" not in path
        case "upstream.query-model-blank":
            assert path.startswith("/v1/listen?model=nova-3&")
        case "upstream.frames-verbatim":
            await until(lambda: played.stream.got == [4, 100_000])
        case "upstream.client-close":
            await until(lambda: played.stream.is_over)
            assert played.stream.got == [640, '{"type":"CloseStream"}']
        case other:
            pytest.fail(f"nobody has said what {other} expects")


async def test_a_rate_of_zero_is_refused(stage: Stage) -> None:
    (row,) = [one for one in RECORDING.rows if one["id"] == "upstream.query-rate-0"]
    error = await refused(config_of(row)[0], stage)
    assert "stt_config.sample_rate" in error


async def refused(config: Mapping[str, Any], stage: Stage) -> str:
    """Return why a config is refused; nothing else may be said."""
    async with connect(f"ws://127.0.0.1:{stage.server.port}/ws") as socket:
        await socket.send(json.dumps(config))
        client = Client(socket)
        reading = asyncio.create_task(client.read())
        await until(lambda: client.texts)
        await settle(client)
        reading.cancel()
        await asyncio.wait([reading])
        (text,) = client.texts
        error: str = json.loads(text)["message"]
        return error


REASONS = {
    "refused.401": "Invalid credentials.",
    "refused.400": "bad model",
    "refused.402": "402 Payment Required",
    "refused.429": "429 Too Many Requests",
    "refused.500": "500 Internal Server Error",
    "refused.200": "200 OK",
}


@pytest.mark.parametrize("row", [r for r in rows("refused") if r["id"] in REASONS], ids=named)
async def test_a_refused_stream_is_told_once_with_the_vendors_reason(
    row: Row, stage: Stage
) -> None:
    status, headers, body = row["vendor_answer"]
    stage.vendor.refuse = (status, headers, body)
    try:
        error = await refused(json.loads(row["frames"][0]), stage)
    finally:
        stage.vendor.refuse = None
    assert error.startswith("Failed to start voice manager: STT error: ") or status == 400
    assert REASONS[row["id"]] in error


@pytest.mark.parametrize("row", rows("vendor-messages"), ids=named)
async def test_a_message_of_the_vendor_means_what_was_recorded(row: Row, stage: Stage) -> None:
    async with play(row, stage) as played:
        await until(lambda: len(played.client.texts) >= len(recorded_texts(row)))
        await settle(played.client)
        if row["ours"] == "same":
            check_texts(played)
        else:  # the same error; then another stream takes over
            assert played.client.texts[:1] == recorded_texts(row)[:1]
            await until(lambda: played.vendor.streams[-1] is not played.stream)


@pytest.mark.parametrize("row", rows("tts", "pron", "chunks"), ids=named)
async def test_speech_is_asked_for_and_passed_on_as_recorded(row: Row, stage: Stage) -> None:
    if row["id"] == "chunks.rate-50":
        assert "tts_config.sample_rate" in await refused(config_of(row)[0], stage)
        return
    async with play(row, stage) as played:
        client = played.client
        await until(lambda: len(client.texts) >= len(recorded_texts(row)))
        await settle(client)
        if row["ours"] == "same":
            check_requests(played)
            check_texts(played)
            check_audio(played)
        elif row["ours"] == "prefix":
            check_prefixes(played)
        else:
            check_speech_difference(played)


def check_audio(played: Played) -> None:
    wanted, ours = recorded_bytes(played.row), len(played.client.audio)
    if "clear" in played.row["id"] and "DRIP" in json.dumps(played.row["script"]):
        assert 0 < ours < DRIP_BYTES  # how far it came is a matter of milliseconds
    else:
        assert ours == wanted
    firsts = [
        each.split(" x")[0]
        for one in played.row["client_got"]
        for each in one.get("first_bytes", ())
    ]
    if firsts:
        assert letters(played.client.audio) == "".join(firsts)


PRONOUNCED = {
    "pron.pronunciations": "sequel $5 and MySQL, sql; sequel's see plus plus dot net",
    "pron.pron-dollar-name": "$0 ${x} $$1",
}
REFORMED = {
    "chunks.chunks-linear16-11025": ("encoding=linear16&container=none&sample_rate=16000", 3_446),
    "chunks.chunks-linear16-22050": ("encoding=linear16&container=none&sample_rate=24000", 4_594),
    "chunks.chunks-linear16-44100": ("encoding=linear16&container=none&sample_rate=48000", 4_594),
    "chunks.chunks-pcm-16000": ("encoding=linear16&container=none&sample_rate=16000", 5_000),
    "chunks.chunks-pcm-24000": ("encoding=linear16&container=none&sample_rate=24000", 5_000),
    "chunks.chunks-alaw-8000": ("encoding=alaw&container=none&sample_rate=8000", 5_000),
    "chunks.chunks-alaw-44100": ("encoding=linear16&container=none&sample_rate=48000", 2_297),
    "chunks.chunks-mp3-24000": ("encoding=mp3", 5_000),
    "chunks.chunks-wav-24000": ("encoding=linear16&container=none&sample_rate=24000", 5_044),
    "chunks.chunks-opus-48000": ("encoding=opus&container=ogg", 5_000),
    "chunks.chunks-LINEAR16-24000": ("encoding=linear16&container=none&sample_rate=24000", 5_000),
}
"""What is asked of the vendor, and how many bytes come of its 5000."""


def check_speech_difference(played: Played) -> None:
    """Hold what a row expects in words."""
    name = str(played.row["id"])
    if name in PRONOUNCED:
        assert [json.loads(body)["text"] for _, body in played.asked] == [PRONOUNCED[name]]
    elif name in REFORMED:
        query, size = REFORMED[name]
        assert [path for path, _ in played.asked] == [f"/v1/speak?model={played.models[1]}&{query}"]
        assert abs(len(played.client.audio) - size) <= 2
    elif name == "tts.error-empty-body":
        assert (played.client.audio, played.client.count("tts_playback_complete")) == (b"", 1)
    else:
        pytest.fail(f"nobody has said what {name} expects")
