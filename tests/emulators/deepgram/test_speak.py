"""`/v1/speak` of the emulated Deepgram: request and socket."""

import asyncio
import io
import math
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import av
import numpy as np
import pytest

from tests.emulators.clock import SteppedClock
from tests.emulators.deepgram import open_deepgram
from tests.emulators.deepgram.reading import SPEAK, read, read_all, shorts
from tests.emulators.pacing import Pace
from tests.emulators.rules import Action, DropAfter, ErrorMessage, Hang, MaxSession, Quota, Reorder
from tests.emulators.server import Emulator
from tests.emulators.speech import Hum, index_of

AT_ONCE = Pace(speed=math.inf)


@pytest.mark.parametrize(
    ("query", "content_type", "size"),
    [
        ("encoding=linear16&container=none&sample_rate=24000", "l16;rate=24000", 28_800),
        ("encoding=linear16&container=wav&sample_rate=8000", "l16;rate=8000", 9_644),
        ("", "l16;rate=24000", 28_844),
        ("encoding=mulaw&container=none", "mulaw;rate=8000", 4_800),
        ("encoding=alaw&container=none&sample_rate=16000", "alaw;rate=16000", 9_600),
        ("container=none&sample_rate=16000&speed=1.5", "l16;rate=16000", 12_800),
    ],
)  # fmt: skip
async def test_raw_audio_is_as_long_as_its_text(
    http: aiohttp.ClientSession, query: str, content_type: str, size: int
) -> None:
    async with open_deepgram(voice=Hum(), pace=AT_ONCE) as emulator:
        url = f"{emulator.http_url}/v1/speak?{query}"
        async with http.post(url, json={"text": "0123456789"}) as answer:
            assert answer.headers["content-type"] == f"audio/{content_type};channels=1"
            assert answer.headers["transfer-encoding"] == "chunked"
            assert answer.headers["dg-char-count"] == "10"
            assert answer.headers["dg-model-name"] == "aura-asteria-en"
            assert {"dg-request-id", "dg-model-uuid"} <= set(answer.headers)
            assert len(await answer.read()) == size


@pytest.mark.parametrize("encoding", ["linear16", "mulaw", "alaw"])
async def test_a_wav_file_can_be_played(http: aiohttp.ClientSession, encoding: str) -> None:
    samples, rate = await _decoded(http, f"encoding={encoding}&container=wav&sample_rate=8000")
    assert (rate, len(samples)) == (8_000, 4_800)


@pytest.mark.parametrize(
    ("query", "rate"),
    [
        ("encoding=mp3", 22_050),
        ("encoding=mp3&bit_rate=32000", 22_050),
        ("encoding=opus&container=ogg", 48_000),
        ("encoding=flac&sample_rate=16000", 16_000),
        ("encoding=aac&bit_rate=48000", 22_050),
    ],
)
async def test_compressed_audio_is_real(http: aiohttp.ClientSession, query: str, rate: int) -> None:
    samples, real_rate = await _decoded(http, query)
    assert real_rate == rate
    assert len(samples) / rate == pytest.approx(0.6, abs=0.15)  # coders pad
    assert np.abs(samples).max() > 200


async def _decoded(http: aiohttp.ClientSession, query: str) -> tuple[np.ndarray[Any, Any], int]:
    """Return the samples of "0123456789" and their rate."""
    async with open_deepgram(voice=Hum(), pace=AT_ONCE) as emulator:
        url = f"{emulator.http_url}/v1/speak?{query}"
        async with http.post(url, json={"text": "0123456789"}) as answer:
            assert answer.status == 200
            file = io.BytesIO(await answer.read())
    with av.open(file, "r") as played:
        stream = played.streams.audio[0]
        resampler = av.AudioResampler("s16", "mono", stream.rate)
        frames = [each for frame in played.decode(stream) for each in resampler.resample(frame)]
        return np.concatenate([frame.to_ndarray()[0] for frame in frames]), stream.rate


async def test_audio_is_paced_by_the_clock(http: aiohttp.ClientSession) -> None:
    clock = SteppedClock()
    async with open_deepgram(clock=clock, voice=Hum()) as emulator:
        url = f"{emulator.http_url}/v1/speak?encoding=mulaw&container=none"
        asking = asyncio.ensure_future(http.post(url, json={"text": "0123456789"}))
        await emulator.recorder.wait_for(1, kind="binary")
        answer = await asking
        await clock.advance(10)
        assert len(await answer.read()) == 4_800
    chunks = emulator.recorder.select(kind="binary")
    assert chunks.sizes == [800] * 6
    assert chunks.gaps_s == pytest.approx([0.05] * 5)


