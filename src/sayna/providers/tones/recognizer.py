"""A `Recognizer` that reads what the voice of `tones` sang."""

from collections.abc import AsyncIterator, Iterable, Iterator

import numpy as np
import structlog

from sayna.audio.convert import Inbound
from sayna.audio.formats import sample_bytes
from sayna.errors import ProviderMisconfigured
from sayna.providers.tones.demodulator import RATE_HZ, Demodulator, Word
from sayna.providers.tones.faults import STALL_LIMIT_S, FaultPlan
from sayna.providers.tones.phrase import Phrase
from sayna.providers.tones.results import FaultyResults, Results
from sayna.settings.vendors import Providers
from sayna.speech.events import SpeechEvent
from sayna.speech.options import RecognizerOptions

log = structlog.get_logger(__name__)

FAULTY_STEP_MS = 20
"""Audio is taken in such steps where something is to go wrong, so that its place is exact."""


class TonesRecognizer:
    """One caller's stream. It is read while it comes in, so nothing waits and nothing is dropped.

    Raises:
        ProviderMisconfigured: the encoding, rate or channels are impossible.
    """

    def __init__(self, options: RecognizerOptions, settings: Providers, plan: FaultPlan) -> None:
        try:
            self._inbound = Inbound(
                options.encoding, options.sample_rate, options.channels, RATE_HZ
            )
        except ValueError as error:
            raise ProviderMisconfigured(str(error)) from error
        frame_bytes = options.channels * (sample_bytes(options.encoding) or 1)
        self._bytes_per_ms = frame_bytes * options.sample_rate / 1000
        self._step_bytes = int(FAULTY_STEP_MS * self._bytes_per_ms) if plan.faults else 0
        self._demodulator = Demodulator()
        self._phrase = Phrase(settings.tones_final_gap_ms, settings.tones_speech_final_gap_ms)
        self._results = Results()
        self._faulty = FaultyResults(plan, self._results)
        self._finishing = False

    @property
    def stall_limit_s(self) -> float:
        """It answers everything at once, until a fault has it otherwise."""
        return STALL_LIMIT_S

    @property
    def signs_of_life(self) -> int:
        """Pieces of audio taken note of."""
        return self._faulty.signs_of_life

    def send_audio(self, audio: bytes) -> None:
        """Read the next bytes; after `finish` they are ignored."""
        if self._finishing or self._results.ended:
            return
        for part in self._parts(audio):
            self._faulty.listen(len(part) / self._bytes_per_ms)
            self._hear(self._inbound.feed(part))

    def finalize(self) -> None:
        """Close the segment behind the words that are complete; one half sung begins the next."""
        if not self._finishing:
            self._hear(self._inbound.flush(), now=True)
            self._faulty.tell(self._phrase.end())

    def finish(self) -> None:
        """End the stream behind the audio sent so far."""
        if self._finishing:
            return
        self._finishing = True
        self._faulty.reach_end()
        self._hear(self._inbound.finish(), now=True)
        self._tell(self._demodulator.finish())
        self._faulty.tell(self._phrase.end())
        self._faulty.finish()

    def events(self) -> AsyncIterator[SpeechEvent]:
        """Iterate once over what was heard, until `finish` has drained.

        Raises:
            ProviderError: the model asked for it.
        """
        return self._results.read()

    def close(self) -> None:
        """Say in the log what nobody read."""
        if self._results.dropped:
            log.warning("results_dropped", provider="tones", count=self._results.dropped)

    def _parts(self, audio: bytes) -> Iterator[bytes]:
        if not self._step_bytes:
            yield audio
            return
        for at in range(0, len(audio), self._step_bytes):
            yield audio[at : at + self._step_bytes]

    def _hear(self, audio: bytes, *, now: bool = False) -> None:
        samples = np.frombuffer(audio, "<i2")
        words = self._demodulator.feed(samples.astype(np.int16, copy=False), now=now)
        self._tell(words)
        self._faulty.tell(self._phrase.be_quiet(self._demodulator.settled_at))

    def _tell(self, words: Iterable[Word]) -> None:
        for word in words:
            self._faulty.tell(self._phrase.hear(word))
