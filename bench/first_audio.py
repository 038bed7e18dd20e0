"""From `speak` to the first byte of audio, over `/ws` and `POST /speak`, new and cached.

The provider `counting` has its audio ready at once, so what is left is ours. Beside it, in the same
run, a plain aiohttp server that knows no cache. `disk` is the first time after a restart.

Then the gap between utterances that wait in a queue, when the engine needs 100 ms to the first byte
of each; the peer asks its engine for the next utterance when it has sent the one before.

With `--provider deepgram` the engine is behind a socket, as a vendor is; its work is ours, too.
"""

import argparse
import asyncio
import json
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypedDict, cast

import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect
from typing_extensions import override

from bench.exchange import FRAME_S, SLOW_PIECES, config, speak
from bench.load import connect, hang_up, percentile
from bench.servers import PROVIDERS, SERVER_CORE, relaying, running

ROUNDS = 300
WRITING_S = 0.005
"""Before a new text when speech is kept in a folder: else it would also be measured how the answer
competes with the writing of the one before."""

QUEUED = 12
"""Utterances said one after the other, to look at the gaps between them."""

UTTERANCE_S = SLOW_PIECES * FRAME_S
BYTES_PER_S = 32_000
WARM_ROUNDS = 30
HEAD_END = b"\r\n\r\n"


class FirstAudio(TypedDict):
    """Milliseconds to the first byte."""

    server: str
    path: str
    audio: str
    p50_ms: float
    p99_ms: float


class Asker(asyncio.Protocol):
    """One kept connection that asks `POST /speak`; a client library would cost more than we do."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._done = asyncio.Event()
        self._answer = bytearray()
        self.first_byte_at = 0.0

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way to answer."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass

    @override
    def data_received(self, data: bytes) -> None:
        """Note when the body begins and when it ends."""
        now = time.perf_counter()
        self._answer += data
        head, end, body = bytes(self._answer).partition(HEAD_END)
        if body and not self.first_byte_at:
            self.first_byte_at = now
        if end and len(body) == content_length(head):
            self._done.set()

    async def ask(self, text: str, provider: str) -> float:
        """Ask for a text; return the milliseconds to the first byte of audio."""
        body = json.dumps(
            {
                "text": text,
                "tts_config": {"provider": provider, "model": "", "sample_rate": 16_000},
            }
        ).encode()
        self._done.clear()
        self._answer.clear()
        self.first_byte_at = 0.0
        assert self._transport
        began = time.perf_counter()
        self._transport.write(
            b"POST /speak HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
            b"content-length: %d\r\n\r\n%b" % (len(body), body)
        )
        async with asyncio.timeout(10):
            await self._done.wait()
        return (self.first_byte_at - began) * 1000


def content_length(head: bytes) -> int:
    """Read an answer's head."""
    status, *lines = head.lower().split(b"\r\n")
    assert b" 200 " in status + b" ", head
    return int(dict(line.split(b": ", 1) for line in lines)[b"content-length"])


async def ask_socket(port: int, texts: Sequence[str], pause_s: float, provider: str) -> list[float]:
    """Let one session say the texts, one after the other."""
    [caller] = await connect(port, 1, provider=provider)
    for text in texts:
        await caller.speak(speak(text))
        await asyncio.sleep(pause_s)
    await hang_up([caller])
    return caller.first_audio_ms


async def ask_route(port: int, texts: Sequence[str], pause_s: float, provider: str) -> list[float]:
    """Ask for the texts over one kept connection."""
    transport, asker = await asyncio.get_running_loop().create_connection(Asker, "127.0.0.1", port)
    waits: list[float] = []
    for text in texts:
        waits.append(await asker.ask(text, provider))
        await asyncio.sleep(pause_s)
    transport.close()
    return waits


PATHS = {"/ws": ask_socket, "/speak": ask_route}


def texts_of(path: str, rounds: int) -> list[str]:
    """Return texts that nobody has said over another path."""
    return [f"Sentence number {number} of {path}." for number in range(rounds)]


def figure(server: str, path: str, audio: str, waits: list[float]) -> FirstAudio:
    """Sum up, and say so."""
    summed = FirstAudio(
        server=server,
        path=path,
        audio=audio,
        p50_ms=round(statistics.median(waits), 3),
        p99_ms=round(percentile(waits, 0.99), 3),
    )
    print(
        f"  {server}, {path}, {audio}: p50 {summed['p50_ms']} / p99 {summed['p99_ms']} ms",
        flush=True,
    )
    return summed


