"""A long text, part by part for a voice that takes no more at once, and yet one utterance."""

import re
from collections.abc import AsyncGenerator, Iterator, Sequence

from sayna.audio.wav import HEADER_BYTES
from sayna.speech.protocols import (
    AudioFormat,
    Synthesizer,
    Watched,
    max_text_chars_of,
    speech_version_of,
)

SENTENCE_EDGE = re.compile(  # closing quotes may follow the full stop
    r"""(?<=[.!?\u2026])["'\u201d\u2019\u00bb)\]]*+\s|(?<=[\u3002\uff01\uff1f])|\n"""
)
INNER_EDGES = (
    re.compile(r"(?<=[;,:\u2013\u2014])\s|(?<=[\uff1b\uff0c\u3001\uff1a])"),  # of clauses
    re.compile(r"\s"),  # of words
)
"""Where to cut a sentence, the best kind of place first."""


def cut_text(text: str, max_chars: int) -> Iterator[str]:
    """Yield the text in parts of at most so many characters, without blanks at their ends.

    A part ends where a sentence does, else at a clause mark, else between two words; within a
    word only when it alone is too long.

    Raises:
        ValueError: `max_chars` is not positive.
    """
    if max_chars < 1:
        raise ValueError(f"no text has parts of {max_chars} characters")
    rest = text.strip()
    while len(rest) > max_chars:
        end = end_of_part(rest, max_chars, (SENTENCE_EDGE, *INNER_EDGES))
        yield rest[:end].rstrip()
        rest = rest[end:].lstrip()
    if rest:
        yield rest


def end_of_part(text: str, max_chars: int, edges: Sequence[re.Pattern[str]]) -> int:
    """Return where to cut a text that is longer than a part may be: at the last of the best edges.

    Args:
        text: longer than `max_chars`.
        max_chars: of the part, without a blank at its end.
        edges: patterns of the places, the best first; none there is a cut within a word.
    """
    for edge in edges:
        ends = [found.end() for found in edge.finditer(text, 0, max_chars + 1)]
        while ends:
            end = ends.pop()
            if end <= max_chars or text[end - 1].isspace():
                return end
    return max_chars


class InParts:
    """Says a text that is too long for another voice part by part.

    Args:
        synthesizer: says the parts; opened and closed by the caller.
        max_chars: of each part.
    """

    def __init__(self, synthesizer: Synthesizer, max_chars: int) -> None:
        self._synthesizer = synthesizer
        self._max_chars = max_chars

    @property
    def audio_format(self) -> AudioFormat:
        """That of the synthesizer within."""
        return self._synthesizer.audio_format

    @property
    def speech_version(self) -> str | None:
        """That of the synthesizer within; empty when it has none."""
        return speech_version_of(self._synthesizer)

    @property
    def stall_limit_s(self) -> float | None:
        """That of the synthesizer within; None when nobody watches it."""
        inner = self._synthesizer
        return inner.stall_limit_s if isinstance(inner, Watched) else None

    @property
    def signs_of_life(self) -> int:
        """Those of the synthesizer within."""
        inner = self._synthesizer
        return inner.signs_of_life if isinstance(inner, Watched) else 0

    async def speak(self, text: str) -> AsyncGenerator[bytes, None]:
        """Yield the audio of one utterance, as one file when it is `wav`.

        Raises:
            ProviderError: the engine failed; what was yielded before stays valid.
        """
        for number, part in enumerate(cut_text(text, self._max_chars)):
            chunks = speak_part(self._synthesizer, part, first=number == 0)
            try:
                async for chunk in chunks:
                    yield chunk
            finally:
                await chunks.aclose()


async def speak_part(
    synthesizer: Synthesizer, text: str, *, first: bool
) -> AsyncGenerator[bytes, None]:
    """Yield the audio of a part of an utterance; without its header when it continues a `wav`.

    Raises:
        ProviderError: the engine failed; what was yielded before stays valid.
    """
    is_wav = synthesizer.audio_format.name == "wav"
    unwanted = HEADER_BYTES if is_wav and not first else 0
    chunks = synthesizer.speak(text)
    try:
        async for chunk in chunks:
            if audio := chunk[unwanted:]:
                yield audio
            unwanted = max(0, unwanted - len(chunk))
    finally:
        await chunks.aclose()


def in_parts(synthesizer: Synthesizer) -> Synthesizer:
    """Return a voice that takes texts of any length; the same one when it does already."""
    max_chars = max_text_chars_of(synthesizer)
    return synthesizer if max_chars is None else InParts(synthesizer, max_chars)
