"""The clocks of the emulators."""

import asyncio
import math

import pytest

from tests.emulators.clock import ScaledClock, SteppedClock, sleep


async def test_a_stepped_clock_wakes_in_the_order_of_time_and_lets_each_go_on() -> None:
    clock = SteppedClock()
    woken: list[tuple[str, float]] = []

    async def wait(name: str, *seconds: float) -> None:
        for each in seconds:
            await sleep(clock, each)
            woken.append((name, clock.now()))

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(wait("slow", 2.5))
        tasks.create_task(wait("often", 1, 1, 1))
        await clock.advance(2)
        assert woken == [("often", 1), ("often", 2)]
        await clock.advance(1)
    assert woken[2:] == [("slow", 2.5), ("often", 3)]
    assert clock.waiting == 0


async def test_a_cancelled_alarm_does_not_ring() -> None:
    clock = SteppedClock()
    rung: list[int] = []
    clock.call_at(1, lambda: rung.append(1)).cancel()
    clock.call_at(2, lambda: rung.append(2))
    await clock.advance(5)
    assert rung == [2]
    assert clock.epoch_ms() == 1_700_000_005_000


async def test_a_scaled_clock_compresses_time() -> None:
    loop = asyncio.get_running_loop()
    clock = ScaledClock(100_000)
    began_s, began_ms = loop.time(), clock.epoch_ms()
    async with asyncio.timeout(30):  # an hour, were it real
        await sleep(clock, 3600)
    assert clock.now() >= 3600
    assert clock.epoch_ms() - began_ms >= 3_600_000
    assert loop.time() - began_s < 30


def test_time_does_not_run_backwards() -> None:
    with pytest.raises(ValueError, match="forward"):
        ScaledClock(-1)


async def test_for_ever_lasts_beyond_any_step() -> None:
    clock = SteppedClock()
    waiting = asyncio.ensure_future(sleep(clock, math.inf))
    await clock.advance(10**9)
    assert not waiting.done()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await sleep(clock, 0)
    await sleep(clock, -1)
