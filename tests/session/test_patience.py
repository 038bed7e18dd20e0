import asyncio
from collections.abc import AsyncGenerator

import pytest

from sayna.errors import ProviderTimeout
from sayna.session.patience import (
    CHECKS,
    TARDY_S,
    Cutoff,
    Patience,
    Pulse,
    WaitLimits,
    stall_limit_s,
)
from sayna.speech.options import RecognizerOptions
from tests.fakes.scripted import ScriptedRecognizer
from tests.fakes.session import HandClock, settle

WATCHED = WaitLimits(stall_limit_s=1.0, request_timeout_s=60.0)
UNWATCHED = WaitLimits(stall_limit_s=None, request_timeout_s=60.0)


async def test_a_stretch_that_nobody_cuts_is_like_any_other() -> None:
    cutoff = Cutoff(60.0)
    cutoff.cut()  # outside: harmless
    async with cutoff:
        await settle()
    assert not cutoff.was_cut
    with pytest.raises(ValueError, match="mine"):
        async with cutoff:
            raise ValueError("mine")


async def test_a_cut_ends_the_stretch_and_only_the_stretch() -> None:
    cutoff, task = Cutoff(60.0), asyncio.current_task()
    asyncio.get_running_loop().call_soon(cutoff.cut)
    async with cutoff:
        await asyncio.Event().wait()
    assert cutoff.was_cut
    assert task is not None
    assert task.cancelling() == 0
    async with cutoff:
        await settle()
    assert not cutoff.was_cut


async def test_a_cut_is_repeated_until_nothing_hangs_any_more() -> None:
    broken = 0

    async def hang(depth: int) -> None:
        nonlocal broken
        try:
            await asyncio.Event().wait()
        finally:
            broken += 1
            if depth:
                await hang(depth - 1)

    cutoff = Cutoff(0.001)
    asyncio.get_running_loop().call_soon(cutoff.cut)
    async with asyncio.timeout(5), cutoff:
        await hang(4)
    assert broken == 5


@pytest.mark.parametrize("ends", ["well", "badly"])
async def test_how_a_stretch_ends_that_was_cut_means_nothing(ends: str) -> None:
    cutoff = Cutoff(60.0)
    asyncio.get_running_loop().call_soon(cutoff.cut)
    async with cutoff:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if ends == "badly":
                raise ValueError("broken by it") from None
    assert cutoff.was_cut


async def test_a_task_that_is_cancelled_besides_is_cancelled() -> None:
    cutoff = Cutoff(60.0)

    async def work() -> None:
        async with cutoff:
            await asyncio.Event().wait()

    task = asyncio.ensure_future(work())
    await settle()
    cutoff.cut()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


class Wait:
    """A task that has patience with an engine, which answers when told."""

    def __init__(self, limits: WaitLimits) -> None:
        self.clock = HandClock()
        self.told = 0
        self.patience = Patience(self.clock, limits, 60.0, self._tell)
        self.answer = asyncio.Event()
        self.task: asyncio.Task[None]

    def _tell(self) -> None:
        self.told += 1

    async def attempt(self) -> None:
        """Begin to wait for one answer after the other."""
        self.task = asyncio.ensure_future(self._attempt())
        await settle()

    async def _attempt(self) -> None:
        async with self.patience:
            while True:
                self.patience.wait()
                await self.answer.wait()
                self.answer.clear()
                self.patience.rest()

    async def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)
        await settle()

    async def gives_up(self) -> str:
        """Return what is said when it is over, which it must be."""
        assert self.task.done()
        with pytest.raises(ProviderTimeout) as timeout:
            await self.task
        return str(timeout.value)


@pytest.mark.parametrize(("limits", "limit_s"), [(WATCHED, 1.0), (UNWATCHED, 60.0)])
async def test_each_wait_has_the_whole_limit(limits: WaitLimits, limit_s: float) -> None:
    wait = Wait(limits)
    await wait.attempt()
    for _ in range(5):
        await wait.pass_time(limit_s - 0.01)
        assert not wait.task.done()
        wait.answer.set()
        await settle()
    await wait.pass_time(limit_s)
    assert await wait.gives_up() == f"no audio came for {limit_s:g} s"
    assert wait.told == 1


async def test_a_client_that_wants_no_more_than_so_much_silence_gets_no_more() -> None:
    wait = Wait(WaitLimits(stall_limit_s=10.0, request_timeout_s=2.0))
    await wait.attempt()
    await wait.pass_time(2.0)
    assert await wait.gives_up() == "no audio came for 2 s"


async def test_the_first_audio_is_waited_for_no_longer_than_its_limit_in_all_attempts() -> None:
    wait = Wait(WaitLimits(stall_limit_s=1.0, request_timeout_s=2.5))
    for limit_s in (1.0, 1.0, 0.5):
        assert not wait.patience.is_exhausted
        await wait.attempt()
        await wait.pass_time(limit_s)
        assert await wait.gives_up() == f"no audio came for {limit_s:g} s"
    assert wait.patience.is_exhausted


async def test_what_an_attempt_that_failed_by_itself_has_waited_counts_too() -> None:
    wait = Wait(UNWATCHED)
    async with wait.patience:
        wait.patience.wait()
        wait.clock.advance(59.0)
    await wait.attempt()
    await wait.pass_time(1.0)
    await wait.gives_up()


async def test_nothing_is_held_against_an_engine_between_two_waits() -> None:
    wait = Wait(WATCHED)
    async with wait.patience:
        wait.patience.wait()
        wait.patience.rest()
        await wait.pass_time(3600.0)
        wait.patience.wait()
        await wait.pass_time(0.99)
    assert wait.told == 0


