"""What the server sends: the bytes of every message, the sizes of frames, and their order."""

import asyncio
import json
import re
import time
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect

from sayna.errors import (
    AudioRejected,
    ConnectionFailed,
    NetworkFailed,
    ProviderAuthFailed,
    ProviderError,
    ProviderMisconfigured,
    ProviderNotReady,
    ProviderRefused,
    ProviderTimeout,
)
from sayna.settings.tree import Settings
from sayna.speech.events import RecognizerFault, Transcript
from tests.api.served import CONFIG, CONFIG_TEXT, serve
from tests.fakes.scripted import speech_of
from tests.fakes.session import settle, until

pytestmark = pytest.mark.slow

UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
URL = "http://localhost:7880"


async def heard(client: ClientConnection) -> str | bytes:
    async with asyncio.timeout(10):
        return await client.recv()


async def text(client: ClientConnection) -> str:
    """Return the next message as it came."""
    message = await heard(client)
    assert isinstance(message, str), len(message)
    return message


async def told(client: ClientConnection) -> str:
    """Return what the next message complains about."""
    complaint: str = json.loads(await text(client))["message"]
    return complaint


async def ready(client: ClientConnection, **fields: object) -> str:
    await client.send(json.dumps({**CONFIG, **fields}))
    answer = await text(client)
    assert answer.startswith('{"type":"ready",'), answer
    return answer


async def spoken(client: ClientConnection) -> list[bytes]:
    """Return the frames up to the completion."""
    frames: list[bytes] = []
    while isinstance(message := await heard(client), bytes):
        frames.append(message)
    assert json.loads(message)["type"] == "tts_playback_complete", message
    return frames


def speak(text: str, **fields: object) -> str:
    return json.dumps({"type": "speak", "text": text, **fields})


# Every message, byte for byte


async def test_ready_holds_an_id_and_the_address_of_the_rooms_and_nothing_else() -> None:
    made_up: list[str] = []
    async with serve() as served:
        for _ in range(2):
            async with connect(served.url) as client:
                answer = await ready(client)
            found = re.fullmatch(
                rf'{{"type":"ready","stream_id":"({UUID})","livekit_url":"{URL}"}}', answer
            )
            assert found, answer
            made_up.append(found[1])
    assert made_up[0] != made_up[1]


async def test_ready_repeats_the_id_and_the_wished_events() -> None:
    async with serve() as served, connect(served.url) as client:
        answer = await ready(client, stream_id='a "quoted" é', events=["vad", "dtmf"])
    assert answer == (
        f'{{"type":"ready","stream_id":"a \\"quoted\\" é","livekit_url":"{URL}",'
        '"events":["vad","dtmf"]}'
    )


@pytest.mark.parametrize(
    ("transcript", "written"),
    [
        (Transcript("so"), '"so","is_final":false,"is_speech_final":false,"confidence":0.0'),
        (
            Transcript("é\n", is_final=True, is_speech_final=True, confidence=1.0),
            (
                '"é\\n","is_final":true,"is_speech_final":true,"confidence":1.0,'
                '"turn_transcript":"é"'
            ),
        ),
        (
            Transcript("", is_final=False, is_speech_final=True, confidence=0.25),
            ('"","is_final":false,"is_speech_final":true,"confidence":0.25,"turn_transcript":""'),
        ),
    ],
)
async def test_a_result_has_all_its_fields_in_order(transcript: Transcript, written: str) -> None:
    async with serve() as served, connect(served.url) as client:
        await ready(client)
        served.provider.recognizers[0].emit(transcript)
        assert await text(client) == f'{{"type":"stt_result","transcript":{written}}}'


async def test_errors_have_a_type_and_a_message() -> None:
    async with serve() as served, connect(served.url) as client:
        await client.send('{"type":"config"}')
        await client.send('{"type":"sip_transfer","transfer_to":" "}')
        assert await text(client) == (
            '{"type":"error","message":"STT configuration is required when audio=true"}'
        )
        assert await text(client) == (
            '{"type":"sip_transfer_error",'
            '"message":"Invalid phone number: Phone number cannot be empty"}'
        )


