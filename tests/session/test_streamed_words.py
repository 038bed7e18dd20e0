"""Texts in pieces through a whole session with `tones`: not one word lost, doubled or torn."""

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager

import numpy as np
import pytest
from typing_extensions import override

from sayna.providers.tones.provider import TonesProvider
from sayna.session.clock import LoopClock
from sayna.session.opening import SessionRequest, SttRequest, TtsRequest
from sayna.session.session import Session, open_session
from sayna.settings.tree import Settings
from sayna.settings.vendors import Providers
from sayna.speech.options import RecognizerOptions, SynthesizerOptions
from sayna.speech.protocols import AudioFormat, Synthesizer
from tests.fakes.session import MemoryOutlet, Shelf, settle
from tests.providers.tones.singing import sentences, text_in

RATE_HZ = 8_000


class WholeTextsOnly:
    """A voice of `tones` that does not take a text in pieces."""

    def __init__(self, voice: Synthesizer) -> None:
        self._voice = voice

    @property
    def audio_format(self) -> AudioFormat:
        return self._voice.audio_format

    def speak(self, text: str) -> AsyncGenerator[bytes, None]:
        return self._voice.speak(text)


class Tones(TonesProvider):
    """`tones`, with or without its way to take pieces."""

    def __init__(self, *, streams: bool) -> None:
        super().__init__(Providers())
        self._streams = streams

    @override
    @asynccontextmanager
    async def open_synthesizer(
        self, options: SynthesizerOptions
    ) -> AsyncGenerator[Synthesizer, None]:
        async with super().open_synthesizer(options) as voice:
            yield voice if self._streams else WholeTextsOnly(voice)


@asynccontextmanager
async def session(*, streams: bool, model: str = "") -> AsyncIterator[tuple[Session, MemoryOutlet]]:
    outlet = MemoryOutlet()
    async with open_session(
        outlet=outlet,
        providers=Shelf({"tones": Tones(streams=streams)}),
        settings=Settings(),
        clock=LoopClock(),
    ) as opened:
        stt = SttRequest(RecognizerOptions("tones", sample_rate=RATE_HZ))
        tts = TtsRequest(SynthesizerOptions("tones", sample_rate=RATE_HZ, model=model))
        await opened.configure(SessionRequest(stt=stt, tts=tts))
        yield opened, outlet


def tokens(text: str, chance: random.Random) -> Iterator[str]:
    """Cut a text as a language model does: anywhere."""
    at = 0
    while at < len(text):
        end = at + chance.randint(1, 6)
        yield text[at:end]
        at = end


def words_in(outlet: MemoryOutlet) -> str:
    return text_in(np.frombuffer(b"".join(outlet.frames), "<i2").astype(np.int16))


async def write(one: Session, text: str, chance: random.Random) -> None:
    for token in tokens(text, chance):
        one.speak(token, allow_interruption=True, flush=False)
        for _ in range(chance.randint(0, 5)):
            await asyncio.sleep(0)
    one.speak("", allow_interruption=True)


@pytest.mark.parametrize("streams", [True, False])
@pytest.mark.parametrize("model", ["", "odd-chunks", "drop*1", "slow-first-byte:5ms*1"])
async def test_every_word_is_said_once_and_in_order(model: str, streams: bool) -> None:
    chance = random.Random(7)  # noqa: S311 - the same every time
    texts = [" ".join(sentences(6, seed)) for seed in range(3)]
    async with session(streams=streams, model=model) as (one, outlet):
        for text in texts:
            await write(one, text, chance)
        async with asyncio.timeout(20):
            await one.wait_spoken()
    assert words_in(outlet) == " ".join(" ".join(texts).split())
    assert outlet.problems == []
    assert outlet.completions >= 1


@pytest.mark.parametrize("streams", [True, False])
async def test_a_voice_that_breaks_off_ends_its_utterance_with_one_error(streams: bool) -> None:
    chance = random.Random(8)  # noqa: S311 - the same every time
    async with session(streams=streams, model="reset@2w*1") as (one, outlet):
        await write(one, "one two three. four five.", chance)
        await write(one, "six seven.", chance)
        async with asyncio.timeout(20):
            await one.wait_spoken()
    assert words_in(outlet) == "one two six seven."
    assert len(outlet.problems) == 1
    assert outlet.completions == 1


@pytest.mark.parametrize("streams", [True, False])
async def test_after_a_clear_no_word_of_what_was_cleared_is_said(streams: bool) -> None:
    chance = random.Random(9)  # noqa: S311 - the same every time
    async with session(streams=streams) as (one, outlet):
        for _ in range(30):
            for token in tokens("never hear. this again. nor that", chance):
                one.speak(token, allow_interruption=True, flush=False)
            for _ in range(chance.randint(0, 20)):
                await asyncio.sleep(0)
            assert one.clear_now()
            outlet.sent.clear()
            await write(one, "but this. whole", chance)
            async with asyncio.timeout(20):
                await one.wait_spoken()
            await settle()
            assert words_in(outlet) == "but this. whole"
