"""`/v1/listen` of the emulated Deepgram: results, commands, endings."""

import hashlib
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from tests.emulators.clock import SteppedClock
from tests.emulators.deepgram import open_deepgram
from tests.emulators.deepgram.reading import LISTEN, read, read_all, short, shorts
from tests.emulators.hearing import Line
from tests.emulators.rules import Duplicate, ErrorMessage, FirstByte, Malformed, Quota
from tests.emulators.server import Emulator

SECOND = bytes(32_000)
FULL = {"interim_results": "true", "endpointing": "300"}


@asynccontextmanager
async def _listening(
    http: aiohttp.ClientSession,
    *lines: Line | str,
    clock: SteppedClock | None = None,
    query: Mapping[str, str] | None = None,
) -> AsyncGenerator[tuple[Emulator, aiohttp.ClientWebSocketResponse], None]:
    async with open_deepgram(clock=clock) as emulator:
        emulator.script(*lines)
        url = f"{emulator.ws_url}/v1/listen"
        async with http.ws_connect(url, params=LISTEN | dict(query or {})) as socket:
            yield emulator, socket


async def _finish(socket: aiohttp.ClientWebSocketResponse) -> list[dict[str, Any]]:
    await socket.send_json({"type": "CloseStream"})
    return await read_all(socket)


async def test_words_become_interims_then_a_final_that_ends_the_speech(
    http: aiohttp.ClientSession,
) -> None:
    line = Line("Book a table.", at_s=0.5)
    async with _listening(http, line, query=FULL) as (_, socket):
        await socket.send_bytes(SECOND * 2)
        messages = await _finish(socket)
    assert shorts(messages) == [
        "Book", "Book a", "Book a table.", "Book a table..!", ".", "Metadata", "close 1000",
    ]  # fmt: skip
    final = messages[3]
    assert (final["start"], final["duration"]) == (0.0, 1.7)
    assert final["channel"]["alternatives"][0]["words"][2] == {
        "word": "table", "start": 1.1, "end": 1.4, "confidence": 0.98,
    }  # fmt: skip


async def test_finals_only_unless_more_is_asked_for(http: aiohttp.ClientSession) -> None:
    async with _listening(http, Line("one two", at_s=0.1), query={"endpointing": "300"}) as (
        _,
        socket,
    ):
        await socket.send_bytes(SECOND * 2)
        assert shorts(await _finish(socket)) == ["one two.!", ".", "Metadata", "close 1000"]


async def test_voice_activity_and_utterance_ends_are_told_on_demand(
    http: aiohttp.ClientSession,
) -> None:
    events = FULL | {"vad_events": "true", "utterance_end_ms": "1000"}
    async with _listening(http, Line("hi", at_s=0.25), query=events) as (_, socket):
        await socket.send_bytes(SECOND * 2)
        messages = await _finish(socket)
    assert shorts(messages)[:4] == ["SpeechStarted", "hi", "hi.!", "UtteranceEnd"]
    assert messages[0] == {"type": "SpeechStarted", "channel": [0], "timestamp": 0.25}
    assert messages[3] == {"type": "UtteranceEnd", "channel": [0, 1], "last_word_end": 0.55}


async def test_punctuation_and_languages_are_told_on_demand(http: aiohttp.ClientSession) -> None:
    query = {"punctuate": "true", "language": "multi"}
    async with _listening(http, "Hello!", query=query) as (_, socket):
        await socket.send_bytes(SECOND * 2)
        [best] = (await read(socket))["channel"]["alternatives"]
    assert best["languages"] == ["en"]
    word = best["words"][0]
    assert (word["word"], word["punctuated_word"], word["language"]) == ("hello", "Hello!", "en")


async def test_long_speech_comes_in_several_finals(http: aiohttp.ClientSession) -> None:
    line = Line(" ".join("abcdefghijklmnopqrstuvwxyz"), at_s=0.0)
    async with _listening(http, line, query={"endpointing": "300"}) as (_, socket):
        for _ in range(9):
            await socket.send_bytes(SECOND)
        finals = [short(each) for each in await _finish(socket)][:-2]
    assert [text.count("!") for text in finals] == [0, 1, 0]
    assert "".join(finals).translate(str.maketrans("", "", " .!")) == "abcdefghijklmnopqrstuvwxyz"


