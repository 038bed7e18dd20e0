import asyncio
from collections.abc import AsyncGenerator

import pytest

from sayna.audio.wav import NotWav, render_header
from sayna.conformance.case import Speaking
from sayna.conformance.utterances import (
    close_in_time,
    duration_s,
    is_alike,
    long_text,
    own_speech,
    size_of,
    spoken,
)
from sayna.speech.options import SynthesizerOptions
from sayna.speech.protocols import AudioFormat
from tests.conformance.broken.speakers import SLOW_S
from tests.conformance.reference import REFERENCE, Reference, Speaker, speech_of

OPTIONS = SynthesizerOptions("reference", sample_rate=16_000)


async def test_all_the_audio_of_a_text_is_returned() -> None:
    speaker = Speaker(Reference(), OPTIONS)
    assert await spoken(speaker, "open the door") == speech_of("open the door")


def test_a_long_text_is_as_long_as_the_synthesizer_takes() -> None:
    speaker, speaking = Speaker(Reference(), OPTIONS), Speaking(OPTIONS)
    speaker.max_text_chars = 100
    assert 90 < len(long_text(speaker, speaking)) <= 100
    speaker.max_text_chars = None
    assert len(long_text(speaker, speaking, 3)) > 3 * len(speaking.text)


@pytest.mark.parametrize(
    ("audio", "declared", "seconds"),
    [
        (bytes(16_000), AudioFormat("linear16", 8_000), 1.0),
        (bytes(16_000), AudioFormat("mulaw", 8_000), 2.0),
        (render_header(8_000) + bytes(16_000), AudioFormat("wav", 24_000), 1.0),
        (bytes(16_000), AudioFormat("mp3", 24_000), None),
    ],
)
def test_size_tells_the_duration_where_it_can(
    audio: bytes, declared: AudioFormat, seconds: float | None
) -> None:
    assert duration_s(audio, declared) == seconds
    assert size_of(audio, declared) == (len(audio) if seconds is None else seconds)


def test_what_is_no_wav_file_has_a_size_all_the_same() -> None:
    declared = AudioFormat("wav", 8_000)
    with pytest.raises(NotWav):
        duration_s(bytes(100), declared)
    assert size_of(bytes(100), declared) == 100


def test_durations_are_alike_within_the_variation_or_a_tenth_of_a_second() -> None:
    assert is_alike(10.0, 10.4, 0.05)
    assert not is_alike(10.0, 10.6, 0.05)
    assert is_alike(0.2, 0.29, 0.0)


async def test_an_utterance_that_does_not_close_is_told_of() -> None:
    async def stubborn() -> AsyncGenerator[bytes, None]:
        try:
            yield b"1"
        finally:
            await asyncio.sleep(SLOW_S)

    speech = stubborn()
    await anext(speech)
    with pytest.raises(AssertionError, match=r"aclose\(\) of an utterance took more than 0.3 s"):
        await close_in_time(speech, REFERENCE)


async def test_a_provider_can_be_heard_at_any_rate() -> None:
    audio = await own_speech(Reference(), OPTIONS, "open the door", 8_000)
    assert len(audio) == pytest.approx(len(speech_of("open the door")) / 2, rel=0.01)
