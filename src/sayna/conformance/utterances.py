"""To have something spoken and to measure it."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

from sayna.audio.convert import Inbound
from sayna.audio.formats import sample_bytes
from sayna.audio.wav import NotWav, parse_wav
from sayna.conformance.case import Case, Speaking
from sayna.speech.options import SynthesizerOptions
from sayna.speech.protocols import AudioFormat, Limited, Provider, Synthesizer

SLACK_S = 0.1
"""By how much two utterances may differ, however short they are."""


async def spoken(synthesizer: Synthesizer, text: str) -> bytes:
    """Return all the audio of a text."""
    async with aclosing(synthesizer.speak(text)) as speech:
        return b"".join([chunk async for chunk in speech])


def long_text(synthesizer: Synthesizer, speaking: Speaking, times: int = 200) -> str:
    """Return the text over and over, no longer than the synthesizer takes."""
    text = " ".join([f"{speaking.text}."] * times)
    limit: object = synthesizer.max_text_chars if isinstance(synthesizer, Limited) else None
    return text[:limit].strip() if isinstance(limit, int) and limit > 0 else text


def duration_s(audio: bytes, declared: AudioFormat) -> float | None:
    """Return how long audio lasts; None for formats whose size does not tell it.

    Raises:
        NotWav: it says that it is a WAV file.
    """
    if declared.name == "wav":
        wav = parse_wav(audio)
        return len(wav.samples) / wav.sample_rate
    width = sample_bytes(declared.name)
    return None if width is None else len(audio) / width / declared.sample_rate


def size_of(audio: bytes, declared: AudioFormat) -> float:
    """Return the duration in seconds, or the bytes of a format that does not tell it."""
    try:
        seconds = duration_s(audio, declared)
    except NotWav:
        seconds = None
    return float(len(audio)) if seconds is None else seconds


def is_alike(one: float, other: float, variation: float) -> bool:
    """Tell whether two sizes are those of the same text."""
    return abs(one - other) <= max(variation * max(one, other), SLACK_S)


async def close_in_time(speech: AsyncGenerator[bytes, None], case: Case) -> None:
    """Close an utterance.

    Raises:
        AssertionError: it took too long.
    """
    try:
        async with asyncio.timeout(case.close_limit_s):
            await speech.aclose()
    except TimeoutError as error:
        raise AssertionError(
            f"aclose() of an utterance took more than {case.close_limit_s:g} s. Let GeneratorExit"
            " and CancelledError pass at once; do not wait for the vendor in `finally`"
        ) from error


async def own_speech(
    provider: Provider, options: SynthesizerOptions, text: str, rate: int
) -> bytes:
    """Return a text in the provider's own voice, as a recognizer's check wants it.

    Args:
        provider: who speaks.
        options: of the voice; its format must be one of raw samples.
        text: what is said.
        rate: Hz, of the answer, which is s16le mono.
    """
    async with provider.open_synthesizer(replace(options, audio_format="linear16")) as synthesizer:
        declared = synthesizer.audio_format
        audio = await spoken(synthesizer, text)
    convert = Inbound(declared.name, declared.sample_rate, 1, rate)
    return convert.feed(audio) + convert.finish()
