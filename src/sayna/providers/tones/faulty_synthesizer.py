"""A `Synthesizer` around another, with what a plan wants to go wrong."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from itertools import pairwise

from sayna.audio.formats import sample_bytes
from sayna.audio.wav import HEADER_BYTES
from sayna.errors import ProviderTimeout
from sayna.providers.tones.faults import (
    END,
    OPEN,
    STALL_LIMIT_S,
    START,
    Fault,
    FaultPlan,
    Kind,
    Unit,
    error_of,
)
from sayna.providers.tones.synthesizer import TonesSynthesizer
from sayna.speech.protocols import AudioFormat

Sleep = Callable[[float], Awaitable[None]]
"""Waits for so many seconds."""

ODD_SIZES = (1, 3, 127, 333, 1, 1021)
"""Bytes of the chunks that `odd-chunks` makes, again and again."""


class FaultySynthesizer:
    """Speaks as `inner` does, which yields one chunk for each word, until something goes wrong.

    Args:
        inner: the voice.
        plan: what goes wrong; places are counted in each utterance.
        limit_s: how long a vendor's silence is borne, if nobody closes the utterance sooner.
        sleep: waits; an argument for tests.
    """

    def __init__(
        self,
        inner: TonesSynthesizer,
        plan: FaultPlan,
        limit_s: float,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._inner = inner
        self._plan = plan
        self._limit_s = limit_s
        self._sleep = sleep
        self._gone = False

    @property
    def audio_format(self) -> AudioFormat:
        """That of the inner voice."""
        return self._inner.audio_format

    @property
    def speech_version(self) -> None:
        """None: what may go wrong is never remembered."""
        return

    @property
    def stall_limit_s(self) -> float:
        """That of `tones`."""
        return STALL_LIMIT_S

    @property
    def signs_of_life(self) -> int:
        """0: its chunks are its signs."""
        return 0

    async def speak(self, text: str) -> AsyncGenerator[bytes, None]:
        """Yield one utterance, or as much of it as the plan lets through.

        Raises:
            ProviderError: as the plan has it.
        """
        if text.split():
            words = self._spoil(self._inner.speak(text))
            try:
                async for part in words:
                    yield part
            finally:
                await words.aclose()

    async def speak_stream(self, texts: AsyncIterator[str]) -> AsyncGenerator[bytes, None]:
        """Do the same for a text that comes in pieces; its start is before the first of them.

        Raises:
            ProviderError: as the plan has it.
        """
        words = self._spoil(self._inner.speak_stream(texts))
        try:
            async for part in words:
                yield part
        finally:
            await words.aclose()

    async def _spoil(self, words: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
        ahead = [fault for fault in self._plan.faults if not _is_elsewhere(fault)]
        spoken = _Spoken(self._inner.audio_format)
        try:
            await self._strike(ahead, spoken)
            async for word in words:
                for chunk in spoken.cut(word, ahead):
                    for part in spoken.parts(chunk):
                        yield part
                    spoken.count(chunk)
                    await self._strike(ahead, spoken)
                spoken.words += 1
                await self._strike(ahead, spoken)
            spoken.ended = True
            await self._strike(ahead, spoken)
        finally:
            await words.aclose()

    async def _strike(self, ahead: list[Fault], spoken: "_Spoken") -> None:
        """Let those faults happen whose place is reached."""
        if self._gone:
            await self._wait(None)
        for fault in tuple(ahead):
            place = fault.place or START
            if place.is_reached(spoken.words, spoken.audio_ms) or (place == END and spoken.ended):
                ahead.remove(fault)
                if self._plan.happens(fault):
                    await self._happen(fault, spoken)

    async def _happen(self, fault: Fault, spoken: "_Spoken") -> None:
        if (error := error_of(fault)) is not None:
            raise error
        if fault.kind is Kind.ODD_CHUNKS:
            spoken.odd = True
        else:
            self._gone = fault.kind is Kind.HALF_OPEN
            await self._wait(fault.value)

    async def _wait(self, wait_ms: int | None) -> None:
        """Be silent for a while, or for longer than is borne.

        Whoever gives up what is silent gives up the connection with it: the next one lives.
        """
        wait_s = self._limit_s if wait_ms is None else wait_ms / 1000
        try:
            await self._sleep(min(wait_s, self._limit_s))
        finally:
            self._gone = False
        if wait_s >= self._limit_s:
            raise ProviderTimeout(f"tones sent nothing for {self._limit_s:g} s", retryable=True)


class _Spoken:
    """How far an utterance has come."""

    def __init__(self, audio_format: AudioFormat) -> None:
        self._bytes_per_ms = (sample_bytes(audio_format.name) or 2) * (
            audio_format.sample_rate / 1000
        )
        self._header_bytes = HEADER_BYTES if audio_format.name == "wav" else 0
        self._bytes = -self._header_bytes
        self._chunks = 0
        self.words = 0
        self.ended = False
        self.odd = False

    @property
    def audio_ms(self) -> float:
        return max(0, self._bytes) / self._bytes_per_ms

    def count(self, chunk: bytes) -> None:
        """Account for what was yielded."""
        self._bytes += len(chunk)

    def cut(self, chunk: bytes, ahead: list[Fault]) -> Iterator[bytes]:
        """Cut where a fault waits in the middle."""
        places = [fault.place for fault in ahead if fault.place and fault.place.unit is Unit.MS]
        cuts = (round(place.after * self._bytes_per_ms) - self._bytes for place in places)
        edges = [0, *sorted({cut for cut in cuts if 0 < cut < len(chunk)}), len(chunk)]
        for start, end in pairwise(edges):
            yield chunk[start:end]

    def parts(self, chunk: bytes) -> Iterator[bytes]:
        """Cut into strange sizes, where that is wanted."""
        at = 0
        while at < len(chunk):
            size = ODD_SIZES[self._chunks % len(ODD_SIZES)] if self.odd else len(chunk)
            self._chunks += 1
            yield chunk[at : at + size]
            at += size


def _is_elsewhere(fault: Fault) -> bool:
    """Tell whether a fault belongs to opening or closing the voice."""
    return fault.place == OPEN or fault.kind is Kind.HANG_ON_CLOSE
