"""Audio that waits for a recognizer, bounded by its duration; and what to do between the audio."""

from collections import deque
from enum import Enum

BYTES_PER_MS = 32
"""s16le mono at 16 kHz."""


class Mark(Enum):
    """An order that keeps its place among the audio."""

    FINALIZE = "finalize"
    FINISH = "finish"


class Backlog:
    """A queue of audio and marks. When it is full the oldest audio goes, and is counted.

    Args:
        limit_ms: audio kept at most.
    """

    def __init__(self, limit_ms: float) -> None:
        self.dropped_ms = 0.0
        self._limit_bytes = int(limit_ms * BYTES_PER_MS)
        self._items: deque[bytes | Mark] = deque()
        self._bytes = 0

    @property
    def waiting_ms(self) -> float:
        """Duration of the audio inside."""
        return self._bytes / BYTES_PER_MS

    def push(self, pcm: bytes) -> None:
        """Append audio; the oldest makes room for it."""
        if not pcm:
            return
        self._items.append(pcm)
        self._bytes += len(pcm)
        while self._bytes > self._limit_bytes:
            self._drop_oldest()

    def lose(self, duration_ms: float) -> None:
        """Count audio that was too much to be queued at all."""
        self.dropped_ms += duration_ms

    def mark(self, mark: Mark) -> None:
        """Append an order; the same order twice in a row is given once."""
        if not self._items or self._items[-1] is not mark:
            self._items.append(mark)

    def pull(self, limit_bytes: int) -> bytes | Mark | None:
        """Take the next mark, or the next audio joined up to `limit_bytes`; None when empty."""
        if not self._items:
            return None
        first = self._items[0]
        if isinstance(first, Mark):
            return self._items.popleft()
        taken = bytearray()
        while self._items and len(taken) < limit_bytes:
            chunk = self._items[0]
            if isinstance(chunk, Mark):
                break
            room = limit_bytes - len(taken)
            taken += chunk[:room]
            if len(chunk) > room:
                self._items[0] = chunk[room:]
            else:
                self._items.popleft()
        self._bytes -= len(taken)
        return bytes(taken)

    def _drop_oldest(self) -> None:
        """Drop one piece of audio. Marks before it stay, in order, each once."""
        marks: list[Mark] = []
        while isinstance(first := self._items.popleft(), Mark):
            marks.append(first)
        excess = self._bytes - self._limit_bytes
        if len(first) > excess:
            excess += excess % 2
            self._items.appendleft(first[excess:])
            self._forget(excess)
        else:
            self._forget(len(first))
        for mark in reversed(marks):
            if not self._items or self._items[0] is not mark:
                self._items.appendleft(mark)

    def _forget(self, size: int) -> None:
        self._bytes -= size
        self.dropped_ms += size / BYTES_PER_MS