def measure(
    name: str,
    audios: Sequence[str],
    label: str,
    rounds: int,
    provider: str,
    cache_path: Path | None = None,
) -> list[FirstAudio]:
    """Run one server and ask it for the same texts once for each word of `audios`."""
    figures: list[FirstAudio] = []
    settings = {} if cache_path is None else {"CACHE_PATH": str(cache_path)}
    with (
        relaying(provider) as vendor,
        running(name, core=SERVER_CORE, settings=settings | vendor) as server,
    ):
        for path, ask in PATHS.items():
            warming = ask(server.port, ["Warm up."] * WARM_ROUNDS, 0, provider)
            uvloop.run(warming)
            for audio in audios:
                pause_s = WRITING_S if cache_path and audio == "new" else 0
                waits = uvloop.run(ask(server.port, texts_of(path, rounds), pause_s, provider))
                figures.append(figure(label, path, audio, waits))
    return figures


class Gap(TypedDict):
    """What a listener hears between two utterances, ms of silence."""

    server: str
    gaps: int
    p50_ms: float
    most_ms: float


class Listener(WSListener):
    """Plays what comes as soon as it comes, and notes the silence before each utterance."""

    def __init__(self, provider: str) -> None:
        self._provider = provider
        self.ready = asyncio.Event()
        self.done = asyncio.Event()
        self.silences_ms: list[float] = []
        self._taken_bytes = 0
        self._plays_until = 0.0

    @override
    def on_ws_connected(self, transport: WSTransport) -> None:
        """Ask for the engine that needs time."""
        transport.send(WSMsgType.TEXT, config("slow", self._provider))

    @override
    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Play a frame."""
        if frame.msg_type != WSMsgType.BINARY:
            self.ready.set()
            return
        now = time.perf_counter()
        at = self._taken_bytes % round(UTTERANCE_S * BYTES_PER_S)
        if at == 0 and self._taken_bytes:
            self.silences_ms.append(max(0.0, now - self._plays_until) * 1000)
        size = len(frame.get_payload_as_bytes())
        self._taken_bytes += size
        self._plays_until = max(now, self._plays_until) + size / BYTES_PER_S
        if self._taken_bytes >= round(QUEUED * UTTERANCE_S * BYTES_PER_S):
            self.done.set()


async def listen(port: int, provider: str) -> list[float]:
    """Queue all utterances at once; return the silences between them, ms."""
    transport, listener = await ws_connect(lambda: Listener(provider), f"ws://127.0.0.1:{port}/ws")
    assert isinstance(listener, Listener)
    async with asyncio.timeout(30):
        await listener.ready.wait()
        for number in range(QUEUED):
            transport.send(WSMsgType.TEXT, speak(f"Sentence number {number}."))
        await listener.done.wait()
    transport.disconnect()
    await transport.wait_disconnected()
    return listener.silences_ms


def measure_gaps(name: str, provider: str) -> Gap:
    """Let one server say utterances that wait for each other."""
    with (
        relaying(provider) as vendor,
        running(name, core=SERVER_CORE, settings=vendor) as server,
    ):
        silences = uvloop.run(listen(server.port, provider))
    gap = Gap(
        server=name,
        gaps=len(silences),
        p50_ms=round(statistics.median(silences), 2),
        most_ms=round(max(silences), 2),
    )
    print(f"  {name}: silence between utterances p50 {gap['p50_ms']}, at most {gap['most_ms']} ms")
    return gap


class Figures(TypedDict):
    """All of it."""

    first_byte: list[FirstAudio]
    gaps_at_100_ms_to_the_first_byte: list[Gap]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what can be chosen."""
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="of each kind (300)")
    parser.add_argument(
        "--provider",
        choices=PROVIDERS,
        default=PROVIDERS[0],
        help="counting: inside the server; deepgram: behind a socket, as a vendor is",
    )


def run(chosen: argparse.Namespace) -> Figures:
    """Measure both servers, ours with and without a folder."""
    rounds: int = chosen.rounds
    provider: str = chosen.provider
    with TemporaryDirectory() as folder:
        kept = Path(folder)
        first_byte = [
            *measure("ours", ["new", "memory"], "ours", rounds, provider),
            *measure("ours", ["new", "memory"], "ours with cache.path", rounds, provider, kept),
            *measure("ours", ["disk"], "ours with cache.path", rounds, provider, kept),
            *measure("aiohttp", ["new"], "aiohttp", rounds, provider),
        ]
    gaps = [measure_gaps(name, provider) for name in ("ours", "aiohttp")]
    return Figures(first_byte=first_byte, gaps_at_100_ms_to_the_first_byte=gaps)
