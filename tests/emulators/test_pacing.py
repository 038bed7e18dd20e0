"""Audio given out in time."""

import asyncio
import math
import random
from itertools import pairwise

import pytest

from tests.emulators.clock import SteppedClock
from tests.emulators.pacing import Pace, paced
from tests.emulators.rules import Action, Chunk, FirstByte, Plan, Speed

PER_S = 1000.0


async def _given(count: int, *actions: Action, pace: Pace | None = None) -> list[tuple[float, int]]:
    """Return when each chunk came, and its size."""
    clock = SteppedClock()
    given: list[tuple[float, int]] = []

    async def read() -> None:
        plan, dice = Plan(actions), random.Random(1)  # noqa: S311 - a die
        chunks = paced(bytes(count), PER_S, plan, pace or Pace(), clock, dice)
        given.extend([(round(clock.now(), 6), len(chunk)) async for chunk in chunks])

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(read())
        await clock.advance(60)
    return given


async def test_audio_comes_at_twice_real_time() -> None:
    assert await _given(250) == [(0.0, 100), (0.05, 100), (0.1, 50)]


async def test_a_rule_sets_the_first_byte_the_speed_and_the_chunks() -> None:
    assert await _given(30, FirstByte(ms=200), Speed(x=0.5), Chunk(bytes=10)) == [
        (0.2, 10),
        (0.22, 10),
        (0.24, 10),
    ]
    assert await _given(20, Chunk(bytes=10, gap_ms=1000)) == [(0.0, 10), (1.0, 10)]


async def test_odd_chunks_are_odd() -> None:
    assert [size for _, size in await _given(33, Chunk(bytes=10, odd=True))] == [11, 11, 11]


@pytest.mark.parametrize("actions", [(), (Speed(),)])
async def test_at_once_is_at_once(actions: tuple[Action, ...]) -> None:
    pace = Pace(speed=2.0 if actions else math.inf)
    assert {at_s for at_s, _ in await _given(1000, *actions, pace=pace)} == {0.0}


async def test_jitter_varies_the_gaps_the_same_way_every_time() -> None:
    rule = Chunk(bytes=10, gap_ms=100, jitter_ms=50)
    first, second = await _given(100, rule), await _given(100, rule)
    assert first == second
    moments = [at_s for at_s, _ in first]
    gaps = [after - before for before, after in pairwise(moments)]
    assert len(set(gaps)) > 5
    assert all(0.05 <= gap <= 0.15 for gap in gaps)
