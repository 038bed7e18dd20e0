"""What a session leans on, for tests: a clock to be turned by hand, an outlet that remembers."""

import asyncio
from collections.abc import Callable, Mapping

from sayna.errors import UnsupportedProvider
from sayna.session.clock import Alarm
from sayna.session.events import PlaybackComplete, Problem, SessionEvent
from sayna.speech.events import Transcript
from sayna.speech.protocols import Provider
from sayna.turns.open_turn import TurnEnd

EPOCH_MS = 1_700_000_000_000


class _Alarm:
    def __init__(self, when: float, callback: Callable[[], object]) -> None:
        self.when = when
        self.callback: Callable[[], object] | None = callback

    def cancel(self) -> None:
        self.callback = None


class HandClock:
    """A clock that only moves when told to, and rings what is due on the way."""

    def __init__(self) -> None:
        self.seconds = 100.0
        self._alarms: list[_Alarm] = []

    def now(self) -> float:
        return self.seconds

    def epoch_ms(self) -> int:
        return EPOCH_MS + round((self.seconds - 100.0) * 1000)

    def call_at(self, when: float, callback: Callable[[], object]) -> Alarm:
        alarm = _Alarm(when, callback)
        self._alarms.append(alarm)
        return alarm

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        end = self.seconds + seconds
        while due := [alarm for alarm in self._alarms if alarm.callback and alarm.when <= end]:
            alarm = min(due, key=lambda one: one.when)
            self._alarms.remove(alarm)
            self.seconds = max(self.seconds, alarm.when)
            assert alarm.callback is not None
            alarm.callback()
        self.seconds = end


class MemoryOutlet:
    """An outlet that keeps everything; `block` makes it a client that does not read."""

    def __init__(self) -> None:
        self.sent: list[SessionEvent | bytes] = []
        self.arrived = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()

    @property
    def events(self) -> list[SessionEvent]:
        return [one for one in self.sent if not isinstance(one, bytes)]

    @property
    def frames(self) -> list[bytes]:
        return [one for one in self.sent if isinstance(one, bytes)]

    @property
    def problems(self) -> list[str]:
        return [event.text for event in self.events if isinstance(event, Problem)]

    @property
    def heard(self) -> list[Transcript]:
        """Every result, whether or not it ends a turn."""
        told = (event.result if isinstance(event, TurnEnd) else event for event in self.events)
        return [event for event in told if isinstance(event, Transcript)]

    @property
    def turns(self) -> list[str]:
        """The text of every turn that ended."""
        return [event.turn_text for event in self.events if isinstance(event, TurnEnd)]

    @property
    def completions(self) -> int:
        return sum(isinstance(event, PlaybackComplete) for event in self.events)

    @property
    def writable(self) -> bool:
        return self._writable.is_set()

    async def wait_writable(self) -> None:
        await self._writable.wait()

    def tell(self, event: SessionEvent) -> None:
        self.sent.append(event)
        self.arrived.set()

    def play(self, frame: bytes) -> None:
        self.sent.append(frame)
        self.arrived.set()

    def block(self) -> None:
        """Stop reading."""
        self._writable.clear()

    def unblock(self) -> None:
        """Read again."""
        self._writable.set()

    async def wait_for(self, count: int) -> None:
        """Wait until that many frames and events have arrived."""
        async with asyncio.timeout(5):
            while len(self.sent) < count:
                self.arrived.clear()
                await self.arrived.wait()


class Shelf:
    """Providers that are there from the start; takes the place of the registry."""

    def __init__(self, providers: Mapping[str, Provider]) -> None:
        self._providers = providers

    def knows(self, name: str) -> bool:
        return name.lower() in self._providers

    async def get(self, name: str) -> Provider:
        if name not in self._providers:
            raise UnsupportedProvider(name)
        return self._providers[name]


async def until(condition: Callable[[], object], limit_s: float = 10) -> None:
    """Wait until something is true that no event tells of."""
    async with asyncio.timeout(limit_s):
        while not condition():  # noqa: ASYNC110 - see above
            await asyncio.sleep(0.002)


async def settle() -> None:
    """Let everything run that can run without time passing."""
    for _ in range(50):
        await asyncio.sleep(0)
