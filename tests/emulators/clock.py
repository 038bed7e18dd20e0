"""The time an emulator lives by: the wall's, a faster one, or one that a test turns by hand.

Every delay of an emulator goes through one of these. All are a `sayna.session.clock.Clock`, so one
clock can drive both sides of a test.
"""

import asyncio
import heapq
import itertools
import math
import time
from collections.abc import Callable

from sayna.session.clock import Alarm, Clock, LoopClock, pause

__all__ = ["Clock", "LoopClock", "ScaledClock", "SteppedClock", "sleep"]

_SETTLING_ROUNDS = 20
"""Turns of the event loop in which a woken task may run on to its next wait."""


async def sleep(clock: Clock, seconds: float) -> None:
    """Wait by a clock: not at all when there is nothing to wait for, or for ever."""
    if seconds == math.inf:
        await asyncio.Event().wait()
    elif seconds > 0:
        await pause(clock, seconds)


class ScaledClock:
    """Real time, so many times as fast: with 100, ten seconds pass in a tenth of one."""

    def __init__(self, factor: float) -> None:
        if factor <= 0:
            raise ValueError(f"time must go forward, not by {factor}")
        self._factor = factor
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self._epoch_ms = time.time_ns() // 1_000_000

    def now(self) -> float:
        """Return seconds since this clock was made."""
        return (self._loop.time() - self._began) * self._factor

    def call_at(self, when: float, callback: Callable[[], object]) -> Alarm:
        """Call back once so much scaled time has passed."""
        return self._loop.call_at(self._began + when / self._factor, callback)

    def epoch_ms(self) -> int:
        """Return when this clock began, plus the scaled time since."""
        return self._epoch_ms + round(self.now() * 1000)


class _Alarm:
    """One call that is due at a moment of a `SteppedClock`."""

    def __init__(self, when: float, callback: Callable[[], object]) -> None:
        self.when = when
        self.callback: Callable[[], object] | None = callback

    def cancel(self) -> None:
        self.callback = None


class SteppedClock:
    """Stands still until a test advances it."""

    def __init__(self) -> None:
        self._now = 0.0
        self._alarms: list[tuple[float, int, _Alarm]] = []
        self._order = itertools.count()

    def now(self) -> float:
        """Return the seconds it was advanced by."""
        return self._now

    def epoch_ms(self) -> int:
        """Count from a fixed day in 2023."""
        return 1_700_000_000_000 + round(self._now * 1000)

    def call_at(self, when: float, callback: Callable[[], object]) -> Alarm:
        """Remember a call."""
        alarm = _Alarm(when, callback)
        heapq.heappush(self._alarms, (when, next(self._order), alarm))
        return alarm

    @property
    def waiting(self) -> int:
        """How many calls are still to come."""
        return sum(alarm.callback is not None for _, _, alarm in self._alarms)

    async def advance(self, seconds: float) -> None:
        """Let time pass; whoever is woken runs on to its next wait before the next one is."""
        end = self._now + seconds
        await _settle()
        while self._alarms and self._alarms[0][0] <= end:
            when, _, alarm = heapq.heappop(self._alarms)
            self._now = max(self._now, when)
            if alarm.callback is not None:
                alarm.callback()
                await _settle()
        self._now = end


async def _settle() -> None:
    for _ in range(_SETTLING_ROUNDS):
        await asyncio.sleep(0)
