"""What every speech provider promises, whatever engine or vendor is behind it.

To hold another provider to it, add a `Case`: how to open it, what to ask of it, and how to make its
recognizer hear something.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from importlib.util import find_spec

import pytest

from sayna.errors import ProviderError
from sayna.providers.local import open_provider
from sayna.settings.tree import Settings
from sayna.speech.events import SpeechEvent, Transcript
from sayna.speech.options import RecognizerOptions, SynthesizerOptions
from sayna.speech.protocols import Provider, Recognizer, Synthesizer, Voice
from tests.fakes.scripted import ScriptedProvider

PATIENCE_S = 60.0
SENTENCE = "please open the front door"
LONG = "please open the front door. " * 200


@dataclass(frozen=True)
class Case:
    """A provider and what is needed to put it to the test."""

    open: Callable[[], AbstractAsyncContextManager[Provider]]
    listening: RecognizerOptions
    speaking: SynthesizerOptions
    speech: Callable[[Provider], Awaitable[bytes]]
    """Audio of `SENTENCE`, in the format of `listening`."""


def joined(chunks: list[bytes]) -> bytes:
    return b"".join(chunks)


async def spoken(synthesizer: Synthesizer, text: str) -> bytes:
    return joined([chunk async for chunk in synthesizer.speak(text)])


async def heard(recognizer: Recognizer) -> list[SpeechEvent]:
    recognizer.finish()
    return [event async for event in recognizer.events()]


@asynccontextmanager
async def _open_scripted() -> AsyncGenerator[Provider, None]:
    script = [Transcript("please"), Transcript(SENTENCE, True, True, 1.0)]
    yield ScriptedProvider(hears=script, voice_ids=["first", "second"])


async def _scripted_speech(_: Provider) -> bytes:
    return bytes(3_200)


async def _local_speech(provider: Provider) -> bytes:
    options = SynthesizerOptions("local", sample_rate=16_000)
    async with provider.open_synthesizer(options) as synthesizer:
        return await spoken(synthesizer, SENTENCE)


SCRIPTED = Case(
    _open_scripted,
    RecognizerOptions("scripted"),
    SynthesizerOptions("scripted", sample_rate=16_000),
    _scripted_speech,
)
LOCAL = Case(
    lambda: open_provider(Settings()),
    RecognizerOptions("local", model="grammar:demo"),
    SynthesizerOptions("local", sample_rate=16_000),
    _local_speech,
)
HAS_LOCAL = all(map(find_spec, ("espeakng_loader", "pocketsphinx")))


@pytest.fixture(
    params=[
        pytest.param(SCRIPTED, id="scripted"),
        pytest.param(
            LOCAL,
            id="local",
            marks=[
                pytest.mark.slow,
                pytest.mark.skipif(not HAS_LOCAL, reason="pip install 'sayna[local]'"),
            ],
        ),
    ]
)
def case(request: pytest.FixtureRequest) -> Case:
    assert isinstance(request.param, Case)
    return request.param


@pytest.fixture
async def provider(case: Case) -> AsyncGenerator[Provider, None]:
    async with asyncio.timeout(PATIENCE_S), case.open() as opened:
        yield opened


async def test_the_name_is_the_canonical_one(provider: Provider, case: Case) -> None:
    assert provider.name == case.listening.provider == provider.name.lower()


async def test_speech_comes_in_the_declared_format(provider: Provider, case: Case) -> None:
    async with provider.open_synthesizer(case.speaking) as synthesizer:
        declared = synthesizer.audio_format
        audio = await spoken(synthesizer, SENTENCE)
    assert (declared.name, declared.sample_rate) == (
        case.speaking.audio_format,
        case.speaking.sample_rate,
    )
    assert audio
    assert len(audio) % 2 == 0


async def test_no_chunk_of_speech_is_empty(provider: Provider, case: Case) -> None:
    async with provider.open_synthesizer(case.speaking) as synthesizer:
        assert all([chunk async for chunk in synthesizer.speak(LONG[:280])])


async def test_a_text_without_words_is_silent_and_ends(provider: Provider, case: Case) -> None:
    async with provider.open_synthesizer(case.speaking) as synthesizer:
        assert await spoken(synthesizer, "  ") == b""
        assert await spoken(synthesizer, SENTENCE)


async def test_a_closed_utterance_leaves_the_voice_usable(provider: Provider, case: Case) -> None:
    async with provider.open_synthesizer(case.speaking) as synthesizer:
        usual = await spoken(synthesizer, SENTENCE)
        async with aclosing(synthesizer.speak(LONG)) as speech:
            assert await anext(speech)
        again = await spoken(synthesizer, SENTENCE)
    assert abs(len(again) - len(usual)) <= 0.02 * len(usual)


async def test_an_utterance_that_was_never_begun_costs_nothing(
    provider: Provider, case: Case
) -> None:
    async with provider.open_synthesizer(case.speaking) as synthesizer:
        await synthesizer.speak(LONG).aclose()
        assert await spoken(synthesizer, SENTENCE)


async def test_two_voices_at_once_do_not_mix(provider: Provider, case: Case) -> None:
    async with (
        provider.open_synthesizer(case.speaking) as one,
        provider.open_synthesizer(case.speaking) as other,
    ):
        alone = len(await spoken(one, SENTENCE)), len(await spoken(other, "thank you"))
        both = await asyncio.gather(spoken(one, SENTENCE), spoken(other, "thank you"))
    for together, usual in zip(both, alone, strict=True):
        assert abs(len(together) - usual) <= 0.02 * usual


async def test_cancelling_whoever_listens_cancels_the_utterance(
    provider: Provider, case: Case
) -> None:
    async with provider.open_synthesizer(case.speaking) as synthesizer:
        began = asyncio.Event()

        async def listen() -> None:
            async with aclosing(synthesizer.speak(LONG)) as speech:
                async for _ in speech:
                    began.set()
                    await asyncio.Event().wait()

        listening = asyncio.create_task(listen())
        await began.wait()
        listening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await listening
        assert await spoken(synthesizer, SENTENCE)


async def test_an_unknown_voice_is_refused_on_opening(provider: Provider, case: Case) -> None:
    options = replace(case.speaking, voice_id="no-such-voice")
    with pytest.raises(ProviderError, match="no-such-voice"):
        async with provider.open_synthesizer(options):
            pass


@pytest.mark.parametrize("rate", [0, -8_000])
async def test_an_impossible_rate_is_refused_on_opening(
    provider: Provider, case: Case, rate: int
) -> None:
    with pytest.raises(ProviderError, match=r"tts_config\.sample_rate"):
        async with provider.open_synthesizer(replace(case.speaking, sample_rate=rate)):
            pass
    with pytest.raises(ProviderError, match=r"stt_config\.sample_rate"):
        async with provider.open_recognizer(replace(case.listening, sample_rate=rate)):
            pass


async def test_a_recognizer_drains_after_the_last_audio(provider: Provider, case: Case) -> None:
    audio = await case.speech(provider)
    async with provider.open_recognizer(case.listening) as recognizer:
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
    provider: Provider, case: Case
) -> None:
    async with provider.open_recognizer(case.listening) as recognizer:
        recognizer.finish()
        recognizer.send_audio(bytes(640))
        recognizer.finish()
        recognizer.finalize()
        assert all(isinstance(event, Transcript) for event in await heard(recognizer))


async def test_a_recognizer_may_be_left_while_somebody_speaks(
    provider: Provider, case: Case
) -> None:
    audio = await case.speech(provider)
    async with provider.open_recognizer(case.listening) as recognizer:
        recognizer.send_audio(audio[: len(audio) // 2])
    async with provider.open_recognizer(case.listening) as recognizer:
        recognizer.send_audio(audio)
        final = (await heard(recognizer))[-1]
    assert isinstance(final, Transcript)
    assert final.text == SENTENCE


async def test_voices_are_complete_and_each_has_its_own_id(provider: Provider) -> None:
    voices = await provider.voices()
    assert voices
    assert len({voice.id for voice in voices}) == len(voices)
    for voice in voices:
        assert isinstance(voice, Voice)
        assert all((voice.id, voice.name, voice.language, voice.accent, voice.gender))


async def test_a_listed_voice_can_be_spoken_with(provider: Provider, case: Case) -> None:
    voice = (await provider.voices())[0]
    async with provider.open_synthesizer(replace(case.speaking, voice_id=voice.id)) as synthesizer:
        assert await spoken(synthesizer, "hello")
