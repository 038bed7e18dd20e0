"""From `speak` to the first byte of audio, over `/ws` and `POST /speak`, new and cached.

The provider `counting` has its audio ready at once, so what is left is ours. Beside it, in the same
run, a plain aiohttp server that knows no cache. `disk` is the first time after a restart.
"""

import asyncio
import json
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypedDict

from typing_extensions import override

from bench.load import connect, hang_up
from bench.servers import running

ROUNDS = 300
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
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

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

    async def ask(self, text: str) -> float:
        """Ask for a text; return the milliseconds to the first byte of audio."""
        body = json.dumps(
            {
                "text": text,
                "tts_config": {"provider": "counting", "model": "", "sample_rate": 16_000},
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


async def ask_socket(port: int, texts: Sequence[str]) -> list[float]:
    """Let one session say the texts, one after the other."""
    [caller] = await connect(port, 1)
    for text in texts:
        await caller.speak(json.dumps({"type": "speak", "text": text}).encode())
    await hang_up([caller])
    return caller.first_audio_ms


async def ask_route(port: int, texts: Sequence[str]) -> list[float]:
    """Ask for the texts over one kept connection."""
    transport, asker = await asyncio.get_running_loop().create_connection(Asker, "127.0.0.1", port)
    waits = [await asker.ask(text) for text in texts]
    transport.close()
    return waits


PATHS = {"/ws": ask_socket, "/speak": ask_route}


def texts_of(path: str) -> list[str]:
    """Return texts that nobody has said over another path."""
    return [f"Sentence number {number} of {path}." for number in range(ROUNDS)]


def figure(server: str, path: str, audio: str, waits: list[float]) -> FirstAudio:
    """Sum up, and say so."""
    ordered = sorted(waits)
    summed = FirstAudio(
        server=server,
        path=path,
        audio=audio,
        p50_ms=round(statistics.median(waits), 3),
        p99_ms=round(ordered[int(0.99 * len(ordered))], 3),
    )
    print(summed, flush=True)
    return summed


def measure(
    name: str, audios: Sequence[str], label: str, cache_path: Path | None = None
) -> list[FirstAudio]:
    """Run one server and ask it for the same texts once for each word of `audios`."""
    figures: list[FirstAudio] = []
    settings = {} if cache_path is None else {"CACHE_PATH": str(cache_path)}
    with running(name, core=0, settings=settings) as server:
        for path, ask in PATHS.items():
            asyncio.run(ask(server.port, ["Warm up."] * WARM_ROUNDS))
            for audio in audios:
                waits = asyncio.run(ask(server.port, texts_of(path)))
                figures.append(figure(label, path, audio, waits))
    return figures


def run() -> list[FirstAudio]:
    """Measure both servers, ours with and without a folder."""
    with TemporaryDirectory() as folder:
        kept = Path(folder)
        return [
            *measure("ours", ["new", "memory"], "ours"),
            *measure("ours", ["new", "memory"], "ours with cache.path", kept),
            *measure("ours", ["disk"], "ours with cache.path", kept),
            *measure("aiohttp", ["new"], "aiohttp"),
        ]


if __name__ == "__main__":
    run()
