"""The caller's turn as the recognizer tells it, and when it is over though nobody said so.

    final --> waiting --speech-final--> over
                 |
                 `--nothing new for so long--> over, said by us (a forced speech-final)

While a turn waits, whatever is new, a final or an interim with other words, starts both waits
again: who still talks is not cut off.
"""

from collections import deque
from dataclasses import dataclass
from typing import NamedTuple

from sayna.speech.events import Transcript

MAX_TURN_CHARS = 100_000
"""Of the text of one turn; somebody who never pauses loses the oldest of it."""


class TurnEnd(NamedTuple):
    """A result that ends the caller's turn."""

    result: Transcript
    """With `is_speech_final`."""
    turn_text: str
    """All that was said in the turn: its finals and this result, joined with single blanks."""


@dataclass(frozen=True, slots=True)
class TurnLimits:
    """How long a turn may wait, in milliseconds."""

    provider_wait_ms: int = 1800
    """After something new, for the recognizer to end the turn itself."""
    hard_limit_ms: int = 5000
    """After something new, whatever else would still be waited for."""
    duplicate_window_ms: int = 500
    """After a forced end, in which the recognizer's own end of that turn is a repetition."""


class OpenTurn:
    """One caller's turns, one after the other.

    Args:
        limits: how long to wait.
        fill_forced: a forced speech-final has the text of the turn as its transcript, too.
    """

    def __init__(self, limits: TurnLimits, *, fill_forced: bool = False) -> None:
        self._limits = limits
        self._fill_forced = fill_forced
        self._finals: deque[str] = deque()  # of this turn
        self._chars = 0
        self._interim = ""
        self._renewed_at: float | None = None  # when something new came; None: nothing waits
        self._forced_at: float | None = None
        self._forced: tuple[str, ...] = ()

    def take(self, result: Transcript, now: float) -> Transcript | TurnEnd | None:
        """Account for a result.

        Args:
            result: what the recognizer told.
            now: seconds by the session's clock.

        Returns:
            What to tell the client: the result, or the end of a turn; None when it says nothing
            new.
        """
        if result.is_speech_final:
            return None if self._repeats(result, now) else self._end(result)
        if result.is_final:
            return self._take_final(result, now)
        if self._renewed_at is not None and result.text.strip() not in {"", self._interim}:
            self._renewed_at = now
        self._interim = result.text.strip()
        return result

    def due_at(self) -> float | None:
        """Return when the turn is over unless something new comes; None: nothing waits."""
        if self._renewed_at is None:
            return None
        wait_ms = min(self._limits.provider_wait_ms, self._limits.hard_limit_ms)
        return self._renewed_at + wait_ms / 1000

    def force(self, now: float) -> TurnEnd:
        """End the turn; what is returned tells the client so."""
        text = self._text()
        self._forced_at, self._forced = now, tuple(self._finals)
        self._start_over()
        return TurnEnd(Transcript(text if self._fill_forced else "", True, True, 1.0), text)

    def _take_final(self, result: Transcript, now: float) -> Transcript | None:
        text = result.text.strip()
        if not text:  # it ends nothing and says nothing
            return None
        self._finals.append(text)
        self._chars += len(text)
        while self._chars > MAX_TURN_CHARS and len(self._finals) > 1:
            self._chars -= len(self._finals.popleft())
        self._interim = ""
        self._renewed_at = now
        return result

    def _repeats(self, result: Transcript, now: float) -> bool:
        """Tell whether the recognizer ends a turn that was ended for it a moment ago."""
        if self._forced_at is None or self._finals:
            return False
        if now >= self._forced_at + self._limits.duplicate_window_ms / 1000:
            return False
        text = result.text.strip()
        said = self._forced
        return text in {"", " ".join(said), "".join(said), said[-1] if said else ""}

    def _end(self, result: Transcript) -> TurnEnd:
        turn_text = " ".join(filter(None, (self._text(), result.text.strip())))
        self._start_over()
        self._forced_at, self._forced = None, ()
        return TurnEnd(result, turn_text)

    def _text(self) -> str:
        return " ".join(self._finals)

    def _start_over(self) -> None:
        self._finals.clear()
        self._chars = 0
        self._interim = ""
        self._renewed_at = None
