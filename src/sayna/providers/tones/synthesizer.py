"""A `Synthesizer` that sings each word as chords (`alphabet`, `chords`), as fast as it is read."""

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator

from sayna.audio.convert import Outbound, check_outbound
from sayna.errors import ProviderMisconfigured
from sayna.providers.tones.alphabet import spell
from sayna.providers.tones.chords import render_piece
from sayna.providers.tones.faults import STALL_LIMIT_S
from sayna.speech.options import SynthesizerOptions
from sayna.speech.protocols import AudioFormat

VOICE = "chords"
GAP_S = 0.06
"""Silence behind each word at normal speed, s."""
GAPS_S = (0.04, 0.24)
"""The shortest and the longest, s, whatever the speaking rate."""

_WORD_END = re.compile(r"\s+")


class TonesSynthesizer:
    """One session's voice: the same text is always the same audio.

    Raises:
        ProviderMisconfigured: the voice, format or rate is impossible.
    """

    def __init__(self, options: SynthesizerOptions) -> None:
        try:
            check_outbound(options.audio_format, options.sample_rate)
        except ValueError as error:
            raise ProviderMisconfigured(str(error)) from error
        if options.voice_id not in {None, "", VOICE}:
            voice = str(options.voice_id)[:80]
            raise ProviderMisconfigured(f"tones has no voice {voice!r} (it has {VOICE})")
        speed = options.speaking_rate if options.speaking_rate > 0 else 1.0
        self._gap_s = min(max(GAP_S / speed, GAPS_S[0]), GAPS_S[1])
        self._format = AudioFormat(options.audio_format, options.sample_rate)

    @property
    def audio_format(self) -> AudioFormat:
        """As the options ask: any rate is sung at directly."""
        return self._format

    @property
    def stall_limit_s(self) -> float:
        """It sings faster than anybody listens, until a fault has it otherwise."""
        return STALL_LIMIT_S

    @property
    def signs_of_life(self) -> int:
        """0: its chunks are its signs."""
        return 0

    async def speak(self, text: str) -> AsyncGenerator[bytes, None]:
        """Yield one chunk for each word; the chunk of a `wav` file's first word has its header."""
        outbound = self._outbound()
        for word in text.split():
            yield self._sing(word, outbound)
            await asyncio.sleep(0)  # a long text must not keep the loop from everybody else

    async def speak_stream(self, texts: AsyncIterator[str]) -> AsyncGenerator[bytes, None]:
        """Yield one chunk for each word as soon as it is complete: a blank follows, or the end."""
        outbound = self._outbound()
        begun = ""  # a word
        async for text in texts:
            *words, begun = _WORD_END.split(begun + text)
            for word in filter(None, words):
                yield self._sing(word, outbound)
                await asyncio.sleep(0)
        if begun:
            yield self._sing(begun, outbound)

    def _outbound(self) -> Outbound:
        rate = self._format.sample_rate
        return Outbound(rate, self._format.name, rate)

    def _sing(self, word: str, outbound: Outbound) -> bytes:
        rate, pieces = self._format.sample_rate, spell(word)
        gaps = [GAP_S] * (len(pieces) - 1) + [self._gap_s]
        sung = (render_piece(piece, rate, gap) for piece, gap in zip(pieces, gaps, strict=True))
        return outbound.feed(b"".join(samples.astype("<i2").tobytes() for samples in sung))
