"""The audio of a stream that no final has covered yet, for an engine that has to hear it again."""

from collections import deque

from sayna.audio.formats import sample_bytes
from sayna.speech.options import RecognizerOptions

KEPT_S = 2
"""Seconds of audio kept for an engine that has to hear it again."""

MAX_KEPT_BYTES = 2**20
"""However much a second may be: rate and channels are the client's own words."""


class Tail:
    """The end of a stream of audio, bounded by duration and size; the oldest messages go first.

    Audio whose duration its size does not tell is not kept: an engine could not make sense of it
    from the middle on.
    """

    def __init__(self, options: RecognizerOptions) -> None:
        self._frame_bytes = (sample_bytes(options.encoding) or 0) * options.channels
        self._bytes_per_ms = self._frame_bytes * options.sample_rate / 1000
        kept_bytes = min(KEPT_S * options.sample_rate * self._frame_bytes, MAX_KEPT_BYTES)
        self._max_bytes = max(0, kept_bytes)
        self._messages: deque[bytes] = deque()
        self._bytes = 0
        self._begins = 0  # bytes of the stream before it
        self.dropped_bytes = 0
        """Since the beginning; what was forgotten on purpose does not count."""

    def __len__(self) -> int:
        """Return how many bytes are kept."""
        return self._bytes

    def push(self, audio: bytes) -> None:
        """Keep one more message."""
        self._messages.append(audio)
        self._bytes += len(audio)
        if self._bytes > self._max_bytes:
            self._drop()

    def forget(self) -> None:
        """Keep nothing of what was pushed so far."""
        self._begins += self._bytes
        self._messages.clear()
        self._bytes = 0

    def messages(self) -> list[bytes]:
        """Return what is kept, from a whole frame of all channels on."""
        kept = list(self._messages)
        skipped = -self._begins % self._frame_bytes if self._frame_bytes else 0
        while skipped and kept:
            first = kept.pop(0)
            if rest := first[skipped:]:
                kept.insert(0, rest)
            skipped -= min(skipped, len(first))
        return kept

    def duration_ms(self, size: int) -> float | None:
        """Return how long so many bytes are heard; None when nobody can tell."""
        return size / self._bytes_per_ms if self._bytes_per_ms > 0 else None

    def _drop(self) -> None:
        before = self._bytes
        while self._bytes > self._max_bytes:
            oldest = self._messages.popleft()
            self._bytes -= len(oldest)
            if not self._messages and self._max_bytes:  # one message is longer than all we keep
                self._messages.append(oldest[-self._max_bytes :])
                self._bytes = self._max_bytes
        self._begins += before - self._bytes
        self.dropped_bytes += before - self._bytes
