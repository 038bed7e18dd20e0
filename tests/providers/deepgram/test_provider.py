"""The whole provider against an emulated Deepgram, faults included."""

import asyncio
import gc
import math
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pytest
from pydantic import SecretStr

from sayna.audio.wav import HEADER_BYTES, parse_wav, settle_header
from sayna.errors import (
    AudioRejected,
    MissingProviderAuth,
    NetworkFailed,
    ProviderAuthFailed,
    ProviderError,
    ProviderMisconfigured,
    ProviderRefused,
)
from sayna.providers.deepgram import open_provider
from sayna.providers.ws_speech import SpeechSockets
from sayna.settings.tree import Settings
from sayna.settings.vendors import DeepgramEndpoints, Providers
from sayna.speech.events import SpeechEvent, Transcript
from sayna.speech.options import RecognizerOptions, SynthesizerOptions
from sayna.speech.protocols import (
    Limited,
    Provider,
    Recognizer,
    Synthesizer,
    TextStreaming,
    Watched,
)
from tests.emulators import rules
from tests.emulators.deepgram import KEY, open_deepgram
from tests.emulators.pacing import Pace
from tests.emulators.server import Emulator
from tests.fakes.vendor_server import until

HEARD = RecognizerOptions("deepgram", model="nova-3", credentials={"api_key": KEY})
SAID = SynthesizerOptions(
    "deepgram", model="aura-2-thalia-en", sample_rate=16_000, credentials={"api_key": KEY}
)
LISTEN, SPEAK = "/v1/listen", "/v1/speak"
SENTENCE = "please open the front door"
HEARING: Mapping[str, Any] = {"bytes": 640, "of": "received"}
"""The first audio has come."""
AT_ONCE = Pace(speed=math.inf)


class Stage(NamedTuple):
    vendor: Emulator
    provider: Provider


@asynccontextmanager
async def open_stage(**more: object) -> AsyncGenerator[Stage, None]:
    async with AsyncExitStack() as stack:
        opening = open_deepgram(pace=AT_ONCE, **more)  # type: ignore[arg-type]
        vendor = await stack.enter_async_context(opening)
        endpoints = DeepgramEndpoints(base_url=vendor.http_url, ws_url=vendor.ws_url)
        settings = Settings(
            providers=Providers(deepgram_api_key=SecretStr(KEY), deepgram=endpoints)
        )
        yield Stage(vendor, await stack.enter_async_context(open_provider(settings)))


@pytest.fixture
async def stage() -> AsyncGenerator[Stage, None]:
    async with asyncio.timeout(30), open_stage() as opened:
        yield opened


async def spoken(voice: Synthesizer, text: str) -> bytes:
    return b"".join([chunk async for chunk in voice.speak(text)])


async def streamed(voice: Synthesizer, *texts: str) -> bytes:
    assert isinstance(voice, TextStreaming)

    async def written() -> AsyncGenerator[str, None]:
        for text in texts:
            await asyncio.sleep(0)
            yield text

    return b"".join([chunk async for chunk in voice.speak_stream(written())])


async def say(provider: Provider, text: str, options: SynthesizerOptions = SAID) -> bytes:
    async with provider.open_synthesizer(options) as voice:
        return await spoken(voice, text)


async def drained(recognizer: Recognizer) -> list[SpeechEvent]:
    recognizer.finish()
    return [event async for event in recognizer.events()]


def words(events: Sequence[SpeechEvent]) -> str:
    finals = [event.text for event in events if isinstance(event, Transcript) and event.is_final]
    return " ".join(text for text in finals if text)


async def next_final(recognizer: Recognizer) -> Transcript:
    async for event in recognizer.events():
        if isinstance(event, Transcript) and event.is_final:
            return event
    raise AssertionError("nothing final was heard")


def frames(audio: bytes) -> list[bytes]:
    return [audio[at : at + 640] for at in range(0, len(audio), 640)]


# Listening


