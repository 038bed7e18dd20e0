"""What a synthesizer or a recognizer may be besides; what it offers, it keeps."""

import asyncio
from collections.abc import AsyncGenerator, Sequence

import pytest

from sayna.conformance.case import Case, Hearing, Speaking
from sayna.conformance.streams import Recording, drain, feed, frames
from sayna.conformance.utterances import close_in_time, is_alike, size_of, spoken
from sayna.speech.protocols import Limited, Provider, TextStreaming, Versioned, Watched


async def test_the_longest_text_that_it_takes_is_spoken(
    provider: Provider, speaking: Speaking
) -> None:
    """`Limited.max_text_chars` is None or 1 and more, and a text of exactly so many is spoken."""
    async with provider.open_synthesizer(speaking.options) as synthesizer:
        if not isinstance(synthesizer, Limited):
            pytest.skip("it has no max_text_chars")
        limit: object = synthesizer.max_text_chars
        assert limit is None or (isinstance(limit, int) and limit >= 1), (
            f"max_text_chars is {limit!r}: an int of 1 or more, or None"
        )
        if limit is not None:
            text = (f"{speaking.text}. " * (limit // len(speaking.text) + 1))[:limit]
            assert await spoken(synthesizer, text), f"a text of {limit} characters gave nothing"


async def test_equal_options_have_the_same_speech_version(
    provider: Provider, speaking: Speaking
) -> None:
    """`Versioned.speech_version` is a text that stays while the voice sounds the same, or None.

    It is part of the key under which speech is remembered: one that changes remembers nothing.
    """
    versions: list[object] = []
    for _ in range(2):
        async with provider.open_synthesizer(speaking.options) as synthesizer:
            if not isinstance(synthesizer, Versioned):
                pytest.skip("it has no speech_version")
            versions.append(synthesizer.speech_version)
    assert all(version is None or isinstance(version, str) for version in versions), (
        f"speech_version is {versions!r}: a text or None"
    )
    assert versions[0] == versions[1], (
        f"speech_version went from {versions[0]!r} to {versions[1]!r} with nothing changed: return"
        " None when speech differs by chance"
    )


async def _written(pieces: Sequence[str], gate: asyncio.Event | None) -> AsyncGenerator[str, None]:
    for piece in pieces:
        yield piece
        await asyncio.sleep(0)
    if gate is not None:
        await gate.wait()


async def test_a_text_still_being_written_is_spoken_whole(
    provider: Provider, speaking: Speaking
) -> None:
    """`TextStreaming.speak_stream` speaks the pieces joined, wherever they are cut."""
    async with provider.open_synthesizer(speaking.options) as synthesizer:
        if not isinstance(synthesizer, TextStreaming):
            pytest.skip("it has no speak_stream")
        declared, text = synthesizer.audio_format, speaking.text
        usual = size_of(await spoken(synthesizer, text), declared)
        pieces = [text[at : at + 3] for at in range(0, len(text), 3)]
        stream = synthesizer.speak_stream(_written(pieces, None))
        size = size_of(b"".join([chunk async for chunk in stream]), declared)
    assert is_alike(usual, size, speaking.variation), (
        f"in pieces the text lasts {size:.2f}, at once {usual:.2f}: join the pieces as they are,"
        " with their blanks, and speak the last words too when they end"
    )


async def test_a_text_still_being_written_can_be_cancelled(
    provider: Provider, case: Case, speaking: Speaking
) -> None:
    """Cancelling while the next piece is awaited ends at once; the voice stays usable.

    A language model may take a minute for its next word, and the caller interrupts meanwhile.
    """
    async with provider.open_synthesizer(speaking.options) as synthesizer:
        if not isinstance(synthesizer, TextStreaming):
            pytest.skip("it has no speak_stream")
        declared = synthesizer.audio_format
        usual = size_of(await spoken(synthesizer, speaking.text), declared)
        stream = synthesizer.speak_stream(_written([f"{speaking.text} "], asyncio.Event()))

        async def listen() -> None:
            async for _ in stream:
                pass

        listening = asyncio.create_task(listen())
        for _ in range(20):
            await asyncio.sleep(0)
        listening.cancel()
        await asyncio.wait([listening], timeout=case.close_limit_s)
        assert listening.done(), "a cancelled speak_stream goes on: let CancelledError pass"
        await close_in_time(stream, case)
        again = size_of(await spoken(synthesizer, speaking.text), declared)
    assert is_alike(usual, again, speaking.variation), (
        f"behind a cancelled stream the text lasts {again:.2f} instead of {usual:.2f}"
    )


async def test_a_watched_synthesizer_has_a_limit_that_makes_sense(
    provider: Provider, speaking: Speaking
) -> None:
    """`Watched.stall_limit_s` is None or above 0, `signs_of_life` a number.

    A synthesizer that is silent for longer is given up by its session.
    """
    async with provider.open_synthesizer(speaking.options) as synthesizer:
        if not isinstance(synthesizer, Watched):
            pytest.skip("it has no stall_limit_s")
        _hold_to(synthesizer)


async def test_a_watched_recognizer_shows_that_it_lives(
    provider: Provider, hearing: Hearing, recording: Recording
) -> None:
    """A recognizer with a `stall_limit_s` changes `signs_of_life` when its engine was at work.

    One that hears and never shows it is taken for dead and replaced in the middle of a word.
    """
    async with provider.open_recognizer(hearing.options) as recognizer:
        if not isinstance(recognizer, Watched):
            pytest.skip("it has no stall_limit_s")
        _hold_to(recognizer)
        before = recognizer.signs_of_life
        await feed(recognizer, frames(recording.audio, hearing.options))
        await drain(recognizer)
        assert recognizer.stall_limit_s is None or recognizer.signs_of_life != before, (
            "signs_of_life is the same behind a whole sentence: count what the engine answers"
        )


def _hold_to(watched: Watched) -> None:
    limit: object = watched.stall_limit_s
    assert limit is None or (isinstance(limit, (int, float)) and limit > 0), (
        f"stall_limit_s is {limit!r}: seconds above 0, or None"
    )
    life: object = watched.signs_of_life
    assert isinstance(life, int), f"signs_of_life is {life!r}: an int"