async def test_a_completion_has_the_time_in_whole_milliseconds() -> None:
    async with serve() as served, connect(served.url) as client:
        await ready(client)
        before_ms = time.time_ns() // 10**6
        await client.send(speak("hello"))
        assert await heard(client) == speech_of("hello")
        complete = await text(client)
        after_ms = time.time_ns() // 10**6
    found = re.fullmatch(r'\{"type":"tts_playback_complete","timestamp":(\d+)\}', complete)
    assert found, complete
    assert before_ms <= int(found[1]) <= after_ms


# Faults of an engine


KINDS: list[tuple[type[ProviderError], str, str]] = [
    (ConnectionFailed, "Connection failed", "Connection failed"),
    (ProviderAuthFailed, "Authentication failed", "Connection failed"),
    (ProviderRefused, "Provider error", "Provider error"),
    (ProviderMisconfigured, "Configuration error", "Invalid configuration"),
    (NetworkFailed, "Network error", "Network error"),
    (AudioRejected, "Audio processing error", "Audio generation failed"),
    (ProviderNotReady, "Connection failed", "Provider not ready"),
    (ProviderTimeout, "Connection failed", "Timeout error"),
]


@pytest.mark.parametrize(("kind", "_stt", "tts"), KINDS)
async def test_a_voice_that_fails_is_told_by_its_kind_and_completes_the_queue(
    kind: type[ProviderError], _stt: str, tts: str
) -> None:
    async with serve() as served, connect(served.url) as client:
        await ready(client)
        served.provider.speak_failures["broken"] = [kind("why")]
        await client.send(speak("broken", allow_interruption=False))
        assert await told(client) == f"TTS error: {tts}: why"
        assert await spoken(client) == []
        await client.send(speak("next"))
        assert await spoken(client) == [speech_of("next")]


@pytest.mark.parametrize(("kind", "stt", "_tts"), KINDS)
async def test_a_recognizer_that_fails_is_told_by_its_kind_once_and_speech_goes_on(
    kind: type[ProviderError], stt: str, _tts: str
) -> None:
    async with serve() as served, connect(served.url) as client:
        await ready(client)
        served.provider.recognizers[0].fail(kind("why"))
        assert await told(client) == f"STT streaming error: {stt}: why"
        for _ in range(50):
            await client.send(bytes(640))
        await client.send(speak("still here"))
        assert b"".join(await spoken(client)) == speech_of("still here")


async def test_a_fault_that_a_recognizer_survives_is_told_in_its_own_words() -> None:
    async with serve() as served, connect(served.url) as client:
        await ready(client)
        recognizer = served.provider.recognizers[0]
        recognizer.emit(RecognizerFault("Network error: replaced"))
        recognizer.emit(Transcript("and on"))
        assert await told(client) == "STT streaming error: Network error: replaced"
        assert json.loads(await text(client))["transcript"] == "and on"


async def test_a_text_beyond_the_limits_is_refused_by_number_and_the_rest_is_said() -> None:
    limits = Settings.model_validate({"session": {"max_text_chars": 10, "max_queued_speaks": 1}})
    async with serve(limits) as served, connect(served.url) as client:
        gate = served.provider.speak_gates["one"] = asyncio.Event()
        await ready(client)
        await client.send(speak("x" * 11))
        assert await told(client) == (
            "Failed to synthesize speech: TTS error: Invalid configuration: the text has 11"
            " characters, at most 10 fit in one speak"
        )
        await client.send(speak("one"))
        await until(lambda: served.provider.synthesizers[0].spoken)
        for word in ("two", "three"):
            await client.send(speak(word))
        assert (await told(client)).startswith(
            "Failed to synthesize speech: TTS error: Provider not ready: "
        )
        gate.set()
        assert await spoken(client) == [speech_of("one"), speech_of("two")]


# Frames of speech


@pytest.mark.parametrize(
    ("name", "rate", "frame_bytes"),
    [
        ("linear16", 8000, 160),
        ("linear16", 16_000, 320),
        ("linear16", 22_050, 440),
        ("pcm", 24_000, 480),
        ("linear16", 44_100, 882),
        ("linear16", 48_000, 960),
        ("mulaw", 8000, 80),
        ("ulaw", 16_000, 160),
        ("alaw", 22_050, 220),
        ("mulaw", 24_000, 240),
        ("alaw", 44_100, 441),
        ("mulaw", 48_000, 480),
    ],
)
async def test_speech_comes_in_frames_of_ten_ms_said_and_remembered_alike(
    name: str, rate: int, frame_bytes: int
) -> None:
    audio = bytes(range(250)) * 20
    voice: dict[str, Any] = {**CONFIG["tts_config"], "audio_format": name, "sample_rate": rate}
    async with serve() as served, connect(served.url) as client:
        served.provider.speech = lambda _text: audio
        await ready(client, tts_config=voice)
        for _ in range(2):
            await client.send(speak("the same"))
            frames = await spoken(client)
            assert b"".join(frames) == audio
            assert {len(frame) for frame in frames[:-1]} == {frame_bytes}
            assert 0 < len(frames[-1]) <= frame_bytes
        assert served.provider.synthesizers[0].spoken == ["the same"]