async def test_what_was_said_is_heard(stage: Stage) -> None:
    audio = await say(stage.provider, SENTENCE)
    async with stage.provider.open_recognizer(HEARD) as recognizer:
        for frame in frames(audio):
            recognizer.send_audio(frame)
        events = await drained(recognizer)
    assert words(events) == SENTENCE
    assert any(isinstance(one, Transcript) and not one.is_final for one in events)
    sent = stage.vendor.recorder.select(sender="client", path=LISTEN)
    assert sent.order[:3] == ["request", "binary", "CloseStream"]


async def test_a_final_can_be_asked_for_and_ends_the_speech(stage: Stage) -> None:
    audio = await say(stage.provider, "thank you")
    async with stage.provider.open_recognizer(HEARD) as recognizer:
        for frame in frames(audio):
            recognizer.send_audio(frame)
        recognizer.finalize()
        final = await next_final(recognizer)
    assert (final.text, final.is_speech_final) == ("thank you", True)


@pytest.mark.slow
async def test_a_stream_in_silence_is_kept_alive(stage: Stage) -> None:
    async with stage.provider.open_recognizer(HEARD):
        kept = await stage.vendor.recorder.wait_for(1, type="KeepAlive")
    assert kept[0].kind == "text"


@pytest.mark.parametrize(
    ("encoding", "rate"), [("mulaw", 8_000), ("alaw", 8_000), ("linear16", 48_000)]
)
async def test_audio_of_other_kinds_is_heard_too(stage: Stage, encoding: str, rate: int) -> None:
    speaking = replace(SAID, audio_format=encoding, sample_rate=rate)
    audio = await say(stage.provider, SENTENCE, speaking)
    listening = replace(HEARD, encoding=encoding, sample_rate=rate)
    async with stage.provider.open_recognizer(listening) as recognizer:
        for frame in frames(audio):
            recognizer.send_audio(frame)
        assert words(await drained(recognizer)) == SENTENCE


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, ProviderMisconfigured),
        (402, ProviderRefused),
        (403, ProviderAuthFailed),
        (429, ProviderRefused),
        (503, ProviderRefused),
    ],
)
async def test_a_refused_stream_tells_deepgrams_reason(
    stage: Stage, status: int, kind: type[ProviderError]
) -> None:
    stage.vendor.rules.add(rules.Reject(status=status), path=LISTEN)
    with pytest.raises(kind, match=rf"Deepgram refused \({status} .*\): \w+"):
        async with stage.provider.open_recognizer(HEARD):
            pass


async def test_a_wrong_key_is_refused(stage: Stage) -> None:
    stranger = replace(HEARD, credentials={"api_key": "somebody else's"})
    with pytest.raises(ProviderAuthFailed, match="Invalid credentials"):
        async with stage.provider.open_recognizer(stranger):
            pass


async def test_what_deepgram_cannot_hear_is_refused_without_asking_it(stage: Stage) -> None:
    with pytest.raises(ProviderMisconfigured, match=r"stt_config\.encoding"):
        async with stage.provider.open_recognizer(replace(HEARD, encoding="mp3")):
            pass
    assert not stage.vendor.recorder.requests(LISTEN)


@pytest.mark.parametrize(
    ("fault", "kind", "told"),
    [
        (rules.DropAfter(mode="reset", **HEARING), NetworkFailed, "was lost"),
        (rules.DropAfter(mode="eof", **HEARING), NetworkFailed, "was lost"),
        (
            rules.DropAfter(mode="close", code=1011, reason="NET-0000", **HEARING),
            NetworkFailed,
            "NET-0000",
        ),
        (
            rules.DropAfter(mode="close", code=1008, reason="DATA-0000", **HEARING),
            ProviderMisconfigured,
            "cannot read",
        ),
        (rules.ErrorMessage(**HEARING), ProviderRefused, "rror"),
    ],
)
async def test_the_death_of_a_stream_is_told_at_once(
    stage: Stage, fault: rules.Action, kind: type[ProviderError], told: str
) -> None:
    stage.vendor.rules.add(fault, path=LISTEN)
    async with stage.provider.open_recognizer(HEARD) as recognizer:
        recognizer.send_audio(bytes(640))
        with pytest.raises(kind, match=told) as death:
            async for _ in recognizer.events():
                pass
    assert death.value.retryable is (kind is not ProviderMisconfigured)


