from collections.abc import AsyncIterator
from dataclasses import replace

import numpy as np
import pytest

from sayna.audio import g711
from sayna.audio.wav import parse_wav
from sayna.errors import ProviderMisconfigured
from sayna.providers.tones.synthesizer import TonesSynthesizer
from sayna.speech.options import SynthesizerOptions
from tests.providers.tones.singing import at_telephone_rate, text_in

TEXT = "Grüße aus   Köln,\n日本 & 🎉!"
SAME = " ".join(TEXT.split())
SPEAKING = SynthesizerOptions("tones", sample_rate=8_000)


async def speak(text: str = TEXT, options: SynthesizerOptions = SPEAKING) -> list[bytes]:
    synthesizer = TonesSynthesizer(options)
    return [chunk async for chunk in synthesizer.speak(text)]


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 24_000, 44_100, 48_000])
@pytest.mark.parametrize("audio_format", ["linear16", "pcm", "wav", "mulaw", "ulaw", "alaw"])
async def test_every_format_and_rate_can_be_read_again(audio_format: str, rate: int) -> None:
    audio = b"".join(
        await speak(options=replace(SPEAKING, audio_format=audio_format, sample_rate=rate))
    )
    if audio_format == "wav":
        file = parse_wav(audio)
        assert file.sample_rate == rate
        samples = file.samples[:, 0]
    elif audio_format.endswith("law"):
        decode = g711.decode_alaw if audio_format == "alaw" else g711.decode_mulaw
        samples = decode(audio)
    else:
        samples = np.frombuffer(audio, "<i2").astype(np.int16)
    assert text_in(at_telephone_rate(samples, rate)) == SAME


async def test_there_is_a_chunk_for_each_word() -> None:
    assert len(await speak("one two three")) == 3


async def test_the_same_text_is_the_same_audio() -> None:
    assert await speak() == await speak()


async def test_an_average_word_is_as_fast_as_speech() -> None:
    text = "the quick brown fox jumps over the lazy dog and everybody laughs, do they not?"
    seconds = len(b"".join(await speak(text))) / 16_000
    assert 0.2 < seconds / len(text.split()) < 0.4


@pytest.mark.parametrize(("rate", "gap_ms"), [(0.1, 240), (0.5, 120), (1, 60), (9, 40), (0, 60)])
async def test_the_speaking_rate_changes_the_gaps_within_limits(rate: float, gap_ms: int) -> None:
    (word,) = await speak("hello", replace(SPEAKING, speaking_rate=rate))
    assert len(word) / 16 == 250 + gap_ms


async def test_a_text_without_words_is_silent() -> None:
    assert await speak(" \n") == []


async def test_the_format_is_told() -> None:
    synthesizer = TonesSynthesizer(SynthesizerOptions("tones", audio_format="alaw"))
    assert synthesizer.audio_format.name == "alaw"
    assert synthesizer.audio_format.sample_rate == 24_000


class Texts:
    """Pieces of a text; what was sung before the next was asked for."""

    def __init__(self, *pieces: str) -> None:
        self._pieces = iter(pieces)
        self.sung: list[bytes] = []
        self.sung_before: list[int] = []

    def __aiter__(self) -> AsyncIterator[str]:
        return self

    async def __anext__(self) -> str:
        self.sung_before.append(len(self.sung))
        for piece in self._pieces:
            return piece
        raise StopAsyncIteration


@pytest.mark.parametrize("audio_format", ["linear16", "wav", "mulaw"])
async def test_a_text_in_pieces_is_sung_word_by_word_and_sounds_the_same(audio_format: str) -> None:
    options = replace(SPEAKING, audio_format=audio_format)
    texts = Texts("Gr", "üße aus ", "  Köln", ",\n日", "本 & 🎉!")
    async for chunk in TonesSynthesizer(options).speak_stream(texts):
        texts.sung.append(chunk)
    assert texts.sung_before == [0, 0, 2, 2, 3, 5]
    assert texts.sung == await speak(options=options)


async def test_a_text_in_pieces_may_end_with_a_blank_or_be_blank() -> None:
    synthesizer = TonesSynthesizer(SPEAKING)
    sung = [chunk async for chunk in synthesizer.speak_stream(Texts("one", " two \n"))]
    assert sung == await speak("one two")
    assert [chunk async for chunk in synthesizer.speak_stream(Texts())] == []


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (replace(SPEAKING, audio_format="mp3"), r"tts_config\.audio_format"),
        (replace(SPEAKING, sample_rate=7_000), r"tts_config\.sample_rate"),
        (replace(SPEAKING, voice_id="nobody"), "'nobody'.*chords"),
    ],
)
async def test_what_it_cannot_sing_is_refused(options: SynthesizerOptions, why: str) -> None:
    with pytest.raises(ProviderMisconfigured, match=why):
        await speak(options=options)
