"""Speech that nobody may interrupt: from its first audible sample to its last. Arithmetic only.

A WebSocket client gets audio faster than it can play it, so what is audible is reckoned: the
client starts an utterance when its first frame arrives or, if it is still playing, right after
the one before.
"""

from collections import deque
from collections.abc import Callable
from typing import NamedTuple


class _Stretch(NamedTuple):
    start: float
    end: float


class Protection:
    """The protected stretches of one session's playback, in the seconds of its clock."""

    def __init__(self) -> None:
        self._playing_until = 0.0
        self._stretches: deque[_Stretch] = deque()
        self._open_since: float | None = None
        self._moved: Callable[[], None] = lambda: None

    def watch(self, moved: Callable[[], None]) -> None:
        """Call back whenever a protected stretch has got an end, or was cleared."""
        self._moved = moved

    def hand_over(self, now: float, duration_s: float, *, protected: bool) -> None:
        """Account for a frame on its way to the listener.

        Args:
            now: when it is handed over.
            duration_s: how long it sounds; 0 when that cannot be told from its bytes.
            protected: it belongs to an utterance that may not be interrupted.
        """
        start = max(now, self._playing_until)
        self._playing_until = start + duration_s
        if protected and self._open_since is None:
            self._open_since = start

    def finish(self) -> None:
        """The utterance has been handed over to its last frame, or will never be."""
        if self._open_since is not None:
            start = self._open_since
            if self._stretches and start <= self._stretches[-1].end:  # one follows the other
                start = self._stretches.pop().start
            self._stretches.append(_Stretch(start, self._playing_until))
            self._open_since = None
            self._moved()

    def reset(self) -> None:
        """Nothing is playing any more: it was cleared."""
        self._stretches.clear()
        self._open_since = None
        self._playing_until = 0.0
        self._moved()

    def blocks(self, now: float) -> bool:
        """Tell whether protected speech is audible."""
        while self._stretches and self._stretches[0].end <= now:
            self._stretches.popleft()
        if self._stretches:
            return self._stretches[0].start <= now
        return self._open_since is not None and self._open_since <= now

    def ends_at(self, now: float) -> float | None:
        """Return when the stretch that blocks now ends; None: that is not known yet."""
        if not self.blocks(now) or not self._stretches:
            return None
        return self._stretches[0].end
