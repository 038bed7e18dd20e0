"""What a session tells its client, and the outlet that it tells it through.

Nothing here knows how an event is written down; `sayna.api.messages` does.
"""

from collections import deque
from typing import NamedTuple, Protocol

from sayna.session.clock import Clock
from sayna.speech.events import Transcript
from sayna.turns.open_turn import TurnEnd


class Ready(NamedTuple):
    """The config was accepted and everything it asked for is open."""

    stream_id: str
    livekit_url: str
    """Where clients reach the rooms' server; told whether or not there is a room."""
    events: tuple[str, ...] | None = None
    """The opt-in events that the config asked for; None: it did not mention them."""


class Problem(NamedTuple):
    """Something went wrong that the client should know about; the session goes on."""

    text: str


class TransferProblem(NamedTuple):
    """A call was not transferred."""

    text: str


class PlaybackComplete(NamedTuple):
    """Everything that was to be said has been handed over."""

    at_ms: int
    """Milliseconds since 1970."""


SessionEvent = Ready | Transcript | TurnEnd | Problem | TransferProblem | PlaybackComplete


class Outlet(Protocol):
    """The one way from a session to its client. Bounded: a client that never reads costs little."""

    @property
    def writable(self) -> bool:
        """Whether audio may be handed over now."""
        ...

    def tell(self, event: SessionEvent) -> None:
        """Hand over an event; never waits. When the client is far behind, the oldest are lost."""
        ...

    def play(self, frame: bytes) -> None:
        """Hand over one frame of audio, after everything told before it."""
        ...

    async def wait_writable(self) -> None:
        """Wait until the client has caught up, or is gone."""
        ...


class Backlog:
    """Events that have to wait, in order. When full, the oldest interim goes, else the oldest.

    An interim is the cheapest loss: the next one says everything that it said.
    """

    def __init__(self, max_events: int) -> None:
        self._max_events = max_events
        self._events: deque[SessionEvent] = deque()

    def __len__(self) -> int:
        """Return how many events wait."""
        return len(self._events)

    def push(self, event: SessionEvent) -> None:
        """Add an event, making room for it if need be."""
        if len(self._events) >= self._max_events:
            cheapest = next((at for at, kept in enumerate(self._events) if _is_interim(kept)), 0)
            del self._events[cheapest]
        self._events.append(event)

    def pop(self) -> SessionEvent:
        """Take out the oldest event."""
        return self._events.popleft()


def _is_interim(event: SessionEvent) -> bool:
    return isinstance(event, Transcript) and not event.is_final and not event.is_speech_final


class RepeatLimit:
    """Lets the same text through once in an interval, so that a storm of faults is one line.

    Args:
        interval_s: seconds in which a text is said once.
    """

    MAX_KINDS = 64  # of texts remembered; a flood of distinct ones starts over

    def __init__(self, clock: Clock, interval_s: float) -> None:
        self._clock = clock
        self._interval_s = interval_s
        self._next_at: dict[str, float] = {}

    def allows(self, text: str) -> bool:
        """Tell whether the text may be said now, and count it as said if so."""
        now = self._clock.now()
        if now < self._next_at.get(text, now):
            return False
        if len(self._next_at) >= self.MAX_KINDS:
            self._next_at.clear()
        self._next_at[text] = now + self._interval_s
        return True