@asynccontextmanager
async def _speaking(
    http: aiohttp.ClientSession,
    *actions: Action,
    clock: SteppedClock | None = None,
    pace: Pace = AT_ONCE,
) -> AsyncGenerator[tuple[Emulator, aiohttp.ClientWebSocketResponse], None]:
    async with open_deepgram(clock=clock, voice=Hum(), pace=pace) as emulator:
        emulator.rules.add(*actions)
        async with http.ws_connect(f"{emulator.ws_url}/v1/speak", params=SPEAK) as socket:
            greeting = await read(socket)
            assert (greeting["type"], greeting["model_name"]) == ("Metadata", "aura-2-thalia-en")
            yield emulator, socket


async def _say(socket: aiohttp.ClientWebSocketResponse, *messages: str) -> None:
    """Send a Speak for a text that is no command."""
    for each in messages:
        is_command = each in {"Flush", "Clear", "Close"}
        message = {"type": each} if is_command else {"type": "Speak", "text": each}
        await socket.send_json(message)


def _audio(messages: Sequence[dict[str, Any]]) -> bytes:
    return b"".join(each["bytes"] for each in messages if each["type"] == "audio")


async def test_flushed_comes_behind_the_last_audio(http: aiohttp.ClientSession) -> None:
    async with _speaking(http) as (_, socket):
        await _say(socket, "01234", "56789", "Flush", "abc", "Flush", "Close")
        messages = await read_all(socket)
    assert shorts(messages) == ["audio", "Flushed", "audio", "Flushed", "close 1000"]
    assert [each.get("sequence_id") for each in messages if each["type"] == "Flushed"] == [0, 1]
    assert len(_audio(messages)) == 13 * 60 * 32


async def test_nothing_is_said_before_a_flush_or_enough_text(http: aiohttp.ClientSession) -> None:
    async with _speaking(http) as (emulator, socket):
        await _say(socket, "Too short. ", "Flush")
        await read(socket)
        await _say(socket, "x" * 100)
        await emulator.recorder.wait_for(3, kind="text", sender="client")
        assert emulator.stats.contexts == 0
        await _say(socket, "y" * 20 + ". And", "Close")
        sizes = len(_audio(await read_all(socket)))
    assert sizes == (11 + 100 + 20 + 5) * 60 * 32 - 3200  # all but the first chunk, read above


async def test_closing_says_what_is_left(http: aiohttp.ClientSession) -> None:
    async with _speaking(http) as (_, socket):
        await _say(socket, "bye", "Close")
        messages = await read_all(socket)
    assert shorts(messages) == ["audio", "close 1000"]
    assert len(_audio(messages)) == 3 * 60 * 32


@pytest.mark.parametrize(("actions", "late"), [((), 2), ((Reorder(n=5),), 5)])
async def test_some_cancelled_audio_comes_before_cleared(
    http: aiohttp.ClientSession, actions: tuple[Action, ...], late: int
) -> None:
    clock = SteppedClock()
    async with _speaking(http, *actions, clock=clock, pace=Pace()) as (emulator, socket):
        await _say(socket, "a long utterance " * 10, "Flush", "the next one", "Flush")
        assert (await read(socket))["type"] == "audio"
        await emulator.recorder.wait_for(4, kind="text", sender="client")
        await _say(socket, "Clear")
        messages = [await read(socket) for _ in range(late + 1)]
        assert [each["type"] for each in messages] == ["audio"] * late + ["Cleared"]
        await _say(socket, "fresh", "Flush")
        await emulator.recorder.wait_for(7, kind="text", sender="client")
        await clock.advance(10)
        await _say(socket, "Close")
        fresh = await read_all(socket)
    assert shorts(fresh) == ["audio", "Flushed", "close 1000"]
    assert len(_audio(fresh)) == 5 * 60 * 32
    assert index_of(np.frombuffer(_audio(fresh), "<i2")) == 1


async def test_clearing_when_nothing_is_said_is_answered(http: aiohttp.ClientSession) -> None:
    async with _speaking(http) as (_, socket):
        await _say(socket, "never said", "Clear", "Flush", "Close")
        assert shorts(await read_all(socket)) == ["Cleared", "Flushed", "close 1000"]


