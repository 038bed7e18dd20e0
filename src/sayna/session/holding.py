"""An `async with` block held by a task of its own.

A block that owns a task group must be left by the task that entered it; whoever needs what the
block opened is often another one.
"""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Generic, TypeVar

import structlog

from sayna.errors import ConnectionFailed, ProviderError, SaynaError
from sayna.session.patience import Cutoff

log = structlog.get_logger(__name__)

T = TypeVar("T")


class Held(Generic[T]):
    """A block entered and left by the task that runs `keep`.

    Args:
        open_block: makes the context manager, whose entering may have to wait for a provider.
        limit_s: seconds for making and entering it; None: somebody else counts them.
        too_slow: what becomes of `opened` when they are over.
        closing_limit_s: seconds for leaving it; then it is cancelled.
    """

    def __init__(
        self,
        open_block: Callable[[], AbstractAsyncContextManager[T]],
        limit_s: float | None,
        too_slow: ProviderError,
        closing_limit_s: float,
    ) -> None:
        self._open_block = open_block
        self._limit_s = limit_s
        self._too_slow = too_slow
        self._closing_limit_s = closing_limit_s
        self._release = asyncio.Event()
        self._entering = Cutoff(closing_limit_s)
        self.opened: asyncio.Future[T] = asyncio.get_running_loop().create_future()

    def release(self, closing_limit_s: float | None = None) -> None:
        """Let `keep` leave the block or give up entering it, within other limits if need be."""
        if closing_limit_s is not None:
            self._closing_limit_s = closing_limit_s
        self._release.set()
        if not self.opened.done():
            self.opened.cancel()
        self._entering.cut()

    async def keep(self) -> None:
        """Enter the block, hold it until released or cancelled, leave it."""
        stack = AsyncExitStack()
        try:
            if await self._enter(stack):
                await self._release.wait()
        finally:
            self.opened.cancel()
            await self._leave(stack)

    async def _enter(self, stack: AsyncExitStack) -> bool:
        """Tell whether the block was entered in time."""
        loop = asyncio.get_running_loop()
        slow = None if self._limit_s is None else loop.call_later(self._limit_s, self._entering.cut)
        failure: SaynaError = self._too_slow
        try:
            async with self._entering:
                value = await stack.enter_async_context(self._open_block())
                if not self.opened.done():
                    self.opened.set_result(value)
                    return True
        except SaynaError as error:
            failure = error
        except Exception:
            log.exception("opening_failed")
            failure = ConnectionFailed("the engine failed unexpectedly")
        finally:
            if slow is not None:
                slow.cancel()
        if not self.opened.done():
            self.opened.set_exception(failure)
        return False

    async def _leave(self, stack: AsyncExitStack) -> None:
        leaving = Cutoff(self._closing_limit_s)
        slow = asyncio.get_running_loop().call_later(self._closing_limit_s, leaving.cut)
        try:
            async with leaving:
                await stack.aclose()
        except Exception:
            log.exception("closing_failed")
        finally:
            slow.cancel()
        if leaving.was_cut:
            log.warning("closing_too_slow", limit_s=self._closing_limit_s)
