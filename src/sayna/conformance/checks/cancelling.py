"""A caller interrupts at any moment: the utterance ends at once, and the voice stays usable."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from sayna.conformance.case import Case, Speaking
from sayna.conformance.utterances import close_in_time, is_alike, long_text, size_of, spoken
from sayna.speech.protocols import Provider, Synthesizer

TIMES = 10
"""How often in a row an utterance is closed."""
TURNS = (1, 2, 3, 5)
"""Turns of the event loop after which whoever waits for a first chunk is cancelled."""


async def test_a_closed_utterance_leaves_the_voice_usable(
    provider: Provider, case: Case, speaking: Speaking
) -> None:
    """`aclose()` between two chunks cancels at once; the next utterance is whole.

    It happens whenever a caller speaks into an answer, and the client sends `clear`.
    """
    async with provider.open_synthesizer(speaking.options) as synthesizer:
        usual = await _size(synthesizer, speaking.text)
        for _ in range(TIMES):
            speech = synthesizer.speak(long_text(synthesizer, speaking))
            assert await anext(speech)
            await close_in_time(speech, case)
        await _must_be(usual, synthesizer, speaking, "behind a closed utterance")


async def test_an_utterance_that_was_never_begun_costs_nothing(
    provider: Provider, case: Case, speaking: Speaking
) -> None:
    """`speak()` itself starts nothing: a generator may be closed before anybody read it."""
    async with provider.open_synthesizer(speaking.options) as synthesizer:
        usual = await _size(synthesizer, speaking.text)
        await close_in_time(synthesizer.speak(long_text(synthesizer, speaking)), case)
        await _must_be(usual, synthesizer, speaking, "behind one that was never begun")


async def test_cancelling_before_the_first_chunk_leaves_the_voice_usable(
    provider: Provider, case: Case, speaking: Speaking
) -> None:
    """Whoever waits for the first chunk may be cancelled there; the next utterance is whole.

    It is where most cancellations come: engines think before they speak.
    """
    async with provider.open_synthesizer(speaking.options) as synthesizer:
        usual = await _size(synthesizer, speaking.text)
        for turns in TURNS:
            speech = synthesizer.speak(long_text(synthesizer, speaking))
            waiting = asyncio.create_task(_first(speech))
            for _ in range(turns):
                await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.wait([waiting], timeout=case.close_limit_s)
            assert waiting.done(), (
                f"a cancelled wait for the first chunk went on for {case.close_limit_s:g} s: let"
                " CancelledError pass"
            )
            assert waiting.cancelled() or waiting.exception() is None, (
                f"cancelling became {waiting.exception()!r}: let CancelledError pass as it is"
            )
            await close_in_time(speech, case)
            await _must_be(usual, synthesizer, speaking, "behind a wait that was cancelled")


async def test_cancelling_whoever_listens_cancels_the_utterance(
    provider: Provider, case: Case, speaking: Speaking
) -> None:
    """A session that ends cancels the task that reads; that ends the utterance as well."""
    async with provider.open_synthesizer(speaking.options) as synthesizer:
        usual = await _size(synthesizer, speaking.text)
        began = asyncio.Event()

        async def listen() -> None:
            async with aclosing(synthesizer.speak(long_text(synthesizer, speaking))) as speech:
                async for _ in speech:
                    began.set()

        listening = asyncio.create_task(listen())
        beginning = asyncio.create_task(began.wait())
        await asyncio.wait([listening, beginning], return_when=asyncio.FIRST_COMPLETED)
        had_ended = listening.done()
        listening.cancel()
        beginning.cancel()
        await asyncio.wait([listening], timeout=case.close_limit_s)
        assert listening.done(), (
            f"the utterance of a cancelled listener went on for {case.close_limit_s:g} s: let"
            " CancelledError pass"
        )
        assert had_ended or listening.cancelled(), (
            "a cancelled listener was not cancelled, the utterance went on to its end: never catch"
            " CancelledError without raising it again"
        )
        await _must_be(usual, synthesizer, speaking, "behind a listener that was cancelled")


async def test_an_utterance_made_ahead_does_not_mix_with_the_present_one(
    provider: Provider, speaking: Speaking
) -> None:
    """While one text is read, the next is made: two generators at a time, each its own text.

    That is how a session leaves no gap between two texts.
    """
    async with provider.open_synthesizer(speaking.options) as synthesizer:
        declared = synthesizer.audio_format
        long = await _size(synthesizer, speaking.text)
        short = await _size(synthesizer, speaking.short_text)
        async with aclosing(synthesizer.speak(speaking.text)) as present:
            first = await anext(present)
            ahead = await _size(synthesizer, speaking.short_text)
            rest = [chunk async for chunk in present]
    whole = size_of(first + b"".join(rest), declared)
    assert is_alike(short, ahead, speaking.variation), (
        f"made ahead the short text lasts {ahead:.2f} instead of {short:.2f}"
    )
    assert is_alike(long, whole, speaking.variation), (
        f"with another made ahead the text lasts {whole:.2f} instead of {long:.2f}: keep what"
        " belongs to an utterance in its generator"
    )


async def test_the_present_utterance_goes_on_while_one_ahead_stands_still(
    provider: Provider, case: Case, speaking: Speaking
) -> None:
    """Of two generators either may be left standing for minutes; the other must not wait for it."""
    async with provider.open_synthesizer(speaking.options) as synthesizer:
        usual = await _size(synthesizer, speaking.text)
        ahead = synthesizer.speak(long_text(synthesizer, speaking))
        assert await anext(ahead)
        await _must_be(usual, synthesizer, speaking, "beside one that stands still")
        await close_in_time(ahead, case)
        await _must_be(usual, synthesizer, speaking, "behind one that stood still")


async def _first(speech: AsyncGenerator[bytes, None]) -> bytes:
    return await anext(speech)


async def _size(synthesizer: Synthesizer, text: str) -> float:
    return size_of(await spoken(synthesizer, text), synthesizer.audio_format)


async def _must_be(usual: float, synthesizer: Synthesizer, speaking: Speaking, where: str) -> None:
    size = await _size(synthesizer, speaking.text)
    assert is_alike(usual, size, speaking.variation), (
        f"{where} the text lasts {size:.2f} instead of {usual:.2f}: what the engine still sends for"
        " the old one must be thrown away, and the new one begun afresh"
    )
