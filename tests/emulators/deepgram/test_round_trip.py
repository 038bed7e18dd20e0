"""What the emulated Deepgram says, it understands: word for word, whatever the way between."""

import math
from collections.abc import Awaitable, Callable

import aiohttp
import pytest

from tests.emulators.deepgram import open_deepgram
from tests.emulators.deepgram.reading import read_all
from tests.emulators.pacing import Pace
from tests.emulators.rules import Chunk
from tests.emulators.server import Emulator

TEXT = "Every word that is said arrives, none is lost or doubled: naïve façades included."
pytestmark = pytest.mark.slow


async def _spoken(http: aiohttp.ClientSession, emulator: Emulator, query: str) -> bytes:
    url = f"{emulator.http_url}/v1/speak?container=none&{query}"
    async with http.post(url, json={"text": TEXT}) as answer:
        return await answer.read()


async def _sung(http: aiohttp.ClientSession, emulator: Emulator, query: str) -> bytes:
    async with http.ws_connect(f"{emulator.ws_url}/v1/speak?{query}") as socket:
        for word in TEXT.split():
            await socket.send_json({"type": "Speak", "text": f"{word} "})
        await socket.send_json({"type": "Flush"})
        await socket.send_json({"type": "Close"})
        messages = await read_all(socket)
    return b"".join(each["bytes"] for each in messages if each["type"] == "audio")


async def _heard(http: aiohttp.ClientSession, emulator: Emulator, query: str, audio: bytes) -> str:
    async with http.ws_connect(f"{emulator.ws_url}/v1/listen?model=nova-3&{query}") as socket:
        for start in range(0, len(audio), 641):  # torn samples, too
            await socket.send_bytes(audio[start : start + 641])
        await socket.send_json({"type": "CloseStream"})
        messages = await read_all(socket)
    finals = [each for each in messages if each["type"] == "Results" and each["is_final"]]
    texts = (each["channel"]["alternatives"][0]["transcript"] for each in finals)
    return " ".join(text for text in texts if text)


@pytest.mark.parametrize("speak", [_spoken, _sung])
@pytest.mark.parametrize(
    "query",
    [
        "encoding=linear16&sample_rate=16000",
        "encoding=linear16&sample_rate=48000",
        "encoding=mulaw&sample_rate=8000",
        "encoding=alaw&sample_rate=8000",
    ],
)
async def test_every_word_survives(
    http: aiohttp.ClientSession,
    query: str,
    speak: Callable[[aiohttp.ClientSession, Emulator, str], Awaitable[bytes]],
) -> None:
    async with open_deepgram(pace=Pace(speed=math.inf)) as emulator:
        audio = await speak(http, emulator, query)
        assert await _heard(http, emulator, query, audio) == TEXT


async def test_odd_chunks_and_short_endpoints_lose_nothing(http: aiohttp.ClientSession) -> None:
    query = "encoding=linear16&sample_rate=16000"
    async with open_deepgram(pace=Pace(speed=math.inf)) as emulator:
        emulator.rules.add(Chunk(bytes=333, odd=True))
        audio = await _sung(http, emulator, query)
        assert await _heard(http, emulator, f"{query}&endpointing=10", audio) == TEXT
    frames = emulator.recorder.select(kind="binary", sender="emulator", path="/v1/speak")
    assert all(size % 2 for size in frames.sizes[:-1])