@pytest.mark.slow
async def test_a_connection_that_vanishes_shows_no_more_life(stage: Stage) -> None:
    stage.vendor.rules.add(rules.DropAfter(mode="half-open"), path=LISTEN)
    async with stage.provider.open_recognizer(HEARD) as recognizer:
        assert isinstance(recognizer, Watched)
        recognizer.send_audio(bytes(640))
        before = recognizer.signs_of_life
        async with asyncio.timeout(10):
            for _ in range(6):
                recognizer.send_audio(bytes(640))
                await asyncio.sleep(0.2)
        assert recognizer.signs_of_life == before


@pytest.mark.slow
async def test_a_live_connection_shows_life_even_when_nothing_is_heard(stage: Stage) -> None:
    async with stage.provider.open_recognizer(HEARD) as recognizer:
        assert isinstance(recognizer, Watched)

        async def hold_on() -> None:
            while True:
                recognizer.send_audio(bytes(640))
                await asyncio.sleep(0.02)

        talking = asyncio.create_task(hold_on())
        await until(lambda: recognizer.signs_of_life >= 2)
        talking.cancel()


@pytest.mark.parametrize(
    "kind", ["truncated_json", "wrong_type", "non_utf8", "empty_binary", "not_json"]
)
async def test_a_broken_message_costs_no_word(stage: Stage, kind: str) -> None:
    audio = await say(stage.provider, SENTENCE)
    fault = rules.Malformed(kind=kind, messages=1)  # type: ignore[arg-type]
    stage.vendor.rules.add(fault, path=LISTEN)
    async with stage.provider.open_recognizer(HEARD) as recognizer:
        for frame in frames(audio):
            recognizer.send_audio(frame)
        assert words(await drained(recognizer)) == SENTENCE


# Speaking


async def test_a_text_is_asked_for_once_and_trimmed(stage: Stage) -> None:
    audio = await say(stage.provider, "  thank you \n")
    (asked,) = [r for r in stage.vendor.recorder.requests(SPEAK) if r.method == "POST"]
    assert asked.json == {"text": "thank you"}
    assert asked.header("authorization") == f"Token {KEY}"
    assert len(audio) > 3_200


async def test_a_text_without_words_is_not_asked_for(stage: Stage) -> None:
    assert await say(stage.provider, " \n") == b""
    assert not [r for r in stage.vendor.recorder.requests(SPEAK) if r.method == "POST"]


@pytest.mark.parametrize(
    ("name", "rate", "bytes_per_s"),
    [
        ("linear16", 8_000, 16_000),
        ("linear16", 11_025, 22_050),
        ("linear16", 22_050, 44_100),
        ("linear16", 44_100, 88_200),
        ("linear16", 48_000, 96_000),
        ("pcm", 24_000, 48_000),
        ("mulaw", 8_000, 8_000),
        ("mulaw", 24_000, 24_000),
        ("ulaw", 16_000, 16_000),
        ("alaw", 8_000, 8_000),
        ("alaw", 44_100, 44_100),
        ("wav", 22_050, 44_100),
    ],
)
async def test_the_audio_is_what_it_is_declared_to_be(
    stage: Stage, name: str, rate: int, bytes_per_s: int
) -> None:
    reference_s = len(await say(stage.provider, SENTENCE)) / 32_000
    options = replace(SAID, audio_format=name, sample_rate=rate)
    async with stage.provider.open_synthesizer(options) as voice:
        declared = voice.audio_format
        audio = await spoken(voice, SENTENCE)
        same = await streamed(voice, SENTENCE)
    assert (declared.name, declared.sample_rate) == (name, rate)
    header = HEADER_BYTES if name == "wav" else 0
    assert abs((len(audio) - header) / bytes_per_s - reference_s) < 0.02
    assert abs(len(same) - len(audio)) <= 0.02 * len(audio)


