import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

import pytest

from sayna.errors import NetworkFailed, ProviderTimeout
from sayna.session.making import MAX_AHEAD_BYTES, MAX_RETRY_AFTER_S, RETRY_WAITS_S, Making
from sayna.session.patience import WaitLimits
from sayna.session.utterance import Utterance
from tests.fakes.session import HandClock, settle

PASSING = NetworkFailed("a moment", retryable=True)
LIMITS = WaitLimits(stall_limit_s=1.0, request_timeout_s=60.0)
STALL = b"stall"  # in place of a piece: nothing more comes
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
                if one is STALL:
                    await asyncio.Event().wait()
                self.made_bytes += len(one)
                yield one
        finally:
            self.closed += 1


@asynccontextmanager
async def being_made(
    engine: Engine, clock: HandClock, limits: WaitLimits = LIMITS
) -> AsyncGenerator[Making, None]:
    making = Making(Utterance("hello", protected=False, generation=0), engine.speak, clock, limits)
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


async def test_a_passing_fault_is_tried_again_after_a_tenth_and_two_tenths_of_a_second() -> None:
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


@pytest.mark.parametrize("wanted_s", [2.0, MAX_RETRY_AFTER_S])
async def test_a_vendor_that_asks_for_a_pause_gets_it(wanted_s: float) -> None:
    busy = NetworkFailed("too many", retryable=True, retry_after_s=wanted_s)
    engine, clock = Engine([busy], [b"a"]), HandClock()
    async with being_made(engine, clock) as making:
        await settle()
        clock.advance(wanted_s - 0.01)
        await settle()
        assert engine.asked == 1
        clock.advance(0.02)
        assert await rest_of(making) == b"a"


@pytest.mark.parametrize("wanted_s", [0.0, 0.01])
async def test_a_shorter_pause_than_ours_is_not_taken(wanted_s: float) -> None:
    busy = NetworkFailed("too many", retryable=True, retry_after_s=wanted_s)
    engine, clock = Engine([busy], [b"a"]), HandClock()
    async with being_made(engine, clock) as making:
        await settle()
        clock.advance(RETRY_WAITS_S[0] - 0.01)
        await settle()
        assert engine.asked == 1
        clock.advance(0.02)
        assert await rest_of(making) == b"a"


async def test_a_long_pause_is_not_waited_for_and_its_fault_told_at_once() -> None:
    busy = NetworkFailed("quota", retryable=True, retry_after_s=MAX_RETRY_AFTER_S + 1)
    engine = Engine([busy], [b"a"])
    async with being_made(engine, HandClock()) as making:
        with pytest.raises(NetworkFailed, match="quota"):
            await making.next_piece()
    assert engine.asked == 1


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


async def test_an_engine_that_stalls_before_its_first_audio_is_asked_again() -> None:
    engine, clock = Engine([STALL], [b"", STALL], [b"a"]), HandClock()
    async with being_made(engine, clock) as making:
        for attempt, wait_s in enumerate(RETRY_WAITS_S, 1):
            await settle()
            clock.advance(0.99)
            await settle()
            assert engine.closed == attempt - 1
            clock.advance(0.01)
            await settle()
            assert engine.closed == attempt
            clock.advance(wait_s)
        assert await rest_of(making) == b"a"
    assert engine.asked == 3


async def test_an_engine_that_stalls_every_time_is_a_timeout() -> None:
    engine, clock = Engine([STALL], [STALL], [STALL]), HandClock()
    async with being_made(engine, clock) as making:
        for wait_s in (*RETRY_WAITS_S, 0.0):
            await settle()
            clock.advance(1.0)
            await settle()
            clock.advance(wait_s)
        with pytest.raises(ProviderTimeout, match="no audio came for 1 s"):
            await making.next_piece()


async def test_an_engine_that_nobody_watches_has_the_whole_time_once() -> None:
    engine, clock = Engine([STALL], [b"a"]), HandClock()
    async with being_made(engine, clock, WaitLimits(None, 60.0)) as making:
        await settle()
        clock.advance(59.9)
        await settle()
        assert engine.closed == 0
        clock.advance(0.1)
        with pytest.raises(ProviderTimeout, match="no audio came for 60 s"):
            await making.next_piece()
    assert engine.asked == 1


async def test_an_engine_that_stalls_in_the_middle_is_told_behind_its_audio() -> None:
    engine, clock = Engine([b"a", STALL], [b"b"]), HandClock()
    async with being_made(engine, clock) as making:
        await settle()
        clock.advance(1.0)
        await settle()
        clock.advance(10.0)
        assert await making.next_piece() == b"a"
        with pytest.raises(ProviderTimeout, match="no audio came for 1 s"):
            await making.next_piece()
    assert engine.asked == engine.closed == 1


async def test_a_stall_in_the_middle_is_told_before_the_engine_lets_go(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sayna.session.making.CLOSING_LIMIT_S", 0.01)
    left = asyncio.Event()

    async def speak() -> AsyncGenerator[bytes, None]:
        try:
            yield b"a"
            await asyncio.Event().wait()
        finally:
            try:
                await asyncio.Event().wait()
            finally:
                left.set()

    clock = HandClock()
    making = Making(Utterance("hello", protected=False, generation=0), speak, clock, LIMITS)
    async with asyncio.timeout(5):
        task = asyncio.ensure_future(making.make())
        assert await making.next_piece() == b"a"
        await settle()
        clock.advance(1.0)
        with pytest.raises(ProviderTimeout):
            await making.next_piece()
        assert not left.is_set()
        await left.wait()  # cancelled once more, it does
        await task


async def test_an_engine_whose_audio_has_no_room_is_not_stuck() -> None:
    engine, clock = Engine([bytes(MAX_AHEAD_BYTES), b"a"]), HandClock()
    async with being_made(engine, clock) as making:
        await settle()
        clock.advance(3600.0)
        await settle()
        assert len(await rest_of(making)) == MAX_AHEAD_BYTES + 1
