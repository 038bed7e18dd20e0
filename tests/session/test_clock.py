import asyncio
import time

from sayna.session.clock import LoopClock, pause
from tests.fakes.session import HandClock, settle


async def test_the_loop_rings_at_the_time_it_was_given() -> None:
    clock = LoopClock()
    rung = asyncio.Event()
    clock.call_at(clock.now() + 0.001, rung.set)
    async with asyncio.timeout(5):
        await rung.wait()


async def test_a_cancelled_alarm_does_not_ring() -> None:
    clock = LoopClock()
    rung = asyncio.Event()
    late = asyncio.Event()
    clock.call_at(clock.now(), rung.set).cancel()
    clock.call_at(clock.now() + 0.001, late.set)
    async with asyncio.timeout(5):
        await late.wait()
    assert not rung.is_set()


async def test_time_stamps_are_milliseconds_since_1970() -> None:
    assert abs(LoopClock().epoch_ms() - time.time() * 1000) < 1000


async def test_a_pause_lasts_as_long_as_the_clock_says() -> None:
    clock = HandClock()
    pausing = asyncio.create_task(pause(clock, 2.0))
    await settle()
    clock.advance(1.9)
    await settle()
    assert not pausing.done()
    clock.advance(0.1)
    await pausing


async def test_a_cancelled_pause_leaves_no_alarm() -> None:
    clock = HandClock()
    pausing = asyncio.create_task(pause(clock, 2.0))
    await settle()
    pausing.cancel()
    await settle()
    assert pausing.cancelled()
    assert all(alarm.callback is None for alarm in clock._alarms)
