import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from sayna.errors import ConnectionFailed, NetworkFailed, ProviderTimeout, SaynaError
from sayna.session.holding import Held

TOO_SLOW = ProviderTimeout("Connection timeout")


class Block:
    """A block that remembers who came and went."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.entered_by: asyncio.Task[object] | None = None
        self.left_by: asyncio.Task[object] | None = None
        self.opening = asyncio.Event()
        self.opening.set()
        self.closing = asyncio.Event()
        self.closing.set()

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[str, None]:
        await self.opening.wait()
        if self.error is not None:
            raise self.error
        self.entered_by = asyncio.current_task()
        try:
            yield "here"
        finally:
            self.left_by = asyncio.current_task()
            await self.closing.wait()

    def held(self, limit_s: float | None = 5.0, closing_limit_s: float = 5.0) -> Held[str]:
        return Held(self.open, limit_s, TOO_SLOW, closing_limit_s)


async def test_one_task_enters_and_leaves_the_block() -> None:
    block = Block()
    held = block.held()
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        keeper = tasks.create_task(held.keep())
        assert await held.opened == "here"
        assert block.left_by is None
        held.release()
    assert block.entered_by is block.left_by is keeper


@pytest.mark.parametrize(
    ("error", "kind", "text"),
    [
        (NetworkFailed("no route"), NetworkFailed, "no route"),
        (ZeroDivisionError(), ConnectionFailed, "the engine failed unexpectedly"),
    ],
)
async def test_what_goes_wrong_on_entering_is_told(
    error: Exception, kind: type[SaynaError], text: str
) -> None:
    held = Block(error).held()
    await held.keep()
    with pytest.raises(kind, match=text):
        await held.opened


async def test_entering_takes_no_longer_than_it_may() -> None:
    block = Block()
    block.opening.clear()
    held = block.held(limit_s=0.01)
    await held.keep()
    with pytest.raises(ProviderTimeout):
        await held.opened


@pytest.mark.parametrize("limit_s", [None, 0.01])
async def test_leaving_takes_no_longer_than_it_may(limit_s: float | None) -> None:
    block = Block()
    block.closing.clear()
    held = block.held(closing_limit_s=0.01 if limit_s is None else 60.0)
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        tasks.create_task(held.keep())
        await held.opened
        held.release(limit_s)
    assert block.left_by is not None


async def test_a_keeper_that_is_cancelled_leaves_the_block() -> None:
    block = Block()
    held = block.held()
    keeper = asyncio.ensure_future(held.keep())
    await held.opened
    keeper.cancel()
    with pytest.raises(asyncio.CancelledError):
        await keeper
    assert block.left_by is keeper


@asynccontextmanager
async def stubborn(depth: int, hangs: asyncio.Event, *, opens: bool) -> AsyncGenerator[str, None]:
    """Open or do not, and close in so many steps that each hang until cancelled."""
    try:
        if depth:
            async with stubborn(depth - 1, hangs, opens=opens):
                yield "here"
        elif opens:
            yield "here"
        else:
            hangs.set()
            await asyncio.Event().wait()
            yield "never"
    finally:
        hangs.set()
        await asyncio.Event().wait()


@pytest.mark.parametrize("opens", [True, False])
async def test_a_block_that_hangs_step_by_step_is_left_all_the_same(opens: bool) -> None:
    hangs = asyncio.Event()
    held = Held(lambda: stubborn(3, hangs, opens=opens), 5.0, TOO_SLOW, 0.01)
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        tasks.create_task(held.keep())
        if opens:
            await held.opened
        else:
            await hangs.wait()
        held.release()
    assert held.opened.cancelled() is not opens


async def test_a_block_that_is_released_while_it_opens_is_left() -> None:
    block = Block()
    block.opening.clear()
    held = block.held()
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        keeper = tasks.create_task(held.keep())
        await asyncio.sleep(0)
        held.release()
        await asyncio.wait([keeper])
    assert held.opened.cancelled()
    assert block.entered_by is None