async def test_a_wav_is_a_file(stage: Stage) -> None:
    audio = await say(stage.provider, SENTENCE, replace(SAID, audio_format="wav"))
    file = parse_wav(settle_header(audio))
    assert (file.sample_rate, file.channels) == (16_000, 1)
    assert np.abs(file.samples).max() > 1_000


@pytest.mark.parametrize(
    ("name", "rate"), [("mp3", 22_050), ("opus", 48_000), ("aac", 22_050), ("flac", 32_000)]
)
async def test_coded_audio_is_passed_on(stage: Stage, name: str, rate: int) -> None:
    options = replace(SAID, audio_format=name, sample_rate=24_000)
    async with stage.provider.open_synthesizer(options) as voice:
        assert voice.audio_format.sample_rate == rate
        assert not isinstance(voice, TextStreaming)
        assert await spoken(voice, SENTENCE)


async def test_torn_samples_are_put_together(stage: Stage) -> None:
    whole = await say(stage.provider, SENTENCE)
    stage.vendor.rules.add(rules.Chunk(bytes=333, odd=True), path=SPEAK, times=None)
    assert await say(stage.provider, SENTENCE) == whole
    converted = replace(SAID, audio_format="mulaw", sample_rate=24_000)
    async with stage.provider.open_synthesizer(converted) as voice:
        torn = await spoken(voice, SENTENCE)
    assert abs(len(torn) / 24_000 - len(whole) / 32_000) < 0.02


@pytest.mark.parametrize("status", [400, 401, 403, 413, 429, 500, 503])
async def test_a_refused_text_is_told_as_it_always_was(stage: Stage, status: int) -> None:
    stage.vendor.rules.add(rules.Reject(status=status), text=SENTENCE)
    kind = ProviderAuthFailed if status in {401, 403} else ProviderRefused
    with pytest.raises(kind, match=rf"^API error \({status} [A-Z]") as told:
        await say(stage.provider, SENTENCE)
    assert told.value.tts_text.startswith("Provider error: API error (")
    assert told.value.retryable is (status in {429, 500, 503})


async def test_a_text_that_breaks_off_is_told_behind_what_was_said(stage: Stage) -> None:
    stage.vendor.rules.add(rules.DropAfter(mode="reset", bytes=8_000), text=SENTENCE)
    async with stage.provider.open_synthesizer(SAID) as voice:
        chunks = voice.speak(SENTENCE)
        assert await anext(chunks)
        with pytest.raises(AudioRejected, match="Failed to read audio"):
            async for _ in chunks:
                pass


async def test_a_reset_before_the_first_byte_may_be_tried_again(stage: Stage) -> None:
    stage.vendor.rules.add(rules.Refuse(), text=SENTENCE)
    with pytest.raises(NetworkFailed, match="Request failed") as told:
        await say(stage.provider, SENTENCE)
    assert told.value.retryable
    assert await say(stage.provider, SENTENCE)


async def test_long_texts_and_silent_vendors_are_the_sessions_business(stage: Stage) -> None:
    async with stage.provider.open_synthesizer(SAID) as voice:
        assert isinstance(voice, Limited)
        assert voice.max_text_chars == 2_000
        assert isinstance(voice, Watched)
        assert voice.stall_limit_s


async def test_sessions_share_warm_connections(stage: Stage) -> None:
    for _ in range(3):
        await say(stage.provider, "hello")
    recorder = stage.vendor.recorder
    assert len([r for r in recorder.requests(SPEAK) if r.method == "POST"]) == 3
    connector = stage.provider._http._session.connector  # type: ignore[attr-defined]
    assert sum(map(len, connector._conns.values())) < 3  # one, and that of the warm-up


# Speaking what is still being written


async def test_a_text_is_spoken_while_it_is_written(stage: Stage) -> None:
    usual = await say(stage.provider, SENTENCE)
    async with stage.provider.open_synthesizer(SAID) as voice:
        audio = await streamed(voice, "please open ", "the front", " door")
        again = await streamed(voice, SENTENCE)
    assert abs(len(audio) - len(usual)) <= 0.02 * len(usual)
    assert again
    sent = stage.vendor.recorder.select(sender="client", path=SPEAK, kind="text")
    assert sent.types == ["Speak", "Speak", "Speak", "Flush", "Speak", "Flush"]


