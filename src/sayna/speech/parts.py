"""A long text, part by part for a voice that takes no more at once, and yet one utterance."""

import re
from collections.abc import AsyncGenerator, Iterator

from sayna.audio.wav import HEADER_BYTES
from sayna.speech.protocols import AudioFormat, Limited, Synthesizer, Versioned

_EDGES = (
    re.compile(  # of sentences; closing quotes may follow the full stop
        r"""(?<=[.!?\u2026])["'\u201d\u2019\u00bb)\]]*+\s|(?<=[\u3002\uff01\uff1f])|\n"""
    ),
    re.compile(r"(?<=[;,:\u2013\u2014])\s|(?<=[\uff1b\uff0c\u3001\uff1a])"),  # of clauses
    re.compile(r"\s"),  # of words
)


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
        end = _end_of_part(rest, max_chars)
        yield rest[:end].rstrip()
        rest = rest[end:].lstrip()
    if rest:
        yield rest


def _end_of_part(text: str, max_chars: int) -> int:
    for edge in _EDGES:
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
        inner = self._synthesizer
        return inner.speech_version if isinstance(inner, Versioned) else ""

    async def speak(self, text: str) -> AsyncGenerator[bytes, None]:
        """Yield the audio of one utterance, as one file when it is `wav`.

        Raises:
            ProviderError: the engine failed; what was yielded before stays valid.
        """
        is_wav = self.audio_format.name == "wav"
        for number, part in enumerate(cut_text(text, self._max_chars)):
            unwanted = HEADER_BYTES if is_wav and number else 0
            chunks = self._synthesizer.speak(part)
            try:
                async for chunk in chunks:
                    if audio := chunk[unwanted:]:
                        yield audio
                    unwanted = max(0, unwanted - len(chunk))
            finally:
                await chunks.aclose()


def in_parts(synthesizer: Synthesizer) -> Synthesizer:
    """Return a voice that takes texts of any length; the same one when it does already."""
    max_chars = synthesizer.max_text_chars if isinstance(synthesizer, Limited) else None
    return synthesizer if max_chars is None else InParts(synthesizer, max_chars)