@pytest.mark.parametrize("quota", [None, Quota(n=3, window_s=10, what="flush")])
async def test_too_many_flushes_are_warned_of_and_wait(
    http: aiohttp.ClientSession, quota: Quota | None
) -> None:
    clock = SteppedClock()
    limit, window_s = (20, 60.0) if quota is None else (quota.n, quota.window_s)
    actions = () if quota is None else (quota,)
    async with _speaking(http, *actions, clock=clock) as (emulator, socket):
        await _say(socket, *["Flush"] * (limit + 1))
        for _ in range(limit):
            assert (await read(socket))["type"] == "Flushed"
        warning = await read(socket)
        assert (warning["type"], warning["code"]) == ("Warning", "EXCESSIVE_FLUSH")
        await clock.advance(window_s - 0.5)
        assert len(emulator.recorder.select(type="Flushed")) == limit
        await clock.advance(1)
        assert (await read(socket))["sequence_id"] == limit


@pytest.mark.parametrize(
    "message",
    [
        "nonsense", "[]", '{"type":"Dance"}', '{"type":"Speak"}', '{"type":"Speak","text":1}',
        '{"type":"Flush","now":true}', '{"type":"Speak","text":"' + "x" * 2001 + '"}', b"audio",
    ],
)  # fmt: skip
async def test_a_message_that_cannot_be_read_ends_the_socket(
    http: aiohttp.ClientSession, message: str | bytes
) -> None:
    async with _speaking(http) as (_, socket):
        if isinstance(message, str):
            await socket.send_str(message)
        else:
            await socket.send_bytes(message)
        end = await read(socket)
    assert end["code"] == 1008
    assert "DATA-0000" in end["reason"]


@pytest.mark.parametrize(
    ("rule", "end"),
    [
        (DropAfter(bytes=20_000, mode="reset"), "closed"),
        (DropAfter(bytes=20_000, mode="eof"), "closed"),
        (DropAfter(bytes=20_000, mode="close", code=1011), "close 1011"),
        (ErrorMessage(bytes=20_000), "close 1011"),
        (MaxSession(s=0), "close 1011"),
    ],
)
async def test_a_socket_that_is_dropped_in_the_midst_of_audio_ends_once(
    http: aiohttp.ClientSession, caplog: pytest.LogCaptureFixture, rule: Action, end: str
) -> None:
    async with _speaking(http, rule) as (emulator, socket):
        await _say(socket, "a long utterance " * 10, "Flush", "the next one", "Flush")
        messages = await read_all(socket)
        assert shorts(messages)[-1] == end
        ends = [one for one in emulator.recorder.all if one.kind in {"close", "eof"}]
        assert [one.sender for one in ends] == ["emulator"]
    assert emulator.stats.sockets_open == emulator.stats.contexts == 0
    assert not caplog.records


@pytest.mark.parametrize("rule", [Hang(bytes=20_000), Hang()])
async def test_a_client_may_leave_a_socket_that_hangs(
    http: aiohttp.ClientSession, caplog: pytest.LogCaptureFixture, rule: Action
) -> None:
    async with open_deepgram(voice=Hum(), pace=AT_ONCE) as emulator:
        emulator.rules.add(rule)
        async with http.ws_connect(f"{emulator.ws_url}/v1/speak", params=SPEAK) as socket:
            await _say(socket, "a long utterance " * 10, "Flush", "Close")
            await emulator.recorder.wait_for(3, kind="text", sender="client")
        await emulator.recorder.wait_for(1, kind="close", sender="client")
    assert emulator.stats.sockets_open == emulator.stats.contexts == 0
    assert not caplog.records


async def test_a_client_may_vanish_in_the_midst_of_audio(
    http: aiohttp.ClientSession, caplog: pytest.LogCaptureFixture
) -> None:
    clock = SteppedClock()
    async with _speaking(http, clock=clock, pace=Pace()) as (emulator, socket):
        await _say(socket, "a long utterance " * 10, "Flush")
        await read(socket)
        vendor = await emulator.socket()
        await socket.close()
        await emulator.recorder.wait_for(1, kind="close", sender="client")
        await clock.advance(20)
        assert vendor.is_gone
    assert emulator.stats.contexts == 0
    assert not caplog.records


async def test_sockets_and_requests_of_a_key_are_counted_apart(
    http: aiohttp.ClientSession,
) -> None:
    limits = {"speak": 1, "speak-socket": 1}
    clock = SteppedClock()
    async with open_deepgram(clock=clock, concurrency=limits) as emulator:
        asking = asyncio.ensure_future(
            http.post(f"{emulator.http_url}/v1/speak", json={"text": "x" * 100})
        )
        await emulator.recorder.wait_for(1, kind="binary")
        async with http.post(f"{emulator.http_url}/v1/speak", json={"text": "x"}) as answer:
            assert answer.status == 429
        async with http.ws_connect(f"{emulator.ws_url}/v1/speak"):
            with pytest.raises(aiohttp.WSServerHandshakeError):
                await http.ws_connect(f"{emulator.ws_url}/v1/speak")
        (await asking).close()