# Completions


async def test_texts_queued_together_complete_once_and_one_after_the_other_each() -> None:
    async with serve() as served, connect(served.url) as client:
        gate = served.provider.speak_gates["one"] = asyncio.Event()
        await ready(client)
        for word in ("one", "two", "three"):
            await client.send(speak(word))
        await until(lambda: served.provider.synthesizers[0].spoken)
        await settle()
        await client.send('{"type":"loading_start"}')
        assert (await told(client)).startswith("Loading indicator")  # the three are queued by now
        gate.set()
        assert await spoken(client) == [speech_of(word) for word in ("one", "two", "three")]
        for word in ("four", "five"):
            await client.send(speak(word))
            assert await spoken(client) == [speech_of(word)]


@pytest.mark.parametrize("fields", [{}, {"flush": True}, {"allow_interruption": False}])
@pytest.mark.parametrize("blank", ["", " \n\t"])
async def test_a_blank_text_says_completes_and_protects_nothing(
    blank: str, fields: dict[str, object]
) -> None:
    async with serve() as served, connect(served.url) as client:
        await ready(client)
        await client.send(speak(blank, **fields))
        served.provider.recognizers[0].emit(Transcript("not held back"))
        assert json.loads(await text(client))["transcript"] == "not held back"
        gate = served.provider.speak_gates["gone"] = asyncio.Event()
        await client.send(speak("gone"))
        await until(lambda: served.provider.synthesizers[0].spoken)
        await client.send('{"type":"clear"}')
        gate.set()
        await client.send(speak("said"))
        assert await spoken(client) == [speech_of("said")]


# Order


async def test_what_was_sent_behind_a_config_is_answered_in_order_after_ready() -> None:
    async with serve() as served, connect(served.url) as client:
        served.provider.open_gate = asyncio.Event()
        await client.send(CONFIG_TEXT)
        await client.send('{"type":"sip_transfer","transfer_to":"1a"}')
        await client.send(b"\1\2")
        await client.send("nonsense")
        await client.send('{"type":"update_config","turn_detect":{"threshold":-0.1}}')
        await client.send(b"\3\4")
        await client.send(CONFIG_TEXT)
        await client.send('{"type":"send_message","message":"m","role":"r"}')
        await client.send(b"\5\6")
        await client.send('{"type":"loading_start"}')
        await settle()
        served.provider.open_gate.set()
        said = [json.loads(await text(client)) for _ in range(7)]
        assert [one["type"] for one in said] == [
            "ready",
            "sip_transfer_error",
            *["error"] * 5,
        ]
        beginnings = [
            "Invalid phone number: Invalid character 'a' at position 1",
            "Invalid message format: ",
            "Invalid turn detection threshold: -0.1.",
            "This connection is configured already.",
            "LiveKit client not configured.",
            "Loading indicator requires a LiveKit room.",
        ]
        for one, beginning in zip(said[1:], beginnings, strict=True):
            assert one["message"].startswith(beginning)
        await until(lambda: len(served.provider.recognizers[0].audio) == 6)
        assert served.provider.recognizers[0].audio == b"\1\2\3\4\5\6"


@pytest.mark.parametrize(
    ("encoding", "passed_on"), [("linear16", b"\1\2\3\4\5\6"), ("mulaw", b"\1\2\3\4\5\6\7")]
)
async def test_empty_audio_is_dropped_and_half_a_sample_waits_for_the_rest(
    encoding: str, passed_on: bytes
) -> None:
    async with serve() as served, connect(served.url) as client:
        await ready(client, stt_config={**CONFIG["stt_config"], "encoding": encoding})
        for audio in (b"\1", b"", b"\2\3\4", b"\5", b"\6\7"):
            await client.send(audio)
        await client.send('{"type":"loading_start"}')
        await text(client)
        assert served.provider.recognizers[0].audio == passed_on
