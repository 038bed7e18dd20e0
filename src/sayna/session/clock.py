"""Time as an argument: the one clock that a session asks, so that tests can turn its hands."""

import asyncio
import time
from collections.abc import Callable
from typing import Protocol


class Alarm(Protocol):
    """Something that will be called later unless it is cancelled."""

    def cancel(self) -> None:
        """Do not call; harmless when it was called already."""
        ...


class Clock(Protocol):
    """What a session knows about time."""

    def now(self) -> float:
        """Return seconds since some fixed moment; never goes back."""
        ...

    def call_at(self, when: float, callback: Callable[[], object]) -> Alarm:
        """Call back once `now` is `when`, in seconds."""
        ...

    def epoch_ms(self) -> int:
        """Return milliseconds since 1970, for time stamps that clients read."""
        ...


class LoopClock:
    """The clock of the running event loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.now = self._loop.time

    def call_at(self, when: float, callback: Callable[[], object]) -> Alarm:
        """Let the event loop call back."""
        return self._loop.call_at(when, callback)

    def epoch_ms(self) -> int:
        """Ask the system's calendar."""
        return time.time_ns() // 1_000_000


async def pause(clock: Clock, seconds: float) -> None:
    """Wait until so many seconds have passed by the clock."""
    over = asyncio.Event()
    alarm = clock.call_at(clock.now() + seconds, over.set)
    try:
        await over.wait()
    finally:
        alarm.cancel()
