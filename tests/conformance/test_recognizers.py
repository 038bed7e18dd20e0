"""What every provider that listens promises, whatever engine or vendor is behind it."""

from dataclasses import replace

import pytest

from sayna.errors import ProviderError
from sayna.speech.events import SpeechEvent, Transcript
from sayna.speech.protocols import Provider, Recognizer
from tests.conformance.cases import SENTENCE, Listening


async def heard(recognizer: Recognizer) -> list[SpeechEvent]:
    recognizer.finish()
    return [event async for event in recognizer.events()]


async def test_a_recognizer_drains_after_the_last_audio(
    provider: Provider, listening: Listening
) -> None:
    audio = await listening.speech(provider)
    async with provider.open_recognizer(listening.options) as recognizer:
        for at in range(0, len(audio), 640):
            recognizer.send_audio(audio[at : at + 640])
        events = await heard(recognizer)
    *interims, final = events
    assert isinstance(final, Transcript)
    assert (final.text, final.is_final, final.is_speech_final) == (SENTENCE, True, True)
    assert 0 <= final.confidence <= 1
    assert interims
    assert all(isinstance(event, Transcript) and not event.is_final for event in interims)


async def test_finish_may_be_said_twice_and_audio_after_it_is_ignored(
    provider: Provider, listening: Listening
) -> None:
    async with provider.open_recognizer(listening.options) as recognizer:
        recognizer.finish()
        recognizer.send_audio(bytes(640))
        recognizer.finish()
        recognizer.finalize()
        assert all(isinstance(event, Transcript) for event in await heard(recognizer))


async def test_a_recognizer_may_be_left_while_somebody_speaks(
    provider: Provider, listening: Listening
) -> None:
    audio = await listening.speech(provider)
    async with provider.open_recognizer(listening.options) as recognizer:
        recognizer.send_audio(audio[: len(audio) // 2])
    async with provider.open_recognizer(listening.options) as recognizer:
        recognizer.send_audio(audio)
        final = (await heard(recognizer))[-1]
    assert isinstance(final, Transcript)
    assert final.text == SENTENCE


@pytest.mark.parametrize("rate", [0, -8_000])
async def test_an_impossible_rate_is_refused_on_opening(
    provider: Provider, listening: Listening, rate: int
) -> None:
    with pytest.raises(ProviderError, match=r"stt_config\.sample_rate"):
        async with provider.open_recognizer(replace(listening.options, sample_rate=rate)):
            pass
