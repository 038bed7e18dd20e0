"""What every provider that speaks promises, whatever engine or vendor is behind it."""

import asyncio
from contextlib import aclosing
from dataclasses import replace

import pytest

from sayna.errors import ProviderError
from sayna.speech.protocols import Provider, Voice
from tests.conformance.cases import SENTENCE, Case, spoken

LONG = f"{SENTENCE}. " * 200


async def test_the_name_is_the_canonical_one(provider: Provider, case: Case) -> None:
    assert provider.name == case.name == provider.name.lower()


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


async def test_an_utterance_made_ahead_of_its_turn_does_not_mix_with_the_present_one(
    provider: Provider, case: Case
) -> None:
    async with provider.open_synthesizer(case.speaking) as synthesizer:
        usual = (
            len(await spoken(synthesizer, SENTENCE)),
            len(await spoken(synthesizer, "thank you")),
        )
        async with aclosing(synthesizer.speak(SENTENCE)) as present:
            first = await anext(present)
            ahead = len(await spoken(synthesizer, "thank you"))
            rest = [chunk async for chunk in present]
    for together, alone in zip((len(first + b"".join(rest)), ahead), usual, strict=True):
        assert abs(together - alone) <= 0.02 * alone


async def test_the_present_utterance_goes_on_while_one_ahead_stands_still_and_is_closed(
    provider: Provider, case: Case
) -> None:
    async with provider.open_synthesizer(case.speaking) as synthesizer:
        usual = len(await spoken(synthesizer, SENTENCE))
        async with aclosing(synthesizer.speak(LONG)) as ahead:
            assert await anext(ahead)
            assert abs(len(await spoken(synthesizer, SENTENCE)) - usual) <= 0.02 * usual
        assert abs(len(await spoken(synthesizer, SENTENCE)) - usual) <= 0.02 * usual


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


async def test_others_run_while_an_utterance_is_made(provider: Provider, case: Case) -> None:
    turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async with (
        provider.open_synthesizer(case.speaking) as synthesizer,
        aclosing(synthesizer.speak(LONG)) as speech,
    ):
        await anext(speech)
        async with asyncio.TaskGroup() as tasks:
            counting = tasks.create_task(count_turns())
            for _ in range(20):
                await anext(speech)
            counting.cancel()
    assert turns
