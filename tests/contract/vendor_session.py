"""A recorded session against a vendor, played by the clock: a client, a server, a fake Deepgram.

A row is a script of who does what when, and what the client got of it.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.contract.runner import RECORDED, Row, ServerProcess, load_recording, start_server
from tests.fakes.recorded_deepgram import RecordedDeepgram, Stream, open_recorded_deepgram
from tests.fakes.vendor_server import until

RECORDING = load_recording("deepgram_session")
CONFIG: Mapping[str, Any] = json.loads(
    (RECORDED / "deepgram_session.json").read_text(encoding="utf-8")
)["about"]["config"]
FENCE = '{"type":"send_message","message":"fence","role":"x"}'
FENCE_ANSWER = (
    "LiveKit client not configured. Send config message with livekit configuration first."
)
REFUSAL_LIMIT_S = 20.0
CLOSE_WITHOUT_CODE = b"\x88\x00"


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


@asynccontextmanager
async def open_server(
    environment: Mapping[str, Any], folder: Path, **ports: int
) -> AsyncGenerator[ServerProcess, None]:
    """Start a server as an environment says; it must end well with the block."""
    await asyncio.to_thread(folder.mkdir, exist_ok=True)
    server = await asyncio.to_thread(start_server, environment, folder, ports)
    try:
        yield server
    finally:
        assert await asyncio.to_thread(server.stop) == 0


@asynccontextmanager
async def open_servers_with_vendor(
    environments: Mapping[str, Any], folder: Path
) -> AsyncGenerator[tuple[RecordedDeepgram, Mapping[str, ServerProcess]], None]:
    """Start a fake Deepgram and a server for each environment."""
    async with AsyncExitStack() as stack:
        vendor = await stack.enter_async_context(open_recorded_deepgram())
        servers = {
            name: await stack.enter_async_context(
                open_server(environment, folder / name, deepgram=vendor.port)
            )
            for name, environment in environments.items()
        }
        yield vendor, servers


@asynccontextmanager
async def open_stage(folder: Path) -> AsyncGenerator[Stage, None]:
    """Start a fake Deepgram and a server that uses it, as the rows' environment says."""
    environments = {"deepgram": RECORDING.environments["deepgram"]}
    async with open_servers_with_vendor(environments, folder) as (vendor, servers):
        yield Stage(vendor, servers["deepgram"])


def rows(*groups: str) -> list[Row]:
    """Return the rows of some groups."""
    return [row for row in RECORDING.rows if row["group"] in groups]


def row_of(name: str) -> Row:
    """Return one row."""
    (row,) = [row for row in RECORDING.rows if row["id"] == name]
    return row


def named(row: Row) -> str:
    return str(row["id"])


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
            text = what if isinstance(what, str) else json.dumps(vendor_message(what))
            with suppress(ConnectionError):  # we may have hung up already
                await played.stream.socket.send_str(text)
        case "vendor_binary":
            await played.stream.socket.send_bytes(bytes(what["binary"]))
        case "vendor_close" if what["binary"]:
            await played.stream.socket.close()
        case "vendor_close":
            assert played.stream.request.transport is not None
            played.stream.request.transport.write(CLOSE_WITHOUT_CODE)
        case "vendor_drop":
            assert played.stream.request.transport is not None
            played.stream.request.transport.abort()
        case "client_close":
            await played.client.socket.close()
        case "client_drop":
            played.client.socket.transport.abort()
        case other:
            raise ValueError(f"nobody does {other}")


def vendor_message(what: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a message as the vendor sends it; results are recorded in short."""
    if "Results" not in what:
        return what
    text, final, speech_final = what["Results"]
    return {
        "type": "Results",
        "is_final": final == "final",
        "speech_final": speech_final == "speech_final",
        "channel": {"alternatives": [{"transcript": text, "confidence": 0.9}]},
    }


async def refusal_of(config: Mapping[str, Any], server: ServerProcess) -> str:
    """Return why a config is refused; nothing else may be said."""
    async with connect(f"ws://127.0.0.1:{server.port}/ws") as socket:
        await socket.send(json.dumps(config))
        async with asyncio.timeout(REFUSAL_LIMIT_S):
            error: str = json.loads(await socket.recv())["message"]
            await socket.send(FENCE)
            assert FENCE_ANSWER in str(await socket.recv())
        return error


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
