import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

import pytest

from sayna.errors import NetworkFailed
from sayna.session.making import MAX_AHEAD_BYTES, RETRY_WAITS_S, Making
from sayna.session.utterance import Utterance
from tests.fakes.session import HandClock, settle

PASSING = NetworkFailed("a moment", retryable=True)
LASTING = NetworkFailed("for good")


class Engine:
    """Makes what it is told, one line for each attempt; an error ends its attempt."""

    def __init__(self, *attempts: Sequence[bytes | Exception]) -> None:
        self.attempts = list(attempts)
        self.asked = 0
        self.made_bytes = 0
        self.closed = 0

    async def speak(self) -> AsyncGenerator[bytes, None]:
        self.asked += 1
        try:
            for one in self.attempts.pop(0):
                if isinstance(one, Exception):
                    raise one
                self.made_bytes += len(one)
                yield one
        finally:
            self.closed += 1


@asynccontextmanager
async def being_made(engine: Engine, clock: HandClock) -> AsyncGenerator[Making, None]:
    making = Making(Utterance("hello", protected=False, generation=0), engine.speak, clock)
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        task = tasks.create_task(making.make())
        yield making
        task.cancel()


async def rest_of(making: Making) -> bytes:
    pieces = bytearray()
    while (piece := await making.next_piece()) is not None:
        pieces += piece
    return bytes(pieces)


async def test_pieces_come_in_order_and_end() -> None:
    async with being_made(Engine([b"a", b"", b"b"]), HandClock()) as making:
        assert await rest_of(making) == b"ab"
        assert await making.next_piece() is None


async def test_no_more_is_made_ahead_than_there_is_room_for() -> None:
    piece = bytes(MAX_AHEAD_BYTES // 4)
    engine = Engine([piece] * 10)
    async with being_made(engine, HandClock()) as making:
        await settle()
        assert engine.made_bytes == MAX_AHEAD_BYTES
        await making.next_piece()
        await settle()
        assert engine.made_bytes == MAX_AHEAD_BYTES + len(piece)
        assert len(await rest_of(making)) == 9 * len(piece)


async def test_cancelling_closes_the_engine_while_it_is_held_back() -> None:
    engine = Engine([bytes(MAX_AHEAD_BYTES)] * 3)
    async with being_made(engine, HandClock()):
        await settle()
        assert engine.closed == 0
    assert engine.closed == 1


async def test_an_error_comes_behind_the_audio_before_it() -> None:
    async with being_made(Engine([b"a", PASSING]), HandClock()) as making:
        await settle()
        assert await making.next_piece() == b"a"
        with pytest.raises(NetworkFailed, match="a moment"):
            await making.next_piece()


async def test_a_passing_fault_is_tried_again_after_a_tenth_and_a_half_second() -> None:
    engine, clock = Engine([PASSING], [b"", PASSING], [b"a"]), HandClock()
    async with being_made(engine, clock) as making:
        for attempt, wait_s in enumerate(RETRY_WAITS_S, 1):
            await settle()
            clock.advance(wait_s - 0.01)
            await settle()
            assert engine.asked == engine.closed == attempt
            clock.advance(0.02)
        assert await rest_of(making) == b"a"
    assert engine.asked == 3


async def test_the_third_fault_is_told() -> None:
    engine, clock = Engine([PASSING], [PASSING], [PASSING], [b"a"]), HandClock()
    async with being_made(engine, clock) as making:
        for wait_s in RETRY_WAITS_S:
            await settle()
            clock.advance(wait_s)
        with pytest.raises(NetworkFailed, match="a moment"):
            await making.next_piece()
    assert engine.asked == 3


@pytest.mark.parametrize("attempt", [[LASTING], [b"a", PASSING], [ValueError("odd")]])
async def test_nothing_is_tried_again_that_lasts_or_began_to_sound(
    attempt: list[bytes | Exception],
) -> None:
    engine, clock = Engine(attempt, [b"b"]), HandClock()
    async with being_made(engine, clock) as making:
        await settle()
        clock.advance(10)
        await settle()
        with pytest.raises((NetworkFailed, ValueError)):
            await rest_of(making)
    assert engine.asked == 1
