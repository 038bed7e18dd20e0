"""What a synthesizer makes of texts: all of them, whole, in order, without disturbing others."""

import asyncio
from contextlib import aclosing

import pytest

from sayna.conformance.case import Case, Speaking
from sayna.conformance.utterances import is_alike, long_text, size_of, spoken
from sayna.errors import ProviderError
from sayna.speech.protocols import Provider

STRANGE = {
    "unicode": "Grüße aus Łódź, 東京 und Αθήνα: שלום 👋🏽",
    "markup": '<speak><break time="9s"/>&lt;hello&gt; &amp; </voice></speak> <!-- -->',
    "quotes": """He said: "it's \\"here\\"", 'there' \\n {"a": [1]} %s ${x} `y`""",
    "control characters": "one\x00two\x07three\x1b[31m\r\nfour\u200bfive\ufeff",
    "one long word": "a" * 400,
    "marks only": "... ?! --- ,;:",
}
"""Texts of hostile or careless clients."""


async def test_chunks_are_bytes_and_none_is_empty(provider: Provider, speaking: Speaking) -> None:
    """Every chunk is `bytes` with something in it; an empty one means nothing to a session."""
    async with provider.open_synthesizer(speaking.options) as synthesizer:
        text = long_text(synthesizer, speaking, 3)
        async with aclosing(synthesizer.speak(text)) as speech:
            chunks: list[object] = [chunk async for chunk in speech]
    assert chunks, "a text with words was no audio at all"
    assert all(type(chunk) is bytes for chunk in chunks), "yield bytes, not views or arrays"
    assert all(chunks), "an empty chunk was yielded: skip it (`if audio: yield audio`)"


@pytest.mark.parametrize("text", ["", "  ", "\n\t\r\n", "\u00a0\u2003"], ids=ascii)
async def test_a_text_without_words_is_silent_and_ends(
    provider: Provider, speaking: Speaking, text: str
) -> None:
    """A blank text is no audio and no error, for clients send such texts; the next is spoken."""
    async with provider.open_synthesizer(speaking.options) as synthesizer:
        audio = await spoken(synthesizer, text)
        assert audio == b"", (
            f"a blank text gave {len(audio)} bytes: return at once when `not text.split()`"
        )
        assert await spoken(synthesizer, speaking.text), "behind a blank text it says nothing"


async def test_equal_texts_last_equally_long(provider: Provider, speaking: Speaking) -> None:
    """The same text again is about as long: nothing of the first is left over, nothing missing."""
    async with provider.open_synthesizer(speaking.options) as synthesizer:
        declared = synthesizer.audio_format
        sizes = [size_of(await spoken(synthesizer, speaking.text), declared) for _ in range(3)]
    assert is_alike(min(sizes), max(sizes), speaking.variation), (
        f"the same text lasted {sizes}: reset what an utterance keeps, read the engine to its end"
    )


async def test_utterances_come_whole_and_in_order(provider: Provider, speaking: Speaking) -> None:
    """Each utterance is its own text, the whole of it, whatever was spoken before."""
    order = [speaking.text, speaking.short_text] * 2
    async with provider.open_synthesizer(speaking.options) as synthesizer:
        declared = synthesizer.audio_format
        long_1, short_1, long_2, short_2 = [
            size_of(await spoken(synthesizer, text), declared) for text in order
        ]
    assert short_1 < long_1, (
        f"the short text lasts {short_1:.2f}, the long one before it {long_1:.2f}: they are mixed"
        " up (or the case's short_text is not short)"
    )
    assert is_alike(long_1, long_2, speaking.variation), "the second long text is not the first"
    assert is_alike(short_1, short_2, speaking.variation), "the second short text is not the first"


async def test_a_very_long_text_is_spoken_to_its_end(
    provider: Provider, speaking: Speaking
) -> None:
    """A text as long as the synthesizer takes is spoken to its end, not cut in silence.

    One that takes no long texts says so by `max_text_chars`.
    """
    async with provider.open_synthesizer(speaking.options) as synthesizer:
        declared = synthesizer.audio_format
        usual = size_of(await spoken(synthesizer, speaking.text), declared)
        text = long_text(synthesizer, speaking, 20)
        times = len(text) / len(speaking.text)
        size = size_of(await spoken(synthesizer, text), declared)
    assert size >= 0.5 * times * usual, (
        f"a text {times:.0f} times as long lasts only {size / usual:.1f} times as long: its end is"
        " missing. Speak all of it, or set max_text_chars"
    )


@pytest.mark.parametrize("kind", STRANGE)
async def test_a_strange_text_is_spoken_or_refused_and_the_next_is_whole(
    provider: Provider, speaking: Speaking, kind: str
) -> None:
    """Any text is spoken, or refused with a `ProviderError`; no other exception, no hanging.

    Another exception is a bug to a session, and ends it. The error's text does not quote the
    text: errors are logged, and what is said to callers is nobody's business.
    """
    text = STRANGE[kind]
    async with provider.open_synthesizer(speaking.options) as synthesizer:
        declared = synthesizer.audio_format
        usual = size_of(await spoken(synthesizer, speaking.text), declared)
        refusal = ""
        try:
            await spoken(synthesizer, text)
        except ProviderError as error:
            refusal = str(error)
        except Exception as error:
            raise AssertionError(
                f"{kind}: speak() raised {type(error).__name__}: escape what your engine takes for"
                " markup, and turn its exceptions into errors of sayna.errors"
            ) from error
        again = size_of(await spoken(synthesizer, speaking.text), declared)
    assert text not in refusal, "the error quotes the text: leave it out"
    assert is_alike(usual, again, speaking.variation), (
        f"behind {kind} the usual text lasts {again:.2f} instead of {usual:.2f}"
    )


async def test_several_voices_at_once_do_not_mix(provider: Provider, speaking: Speaking) -> None:
    """Sessions share the provider and nothing else: each hears its own text, the whole of it."""
    texts = [speaking.text, speaking.short_text, speaking.text]

    async def session(text: str) -> float:
        async with provider.open_synthesizer(speaking.options) as synthesizer:
            declared = synthesizer.audio_format
            return size_of(await spoken(synthesizer, text), declared)

    alone = [await session(text) for text in texts]
    together = await asyncio.gather(*map(session, texts))
    for text, one, other in zip(texts, alone, together, strict=True):
        assert is_alike(one, other, speaking.variation), (
            f"{text!r} lasts {one:.2f} alone and {other:.2f} beside others: keep the state of an"
            " utterance in the utterance, not in the provider"
        )


async def test_others_run_while_an_utterance_is_made(
    provider: Provider, case: Case, speaking: Speaking
) -> None:
    """Making speech leaves the event loop to others: every session of the server shares it."""
    turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async with provider.open_synthesizer(speaking.options) as synthesizer:
        text = long_text(synthesizer, speaking, 3)
        async with asyncio.TaskGroup() as tasks:
            counting = tasks.create_task(count_turns())
            await spoken(synthesizer, text)
            counting.cancel()
    assert turns > 1, (
        f"nothing else ran while {case.name} spoke: await the engine, or work in a thread or a"
        " process (asyncio.to_thread), and yield as it is made"
    )