async def test_an_engine_that_waits_for_text_is_not_waited_for() -> None:
    wait = Wait(WATCHED)
    await wait.attempt()
    await wait.pass_time(0.9)
    wait.patience.hold()
    await wait.pass_time(3600.0)
    wait.patience.go_on()
    await wait.pass_time(0.99)
    assert not wait.task.done()
    await wait.pass_time(0.01)
    await wait.gives_up()


async def test_text_that_comes_while_nobody_waits_begins_no_wait() -> None:
    wait = Wait(WATCHED)
    async with wait.patience:
        wait.patience.wait()
        wait.patience.rest()
        wait.patience.hold()
        wait.patience.go_on()
        await wait.pass_time(3600.0)
    assert wait.told == 0


async def test_text_that_comes_behind_the_end_begins_no_wait() -> None:
    wait = Wait(WATCHED)
    async with wait.patience:
        wait.patience.wait()
        wait.patience.hold()
    wait.patience.go_on()
    await wait.pass_time(3600.0)
    assert wait.told == 0


async def test_a_server_that_was_busy_is_no_reason_to_give_up_an_engine() -> None:
    wait = Wait(WATCHED)
    await wait.attempt()
    late = wait.clock._alarms[0]
    wait.clock._alarms.clear()
    wait.clock.seconds += 5.0
    assert late.callback is not None
    late.callback()
    await settle()
    assert not wait.task.done()
    await wait.pass_time(TARDY_S)
    await wait.gives_up()


async def test_an_attempt_that_ends_leaves_no_alarm() -> None:
    wait = Wait(WATCHED)
    async with wait.patience:
        wait.patience.wait()
    await wait.pass_time(3600.0)
    assert wait.told == 0


async def test_one_alarm_serves_a_thousand_waits() -> None:
    wait = Wait(WATCHED)

    async def engine() -> AsyncGenerator[bytes, None]:
        for _ in range(1000):
            yield b""

    async with wait.patience:
        wait.patience.wait()
        async for _ in engine():
            wait.patience.rest()
            wait.patience.wait()
        assert len(wait.clock._alarms) == 1


class Heart:
    """A recognizer whose pulse is felt."""

    def __init__(self, limit_s: float = 1.0) -> None:
        self.clock = HandClock()
        self.engine = ScriptedRecognizer(RecognizerOptions("scripted"), (), limit_s)
        self.answered = self.stopped = 0
        self.pulse = Pulse(self.engine, limit_s, self.clock, self._answer, self._stop)

    def _answer(self) -> None:
        self.answered += 1

    def _stop(self) -> None:
        self.stopped += 1


def test_an_engine_that_answers_is_alive_and_is_left_alone_until_it_is_sent_more() -> None:
    heart = Heart()
    heart.pulse.sent()
    heart.engine.send_audio(b"ab")
    heart.clock.advance(3600.0)
    assert (heart.answered, heart.stopped) == (1, 0)
    assert heart.clock._alarms == []


def test_an_engine_that_does_not_answer_has_stopped_after_its_limit_to_the_moment() -> None:
    heart = Heart()
    heart.engine.stalled = True
    heart.pulse.sent()
    heart.engine.send_audio(b"ab")
    heart.clock.advance(0.999)
    assert heart.stopped == 0
    heart.clock.advance(0.001)
    heart.clock.advance(3600.0)
    assert (heart.answered, heart.stopped) == (0, 1)


def test_each_thing_that_is_sent_has_the_whole_limit() -> None:
    heart = Heart()
    heart.pulse.sent()
    heart.clock.advance(0.74)
    heart.engine.signs_of_life += 1
    heart.clock.advance(0.01)
    assert heart.answered == 1
    heart.pulse.sent()
    heart.clock.advance(0.999)
    assert heart.stopped == 0
    heart.clock.advance(0.001)
    assert heart.stopped == 1


def test_an_answer_in_the_last_moment_counts() -> None:
    heart = Heart()
    heart.pulse.sent()
    heart.clock.advance(0.999)
    heart.engine.signs_of_life += 1
    heart.clock.advance(0.001)
    assert (heart.answered, heart.stopped) == (1, 0)


def test_a_server_that_was_busy_is_no_reason_to_declare_an_engine_dead() -> None:
    heart = Heart()
    heart.pulse.sent()
    for _ in range(CHECKS - 1):
        heart.clock.advance(1.0 / CHECKS)
    late = heart.clock._alarms.pop()
    heart.clock.seconds += 5.0
    assert late.callback is not None
    late.callback()
    assert heart.stopped == 0
    heart.engine.signs_of_life += 1
    heart.clock.advance(TARDY_S)
    assert (heart.answered, heart.stopped) == (1, 0)


def test_a_pulse_that_nobody_feels_any_more_tells_nothing() -> None:
    heart = Heart()
    heart.pulse.sent()
    heart.pulse.sent()
    heart.pulse.stop()
    heart.pulse.stop()
    heart.clock.advance(3600.0)
    assert (heart.answered, heart.stopped) == (0, 0)


@pytest.mark.parametrize("limit_s", [None, 1.5])
def test_the_limit_of_an_engine_is_its_own(limit_s: float | None) -> None:
    assert stall_limit_s(Heart().engine) == 1.0
    engine = ScriptedRecognizer(RecognizerOptions("scripted"), (), limit_s)
    assert stall_limit_s(engine) == limit_s
    assert stall_limit_s(object()) is None