async def test_finalize_forces_out_what_is_buffered(http: aiohttp.ClientSession) -> None:
    async with _listening(http, Line("one two three", at_s=0.0), query=FULL) as (_, socket):
        await socket.send_bytes(SECOND[:20_000])  # in the midst of the third word
        await socket.send_json({"type": "Finalize"})
        told = [short(await read(socket)) for _ in range(4)]
        assert told == ["one", "one two", "one two three", "one two three.^"]
        await socket.send_json({"type": "Finalize"})  # almost nothing is buffered: no answer
        assert shorts(await _finish(socket))[-2:] == ["Metadata", "close 1000"]


async def test_closing_tells_the_rest_and_sums_up(http: aiohttp.ClientSession) -> None:
    async with _listening(http, Line("last words", at_s=0.0)) as (_, socket):
        await socket.send_bytes(SECOND[:16_000])
        rest, summary, end = await _finish(socket)
    assert short(rest) == "last words."
    assert summary["sha256"] == hashlib.sha256(SECOND[:16_000]).hexdigest()
    assert (summary["duration"], summary["channels"]) == (0.5, 1)
    assert summary["request_id"] == rest["metadata"]["request_id"]
    assert end["code"] == 1000


async def test_an_empty_frame_closes_the_stream(http: aiohttp.ClientSession) -> None:
    async with _listening(http) as (_, socket):
        await socket.send_bytes(b"")
        assert shorts(await read_all(socket)) == ["Metadata", "close 1000"]


async def test_silence_of_the_client_ends_the_stream(http: aiohttp.ClientSession) -> None:
    clock = SteppedClock()
    async with _listening(http, clock=clock) as (emulator, socket):
        await clock.advance(9)
        await socket.send_json({"type": "KeepAlive"})
        await emulator.recorder.wait_for(1, type="KeepAlive")
        await clock.advance(9.5)
        assert not emulator.recorder.select(kind="close")
        await clock.advance(1)
        end = await read(socket)
    assert end["code"] == 1011
    assert "net0001" in end["reason"]


async def test_a_keep_alive_in_a_binary_frame_is_audio(http: aiohttp.ClientSession) -> None:
    async with _listening(http) as (_, socket):
        await socket.send_bytes(json.dumps({"type": "KeepAlive"}).encode())
        messages = await _finish(socket)
    assert messages[-2]["duration"] > 0


@pytest.mark.parametrize("text", ["", "nonsense", "[]", '{"type":"Dance"}', '{"a":1}'])
async def test_a_command_that_nobody_knows_is_answered_with_an_error(
    http: aiohttp.ClientSession, text: str
) -> None:
    async with _listening(http) as (_, socket):
        await socket.send_str(text)
        error = await read(socket)
        assert (error["type"], error["variant"], error["message"]) == ("Error", "SchemaError", text)
        assert shorts(await _finish(socket)) == ["Metadata", "close 1000"]


@pytest.mark.parametrize(
    ("model", "settings", "answer"),
    [
        ("nova-3", {"keyterms": ["Sayna"]}, {"type": "ConfigureSuccess", "keyterms": ["Sayna"]}),
        ("nova-3", {"features": {"numerals": True}}, {"type": "ConfigureSuccess"}),
        ("nova-2", {"keyterms": ["a"]}, {"code": "CONFIGURE_KEYTERMS_NOT_SUPPORTED"}),
        ("nova-3", {"keyterms": ["a b"] * 251}, {"code": "CONFIGURE_KEYTERM_LIMIT_EXCEEDED"}),
        ("nova-3", {"keyterms": "a"}, {"type": "Error", "variant": "SchemaError"}),
        ("nova-3", {"features": {"numerals": "yes"}}, {"type": "Error"}),
        ("nova-3", {"colour": "red"}, {"type": "Error"}),
    ],
)
async def test_a_stream_is_configured_on_the_way(
    http: aiohttp.ClientSession, model: str, settings: dict[str, Any], answer: dict[str, Any]
) -> None:
    async with _listening(http, query={"model": model}) as (_, socket):
        await socket.send_json({"type": "Configure"} | settings)
        assert answer.items() <= (await read(socket)).items()


