"""From words and the silence between them to what a vendor tells. Arithmetic; there is no clock."""

from typing import NamedTuple

from tests.emulators.hearing import Word


class Began(NamedTuple):
    """Somebody speaks."""

    at_s: float


class Segment(NamedTuple):
    """Words of a stretch of audio; those of one that is not final come again."""

    words: tuple[Word, ...]
    start_s: float
    end_s: float
    is_final: bool = False
    ends_speech: bool = False

    @property
    def text(self) -> str:
        """The words, joined."""
        return " ".join(word.text for word in self.words)


class Ended(NamedTuple):
    """No word came for long."""

    last_word_end_s: float


News = Began | Segment | Ended


class Segmenter:
    """One stream.

    Args:
        endpoint_s: silence that ends the speech; None never does.
        longest_s: a segment is final when it is so long, speech or not.
        pause_s: silence behind the last word that is told as `Ended`; None is not.
    """

    def __init__(self, endpoint_s: float | None, longest_s: float, pause_s: float | None) -> None:
        self._endpoint_s = endpoint_s
        self._longest_s = longest_s
        self._pause_s = pause_s
        self._words: list[Word] = []
        self._start_s = 0.0
        self._last_end_s = 0.0
        self._speaking = False
        self._paused = True

    def feed(self, words: list[Word], settled_s: float) -> list[News]:
        """Take words, and up to where there are no more."""
        news: list[News] = []
        for word in words:
            news += self._be_quiet(word.start_s)
            if not self._speaking:
                news.append(Began(word.start_s))
            self._speaking, self._paused = True, False
            self._words.append(word)
            self._last_end_s = word.end_s
            if word.end_s - self._start_s >= self._longest_s:
                news.append(self._close(word.end_s))
            else:
                news.append(Segment(tuple(self._words), self._start_s, word.end_s))
        return news + self._be_quiet(settled_s)

    def close(self, at_s: float, *, ends_speech: bool = False) -> Segment:
        """Make final what there is."""
        return self._close(max(at_s, self._last_end_s), ends_speech=ends_speech)

    def pending_s(self, at_s: float) -> float:
        """Return how much audio no final covers."""
        return max(0.0, at_s - self._start_s)

    def _be_quiet(self, until_s: float) -> list[News]:
        news: list[News] = []
        quiet_s = until_s - self._last_end_s
        endpoint_s = self._endpoint_s
        if self._speaking and endpoint_s is not None and quiet_s >= endpoint_s:
            news.append(self._close(self._last_end_s + endpoint_s, ends_speech=True))
        if self._pause_s is not None and not self._paused and quiet_s >= self._pause_s:
            self._paused = True
            news.append(Ended(self._last_end_s))
        if until_s - self._start_s >= self._longest_s:
            news.append(self._close(until_s))
        return news

    def _close(self, at_s: float, *, ends_speech: bool = False) -> Segment:
        closed = Segment(tuple(self._words), self._start_s, at_s, True, ends_speech)
        self._words.clear()
        self._start_s = at_s
        if ends_speech:
            self._speaking = False
        return closed
