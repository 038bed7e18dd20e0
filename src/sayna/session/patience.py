"""How long a session waits for an engine that says nothing, and how it lets go of one.

Nothing here costs anything per frame: whoever waits notes when the wait began, and one alarm of
the session's clock looks at that note.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType

from sayna.errors import ProviderTimeout
from sayna.session.clock import Alarm, Clock
from sayna.speech.protocols import Watched

CHECKS = 4
"""Looks at a recognizer within its limit: so exact is the moment at which it counts as dead."""

TARDY_S = 0.1
"""An alarm that rings so much too late tells of a busy server, not of an engine; what has arrived
meanwhile gets as long to be read."""


class Cutoff:
    """A stretch of a task that others can end, though what it awaits may not let go at once.

    async with cutoff:
        await engine.answer()
    if cutoff.was_cut: ...

    Args:
        again_s: seconds until it is cancelled once more, again and again until it has ended:
            each time breaks one hanging `finally`.
    """

    def __init__(self, again_s: float) -> None:
        self._again_s = again_s
        self._task: asyncio.Task[object] | None = None
        self._cancelled_before = 0
        self._cuts = 0
        self._again: asyncio.TimerHandle | None = None

    @property
    def was_cut(self) -> bool:
        """It did not end by itself; how it ended means nothing."""
        return self._cuts > 0

    def cut(self) -> None:
        """End the stretch; harmless outside of it."""
        if self._task is not None:
            self._cuts += 1
            self._task.cancel()
            self._again = asyncio.get_running_loop().call_later(self._again_s, self.cut)

    async def __aenter__(self) -> "Cutoff":
        """Begin a stretch; one after the other."""
        self._task = asyncio.current_task()
        self._cuts = 0
        self._cancelled_before = self._task.cancelling() if self._task is not None else 0
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        """End it; what `cut` has brought about goes no further."""
        task, self._task = self._task, None
        if self._again is not None:
            self._again.cancel()
            self._again = None
        if task is None or not self._cuts:
            return False
        for _ in range(self._cuts):
            task.uncancel()
        if isinstance(error, asyncio.CancelledError):
            return task.cancelling() <= self._cancelled_before  # else somebody else wants it too
        return error is None or isinstance(error, Exception)


@dataclass(frozen=True, slots=True)
class WaitLimits:
    """How long the audio of one utterance may be waited for."""

    stall_limit_s: float | None
    """Seconds without a chunk after which the engine is stuck; None: it does not say."""
    request_timeout_s: float
    """Seconds for each chunk; for the first one all attempts together."""


class Patience:
    """The waits of one task for the chunks of one utterance.

    async with patience:            once for each attempt
        patience.wait()
        async for chunk in chunks:
            patience.rest()         what follows is not the engine's fault
            ...
            patience.wait()

    Args:
        stalled: called at the moment at which an engine is given up, before it is made to end.
        closing_limit_s: seconds in which it should; see `Cutoff`.
    """

    def __init__(
        self,
        clock: Clock,
        limits: WaitLimits,
        closing_limit_s: float,
        stalled: Callable[[], None],
    ) -> None:
        self._clock = clock
        total_s = limits.request_timeout_s
        self._longest_s = min(limits.stall_limit_s or total_s, total_s)
        self._left_s = total_s  # for the first chunk
        self._limit_s = 0.0
        self._since: float | None = None
        self._held = False
        self._due = 0.0
        self._alarm: Alarm | None = None
        self._cutoff = Cutoff(closing_limit_s)
        self._stalled = stalled

    @property
    def is_exhausted(self) -> bool:
        """No attempt has any time left for its first chunk."""
        return self._left_s <= 0

    @property
    def error(self) -> ProviderTimeout:
        """What becomes of the utterance when the wait was too long."""
        return ProviderTimeout(f"no audio came for {self._limit_s:.3g} s", retryable=True)

    def wait(self) -> None:
        """From now on the engine is waited for."""
        self._since = self._clock.now()
        if self._alarm is None and not self._held:
            self._set(self._since + self._limit_s)

    def rest(self) -> None:
        """Nobody waits for the engine any more: it has answered."""
        self._since = None
        self._limit_s = self._longest_s

    def hold(self) -> None:
        """The engine cannot go on: it waits for us."""
        self._held = True

    def go_on(self) -> None:
        """The engine has what it waited for; a wait for it begins anew."""
        self._held = False
        if self._since is not None:
            self.wait()

    async def __aenter__(self) -> "Patience":
        """Begin an attempt."""
        self._held, self._since = False, None
        self._limit_s = min(self._longest_s, self._left_s)
        await self._cutoff.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        """End an attempt.

        Raises:
            ProviderTimeout: its engine was given up.
        """
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        handled = await self._cutoff.__aexit__(kind, error, traceback)
        if self._cutoff.was_cut:
            self._left_s -= self._limit_s
        elif self._since is not None:
            self._left_s -= self._clock.now() - self._since
        self._since = None
        if handled:
            raise self.error from None
        return False

    def _set(self, when: float) -> None:
        self._due = when
        self._alarm = self._clock.call_at(when, self._ring)

    def _ring(self) -> None:
        self._alarm = None
        if self._since is None or self._held:
            return
        now = self._clock.now()
        if now - self._due > TARDY_S:
            self._set(now + TARDY_S)
        elif now < self._since + self._limit_s:
            self._set(self._since + self._limit_s)
        else:
            self._stalled()
            self._cutoff.cut()


class Pulse:
    """Whether a recognizer answers what it is sent.

    Args:
        limit_s: seconds after which it should have.
        answered: called some time after an answer; `sent` is to be called with what is sent next.
        stopped: called once when there was none.
    """

    def __init__(
        self,
        engine: Watched,
        limit_s: float,
        clock: Clock,
        answered: Callable[[], None],
        stopped: Callable[[], None],
    ) -> None:
        self._engine = engine
        self._step_s = limit_s / CHECKS
        self._clock = clock
        self._answered = answered
        self._stopped = stopped
        self._signs = 0
        self._checks = 0
        self._due = 0.0
        self._alarm: Alarm | None = None

    def sent(self) -> None:
        """Expect an answer to what is sent right after this call."""
        self._signs = self._engine.signs_of_life
        self._checks = 0
        if self._alarm is not None:
            self._alarm.cancel()
        self._set(self._clock.now() + self._step_s)

    def stop(self) -> None:
        """Expect nothing any more."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    def _set(self, when: float) -> None:
        self._due = when
        self._alarm = self._clock.call_at(when, self._ring)

    def _ring(self) -> None:
        self._alarm = None
        if self._engine.signs_of_life != self._signs:
            self._answered()
            return
        now = self._clock.now()
        if now - self._due > TARDY_S:
            self._set(now + TARDY_S)
            return
        self._checks += 1
        if self._checks < CHECKS:
            self._set(self._due + self._step_s)
        else:
            self._stopped()


def stall_limit_s(engine: object) -> float | None:
    """Return after how many seconds an engine that says nothing is stuck; None: never."""
    return (engine.stall_limit_s or None) if isinstance(engine, Watched) else None
