"""To have a recording heard and to see what came of it."""

import asyncio
from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import numpy as np

from sayna.audio import g711
from sayna.conformance.case import Case, Hearing
from sayna.conformance.words import is_heard
from sayna.errors import ProviderError
from sayna.speech.events import SpeechEvent, Transcript
from sayna.speech.options import RecognizerOptions
from sayna.speech.protocols import Provider, Recognizer

ODD_SIZES = (1, 3, 127, 333, 1, 641)
"""Bytes, again and again: no word, sample or frame ends where one of these does."""


@dataclass(frozen=True, slots=True)
class Recording:
    """Speech for a recognizer, and what it says."""

    hearing: Hearing
    pcm: bytes
    """s16le mono at the rate of the options."""

    @property
    def audio(self) -> bytes:
        """As the options want it."""
        return encode(self.pcm, self.hearing.options)

    def is_in(self, events: Iterable[SpeechEvent], times: int = 1) -> bool:
        """Tell whether the finals are what was said, so many times."""
        said = " ".join([self.hearing.words] * times)
        return is_heard(said, final_text(events), self.hearing.word_errors)


def encode(pcm: bytes, options: RecognizerOptions) -> bytes:
    """Return s16le mono in the encoding and channels of the options; every channel has it all.

    Raises:
        ValueError: the kit does not know the encoding.
    """
    samples = np.repeat(np.frombuffer(pcm, "<i2").astype(np.int16), options.channels)
    match options.encoding:
        case "linear16" | "pcm":
            return samples.astype("<i2").tobytes()
        case "mulaw" | "ulaw":
            return g711.encode_mulaw(samples)
        case "alaw":
            return g711.encode_alaw(samples)
        case "linear32":
            return (samples / 32_768).astype("<f4").tobytes()
        case other:
            raise ValueError(f"the kit cannot make {other[:40]!r}: leave it out of the encodings")


def cut(audio: bytes, sizes: Sequence[int]) -> Iterator[bytes]:
    """Cut audio into pieces of these sizes, over and over."""
    at, turn = 0, 0
    while at < len(audio):
        size = sizes[turn % len(sizes)]
        yield audio[at : at + size]
        at, turn = at + size, turn + 1


def frames(audio: bytes, options: RecognizerOptions, frame_ms: int = 20) -> Iterator[bytes]:
    """Cut audio as a session hands it over."""
    width = {"mulaw": 1, "ulaw": 1, "alaw": 1, "linear32": 4}.get(options.encoding, 2)
    return cut(audio, [options.sample_rate * frame_ms // 1000 * width * options.channels])


async def feed(recognizer: Recognizer, pieces: Iterable[bytes]) -> None:
    """Send pieces; between them everybody else has a turn, as in a server."""
    for piece in pieces:
        recognizer.send_audio(piece)
        await asyncio.sleep(0)


async def drain(recognizer: Recognizer) -> list[SpeechEvent]:
    """Say that no audio follows, return everything that was heard."""
    recognizer.finish()
    return [event async for event in recognizer.events()]


async def hear(provider: Provider, options: RecognizerOptions, audio: bytes) -> list[SpeechEvent]:
    """Have audio heard by a stream of its own, in frames of 20 ms."""
    async with provider.open_recognizer(options) as recognizer:
        await feed(recognizer, frames(audio, options))
        return await drain(recognizer)


def final_text(events: Iterable[SpeechEvent]) -> str:
    """Return the texts of the finals, in order."""
    finals = (event for event in events if isinstance(event, Transcript) and event.is_final)
    return " ".join(event.text.strip() for event in finals if event.text.strip())


def show(events: Sequence[SpeechEvent]) -> str:
    """Return events for an author to read, the last of them."""
    shown = "\n".join(f"  {event!r}" for event in events[-20:])
    return f"the events were:\n{shown}" if events else "there were no events"


@asynccontextmanager
async def closing_in_time(
    provider: Provider, options: RecognizerOptions, case: Case
) -> AsyncGenerator[Recognizer, None]:
    """Open a recognizer whose block must end soon after the check is done with it.

    Raises:
        AssertionError: it took too long.
    """
    opening = provider.open_recognizer(options)
    recognizer = await opening.__aenter__()
    try:
        yield recognizer
    finally:
        try:
            async with asyncio.timeout(case.close_limit_s):
                await opening.__aexit__(None, None, None)
        except TimeoutError as error:
            raise AssertionError(
                f"leaving the block of a recognizer took more than {case.close_limit_s:g} s."
                " Cancel what still runs instead of waiting for it"
            ) from error


async def fault_of(
    provider: Provider, options: RecognizerOptions, audio: bytes
) -> ProviderError | None:
    """Return the error with which a stream ends, from opening it to its last event."""
    try:
        await hear(provider, options, audio)
    except ProviderError as error:
        return error
    return None


def silence(options: RecognizerOptions, seconds: float) -> bytes:
    """Return silence as the options want it."""
    return encode(bytes(2 * int(seconds * options.sample_rate)), options)