async def test_audio_that_is_none_is_refused(http: aiohttp.ClientSession) -> None:
    async with open_deepgram() as emulator:
        url = f"{emulator.ws_url}/v1/listen?model=nova-3"
        async with http.ws_connect(url) as socket:
            await socket.send_bytes(b'{"type":"KeepAlive"}')
            end = await read(socket)
    assert end["code"] == 1008
    assert "DATA-0000" in end["reason"]


async def test_results_do_not_depend_on_how_audio_is_cut(http: aiohttp.ClientSession) -> None:
    told: list[list[str]] = []
    for size in (100, 640, 64_000):
        lines = Line("one two", at_s=0.2), Line("three", at_s=2.0)
        async with _listening(http, *lines, query=FULL) as (_, socket):
            audio = SECOND * 3
            for start in range(0, len(audio), size):
                await socket.send_bytes(audio[start : start + size])
            told.append(shorts(await _finish(socket)))
    assert told[0] == told[1] == told[2]


async def test_the_first_result_can_be_late(http: aiohttp.ClientSession) -> None:
    clock = SteppedClock()
    async with open_deepgram(clock=clock) as emulator:
        emulator.script(Line("hi", at_s=0.0))
        emulator.rules.add(FirstByte(ms=2000))
        async with http.ws_connect(f"{emulator.ws_url}/v1/listen", params=LISTEN) as socket:
            await socket.send_bytes(SECOND)
            await emulator.recorder.wait_for(1, kind="binary")
            await clock.advance(1.9)
            assert not emulator.recorder.select(type="Results")
            await clock.advance(0.2)
            assert short(await read(socket)) == "hi.!"


async def test_faults_strike_a_stream(http: aiohttp.ClientSession) -> None:
    async with open_deepgram() as emulator:
        emulator.script(Line("hi", at_s=0.0), always=True)
        emulator.rules.add(Duplicate(n=1), Malformed(kind="wrong_type"))
        emulator.rules.add(ErrorMessage(bytes=32_000, of="received"))
        url = f"{emulator.ws_url}/v1/listen"
        async with http.ws_connect(url, params=LISTEN) as socket:
            await socket.send_bytes(SECOND)
            assert (await read(socket))["is_final"] == "True"
            assert [short(await read(socket)) for _ in range(2)] == ["hi.!", "hi.!"]
        async with http.ws_connect(url, params=LISTEN) as socket:
            await socket.send_bytes(SECOND)
            assert shorts(await read_all(socket)) == ["hi.!", "Error", "close 1011"]


async def test_a_rule_can_lower_the_number_of_streams(http: aiohttp.ClientSession) -> None:
    async with open_deepgram() as emulator:
        emulator.rules.add(Quota(n=0, what="concurrency"))
        url = f"{emulator.ws_url}/v1/listen?model=nova-3"
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await http.ws_connect(url)
        assert refused.value.status == 429
        async with http.ws_connect(url):
            pass


async def test_streams_of_a_key_are_counted(http: aiohttp.ClientSession) -> None:
    async with open_deepgram(key="test-key,other", concurrency={"listen": 2}) as emulator:
        url = f"{emulator.ws_url}/v1/listen?model=nova-3"
        async with http.ws_connect(url):
            async with http.ws_connect(url):
                with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                    await http.ws_connect(url)
                assert refused.value.status == 429
                async with http.ws_connect(url, headers={"Authorization": "token other"}):
                    pass
            await emulator.recorder.wait_for(2, kind="close")
            async with http.ws_connect(url):
                pass
