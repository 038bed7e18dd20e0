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
        self.opened: asyncio.Future[T] = asyncio.get_running_loop().create_future()

    def release(self, closing_limit_s: float | None = None) -> None:
        """Let `keep` leave the block, within other limits if need be."""
        if closing_limit_s is not None:
            self._closing_limit_s = closing_limit_s
        self._release.set()

    async def keep(self) -> None:
        """Enter the block, hold it until released or cancelled, leave it."""
        stack = AsyncExitStack()
        try:
            await self._enter(stack)
            if self.opened.exception() is None:
                await self._release.wait()
        finally:
            self.opened.cancel()
            await self._leave(stack)

    async def _enter(self, stack: AsyncExitStack) -> None:
        try:
            async with asyncio.timeout(self._limit_s):
                value = await stack.enter_async_context(self._open_block())
        except TimeoutError:
            self.opened.set_exception(self._too_slow)
        except SaynaError as error:
            self.opened.set_exception(error)
        except Exception:
            log.exception("opening_failed")
            self.opened.set_exception(ConnectionFailed("the engine failed unexpectedly"))
        else:
            self.opened.set_result(value)

    async def _leave(self, stack: AsyncExitStack) -> None:
        try:
            async with asyncio.timeout(self._closing_limit_s):
                await stack.aclose()
        except TimeoutError:
            log.warning("closing_too_slow", limit_s=self._closing_limit_s)
        except Exception:
            log.exception("closing_failed")
