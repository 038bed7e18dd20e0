"""What a provider is as a whole: its name, its voices, its life."""

import asyncio
from contextlib import aclosing
from dataclasses import replace

from sayna.conformance.case import Case, Speaking
from sayna.conformance.census import settle, take_census
from sayna.conformance.streams import drain, silence
from sayna.conformance.utterances import long_text, spoken
from sayna.speech.protocols import Provider, Voice

CYCLES = 3
SESSIONS = 5


async def test_the_name_is_the_canonical_one(provider: Provider, case: Case) -> None:
    """`Provider.name` is the entry point's name in lower case: what clients write as `provider`."""
    name = provider.name
    assert name == case.name, (
        f"Provider.name is {name!r}, the case and the entry point say {case.name!r}: make them one"
    )
    assert name == name.strip().lower(), f"Provider.name {name!r} must be lower case"


async def test_it_opens_and_closes_twice(case: Case) -> None:
    """A provider can be opened again behind its close, for a server may be started twice.

    What `open_provider` makes belongs to its block, not to the module.
    """
    for _ in range(2):
        async with case.open() as provider:
            assert await _is_usable(provider, case), (
                "the provider opened for the second time in a process does not work: keep nothing"
                " that is closed in a module's or a class's variables"
            )


async def test_voices_are_complete_and_each_has_its_own_id(
    provider: Provider, speaking: Speaking
) -> None:
    """`voices()` lists what `GET /voices` shows: `Voice`s whose fields are all strings.

    Clients pass `id` back as `voice_id`; unknown fields say `Unknown`.
    """
    voices = await provider.voices()
    assert voices, (
        f"voices() is empty: return at least the voice of {speaking.options.voice_id or 'default'}"
    )
    for voice in voices:
        assert isinstance(voice, Voice), f"voices() has a {type(voice).__name__}: return Voice"
        texts: tuple[object, ...] = (
            voice.id, voice.name, voice.language, voice.accent, voice.gender
        )  # fmt: skip
        assert all(isinstance(text, str) and text for text in texts), (
            f"{voice!r} has an empty field or one that is no text: leave out what is unknown"
        )
        assert isinstance(voice.sample, str), f"{voice!r}: sample is a URL or empty"
    ids = [voice.id for voice in voices]
    assert len(set(ids)) == len(ids), "two voices have the same id: make ids unique"


async def test_a_listed_voice_can_be_spoken_with(provider: Provider, speaking: Speaking) -> None:
    """Whatever `voices()` lists is a `voice_id`; a list that lies sends clients into errors."""
    voice = (await provider.voices())[0]
    options = replace(speaking.options, voice_id=voice.id)
    async with provider.open_synthesizer(options) as synthesizer:
        assert await spoken(synthesizer, speaking.text), (
            f"the voice {voice.id!r} of voices() says nothing"
        )


async def test_a_closed_provider_leaves_nothing_behind(case: Case) -> None:
    """Behind the provider's block there are no more tasks, threads, files, processes than before.

    A server that is stopped must end, and a test of yours must not disturb the next.
    """
    await _live_once(case)  # what the first time makes for good is not a leak
    before = take_census()
    for _ in range(CYCLES):
        await _live_once(case)
    growth = await settle(before, case.close_limit_s)
    assert not growth, (
        f"after {CYCLES} providers opened and closed there are more {growth}: end in `finally` what"
        " open_provider started, and await that it has ended"
    )


async def test_closed_sessions_leave_nothing_behind(provider: Provider, case: Case) -> None:
    """Behind the block of a recognizer or synthesizer nothing of it is left.

    A server opens millions of them with one provider. Callers hang up in the middle.
    """
    await _hold_session(provider, case)
    before = take_census()
    for _ in range(SESSIONS):
        await _hold_session(provider, case)
    growth = await settle(before, case.close_limit_s)
    assert not growth, (
        f"after {SESSIONS} sessions left in the middle there are more {growth}: end in `finally`"
        " what open_recognizer, open_synthesizer and speak started, and await that it has ended"
    )


async def _is_usable(provider: Provider, case: Case) -> bool:
    if case.speaking is not None:
        async with provider.open_synthesizer(case.speaking.options) as synthesizer:
            return bool(await spoken(synthesizer, case.speaking.text))
    if case.hearing is not None:
        async with provider.open_recognizer(case.hearing.options) as recognizer:
            await drain(recognizer)
    return True


async def _live_once(case: Case) -> None:
    async with case.open() as provider:
        await _hold_session(provider, case)


async def _hold_session(provider: Provider, case: Case) -> None:
    """Use both sides and leave them in the middle."""
    if case.speaking is not None:
        async with (
            provider.open_synthesizer(case.speaking.options) as synthesizer,
            aclosing(synthesizer.speak(long_text(synthesizer, case.speaking))) as speech,
        ):
            await anext(speech)
    if case.hearing is not None:
        options = case.hearing.options
        async with provider.open_recognizer(options) as recognizer:
            recognizer.send_audio(silence(options, 0.5))
            await asyncio.sleep(0)