async def test_a_cancelled_stream_leaves_nothing_in_the_next(stage: Stage) -> None:
    stage.vendor.rules.add(rules.Speed(x=20.0), path=SPEAK, times=None)
    async with stage.provider.open_synthesizer(SAID) as voice:
        assert isinstance(voice, TextStreaming)
        usual = await streamed(voice, "thank you")

        async def long() -> AsyncGenerator[str, None]:
            yield f"{SENTENCE}. " * 5

        async with aclosing(voice.speak_stream(long())) as audio:
            await anext(audio)
        sockets = stage.provider._sockets  # type: ignore[attr-defined]
        assert isinstance(sockets, SpeechSockets)
        await until(lambda: sockets.idle_count == 1)
        assert await streamed(voice, "thank you") == usual
    sent = stage.vendor.recorder.select(sender="client", path=SPEAK, kind="text")
    assert sent.types == ["Speak", "Flush", "Speak", "Flush", "Clear", "Speak", "Flush"]


async def test_no_socket_flushes_more_often_than_deepgram_allows(stage: Stage) -> None:
    async with stage.provider.open_synthesizer(SAID) as voice:
        for _ in range(25):
            assert await streamed(voice, "hi")
    recorder = stage.vendor.recorder
    assert not recorder.select(type="Warning")
    upgrades = [r for r in recorder.requests(SPEAK) if r.method == "GET"]
    assert len(upgrades) == 2


@pytest.mark.parametrize(
    "fault",
    [
        rules.DropAfter(mode="reset", bytes=4_000),
        rules.DropAfter(mode="close", code=1011, reason="NET-0001", bytes=4_000),
        rules.ErrorMessage(bytes=4_000),
    ],
)
async def test_a_stream_that_breaks_off_is_told(stage: Stage, fault: rules.Action) -> None:
    stage.vendor.rules.add(fault, path=SPEAK)
    async with stage.provider.open_synthesizer(SAID) as voice:
        with pytest.raises((NetworkFailed, ProviderRefused)) as told:
            await streamed(voice, SENTENCE)
        assert told.value.retryable
        assert await streamed(voice, SENTENCE)


# The rest


async def test_voices_are_listed(stage: Stage) -> None:
    voices = await stage.provider.voices()
    assert "aura-2-thalia-en" in {voice.id for voice in voices}
    assert len({voice.id for voice in voices}) == len(voices)


async def test_voices_need_the_servers_key() -> None:
    async with open_provider(Settings()) as provider:
        with pytest.raises(MissingProviderAuth, match="Deepgram API key not configured"):
            await provider.voices()


async def test_each_request_brings_its_own_key(stage: Stage) -> None:
    async with open_stage(key="one-key,other-key") as (vendor, provider):
        for key in ("one-key", "other-key"):
            credentials = {"api_key": key}
            await say(provider, "hello", replace(SAID, credentials=credentials))
            async with provider.open_recognizer(replace(HEARD, credentials=credentials)):
                pass
        asked = vendor.recorder.requests(SPEAK)
        keys = [r.header("authorization") for r in asked if r.method == "POST"]
        assert keys == ["Token one-key", "Token other-key"]
        keys = [r.header("authorization") for r in vendor.recorder.requests(LISTEN)]
        assert keys == ["token one-key", "token other-key"]
    assert stage.vendor is not vendor


@pytest.mark.slow
async def test_many_streams_opened_and_closed_leave_nothing(stage: Stage) -> None:
    async def once() -> None:
        async with (
            stage.provider.open_recognizer(HEARD) as recognizer,
            stage.provider.open_synthesizer(SAID) as voice,
        ):
            recognizer.send_audio(bytes(640))
            assert await spoken(voice, "hi")

    await once()
    before = len(asyncio.all_tasks())
    for _ in range(100):
        await once()
    await until(lambda: len(asyncio.all_tasks()) <= before)
    gc.collect()
    assert not [one for one in gc.get_objects() if type(one).__name__ == "StreamRecognizer"]
