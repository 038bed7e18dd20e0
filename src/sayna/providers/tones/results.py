"""What a recognizer has to tell, waiting to be read, and what may go wrong on the way there."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Iterable

from sayna.errors import ProviderError
from sayna.providers.tones.faults import END, OPEN, START, Fault, FaultPlan, Kind, error_of
from sayna.speech.events import Transcript

MAX_WAITING = 1024
"""Results that may wait to be read; then the oldest is dropped."""
CROWDED = 64
"""From here on an interim that nobody read is replaced by the next result."""


class Results:
    """A queue of results, with an end."""

    def __init__(self) -> None:
        self._waiting: deque[Transcript] = deque(maxlen=MAX_WAITING)
        self._news = asyncio.Event()
        self._ended = False
        self._error: ProviderError | None = None
        self.dropped = 0
        """Results that nobody read in time."""

    @property
    def ended(self) -> bool:
        """True when nothing more will come."""
        return self._ended

    def put(self, result: Transcript) -> None:
        """Tell one result."""
        if len(self._waiting) >= CROWDED and not self._waiting[-1].is_final:
            self._waiting.pop()
        if len(self._waiting) == MAX_WAITING:
            self.dropped += 1
        self._waiting.append(result)
        self._news.set()

    def end(self, error: ProviderError | None = None) -> None:
        """Say that nothing follows, perhaps with the reason."""
        self._ended, self._error = True, error
        self._news.set()

    async def read(self) -> AsyncGenerator[Transcript, None]:
        """Yield every result until the end.

        Raises:
            ProviderError: that was the reason of the end.
        """
        while True:
            while self._waiting:
                yield self._waiting.popleft()
            if self._error is not None:
                raise self._error
            if self._ended:
                return
            self._news.clear()
            await self._news.wait()


class FaultyResults:
    """Hands on to `Results`, with what the plan wants to go wrong.

    Times are durations of audio, told by `listen`.
    """

    def __init__(self, plan: FaultPlan, results: Results) -> None:
        self._plan = plan
        self._results = results
        self._ahead = [fault for fault in plan.faults if not _is_elsewhere(fault)]
        self._held: deque[Transcript] = deque(maxlen=MAX_WAITING)
        self._silent_until_ms = 0.0
        self._audio_ms = 0.0
        self._words_before = 0  # of the segments that are closed
        self._words = 0
        self._odd = False
        self._gone = False
        self._speechless = False
        self.signs_of_life = 0
        """Pieces of audio that the vendor has taken note of: not while it stalls, or is gone."""

    def listen(self, audio_ms: float) -> None:
        """Account for more audio."""
        self._audio_ms += audio_ms
        if self._ahead:
            self._strike()
        if not self._gone and not (self._speechless and self._is_silent):
            self.signs_of_life += 1
        if self._held and not self._is_silent:
            self._release()

    def tell(self, results: Iterable[Transcript]) -> None:
        """Take what the recognizer has heard."""
        for result in results:
            for fault in [each for each in self._ahead if each.kind is Kind.SLOW_FIRST_BYTE]:
                self._ahead.remove(fault)
                self._be_silent(fault)
                self._speechless = False
            if self._is_silent:
                self._held.append(result)
            else:
                self._send(result)

    def reach_end(self) -> None:
        """Let those faults happen whose place is there; what is left to tell comes after them."""
        for fault in [each for each in self._ahead if each.place == END]:
            self._ahead.remove(fault)
            self._happen(fault)
            # no audio follows that would end a stall
            self._gone = self._gone or (fault.kind is Kind.STALL and self._is_silent)

    def finish(self) -> None:
        """Tell what was held, then end: a vendor that only stalls still says goodbye."""
        if not self._gone:
            self._silent_until_ms = 0.0
            self._release()
        if not self._gone:
            self._results.end()

    @property
    def _is_silent(self) -> bool:
        return self._audio_ms < self._silent_until_ms

    def _release(self) -> None:
        while self._held and not self._is_silent:
            self._send(self._held.popleft())

    def _send(self, result: Transcript) -> None:
        if self._gone:
            return
        if self._odd and not result.is_final:
            self._results.put(result._replace(text=result.text[: -(-len(result.text) // 2)]))
        self._results.put(result)
        self._words = self._words_before + len(result.text.split())
        if result.is_final:
            self._words_before = self._words
        self._strike()

    def _strike(self) -> None:
        """Let those faults happen whose place is reached."""
        for fault in tuple(self._ahead):
            place = fault.place or START
            is_due = fault.kind is not Kind.SLOW_FIRST_BYTE and not self._gone
            if is_due and place.is_reached(self._words, self._audio_ms):
                self._ahead.remove(fault)
                self._happen(fault)

    def _happen(self, fault: Fault) -> None:
        if fault.kind is Kind.STALL:
            self._be_silent(fault)
            self._speechless = True
        elif self._plan.happens(fault):
            if fault.kind is Kind.ODD_CHUNKS:
                self._odd = True
                return
            self._gone = True
            if (error := error_of(fault)) is not None:
                self._results.end(error)

    def _be_silent(self, fault: Fault) -> None:
        if self._plan.happens(fault):
            wait_ms = float("inf") if fault.value is None else fault.value
            self._silent_until_ms = self._audio_ms + wait_ms


def _is_elsewhere(fault: Fault) -> bool:
    """Tell whether a fault belongs to opening or closing the stream."""
    opens = fault.place == OPEN or (fault.kind is Kind.STATUS and fault.place is None)
    return opens or fault.kind is Kind.HANG_ON_CLOSE
