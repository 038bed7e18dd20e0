"""From words and the gaps between them to results. Arithmetic over durations; there is no clock."""

from sayna.providers.tones.demodulator import RATE_HZ, Word
from sayna.speech.events import Transcript

MAX_WORDS = 200
"""Words of a segment; a longer one is closed, as vendors do."""


class Phrase:
    """The segment being heard.

    Args:
        final_gap_ms: silence that makes what was heard final.
        speech_final_gap_ms: silence that ends the speech; both are counted from the last word.
    """

    def __init__(self, final_gap_ms: float, speech_final_gap_ms: float) -> None:
        self._final_gap = final_gap_ms * RATE_HZ / 1000
        self._speech_final_gap = speech_final_gap_ms * RATE_HZ / 1000
        self._words: list[str] = []
        self._ends_at = 0  # of the last word
        self._speaking = False  # words came since the last end of speech

    def hear(self, word: Word) -> list[Transcript]:
        """Add a word, behind the results that the silence before it makes."""
        results = self.be_quiet(word.starts_at)
        self._words.append(word.text)
        self._ends_at = word.ends_at
        self._speaking = True
        is_full = len(self._words) >= MAX_WORDS
        results.append(self._close() if is_full else self._result())
        return results

    def be_quiet(self, until: int) -> list[Transcript]:
        """Return what no word up to a position means, if anything."""
        if not self._speaking:
            return []
        gap = until - self._ends_at
        results: list[Transcript] = []
        if self._words and self._final_gap <= gap and self._final_gap < self._speech_final_gap:
            results.append(self._close())
        if gap >= self._speech_final_gap:
            results.append(self._close(speech=True))
        return results

    def end(self) -> list[Transcript]:
        """Close the segment and the speech here, whatever the silence."""
        return [self._close(speech=True)] if self._speaking else []

    def _close(self, *, speech: bool = False) -> Transcript:
        text = " ".join(self._words)
        self._words.clear()
        self._speaking = not speech
        return Transcript(text, is_final=True, is_speech_final=speech, confidence=1.0)

    def _result(self) -> Transcript:
        return Transcript(" ".join(self._words), confidence=1.0)  # a checksum proved each word
