"""A part of an utterance while it is made, ahead of its turn or in it: bounded, tried again.

Speaking --begin--> Making --speak--> Synthesizer
    ^                  |
    `----next_piece----'   at most MAX_AHEAD_BYTES and one piece wait here
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from sayna.errors import ProviderError
from sayna.session.clock import Clock, pause
from sayna.session.patience import Patience, WaitLimits
from sayna.session.utterance import Utterance

MAX_AHEAD_BYTES = 256 * 1024
"""Of audio that waits for its turn; once there is as much, the engine is asked for no more."""

RETRY_WAITS_S = (0.1, 0.2)
"""Seconds before each further attempt at a part of which nothing was heard yet; clients that wait
0.4 s for a failed text to be told before they send the next one get an answer to each."""

MAX_RETRY_AFTER_S = 5.0
"""Pause that a vendor may ask for; nobody waits longer in silence, the fault is told instead."""

CLOSING_LIMIT_S = 1.0
"""Seconds that the engine may take to stop with an utterance; then it is cancelled once more."""


class Making:
    """A part of an utterance being made; most have one only.

    Args:
        utterance: whose part it is.
        speak: begins to make it; called again when it failed before its first audio.
        clock: what all waits are measured by.
        limits: how long the engine may be silent, ahead of the utterance's turn too.
    """

    def __init__(
        self,
        utterance: Utterance,
        speak: Callable[[], AsyncGenerator[bytes, None]],
        clock: Clock,
        limits: WaitLimits,
    ) -> None:
        self.utterance = utterance
        self.begun = False
        """Some audio was made."""
        self._speak = speak
        self._clock = clock
        self._patience = Patience(clock, limits, CLOSING_LIMIT_S, self._stalled)
        utterance.watch(self._patience.hold, self._patience.go_on)
        self._pieces: deque[bytes] = deque()  # at most MAX_AHEAD_BYTES and one piece
        self._waiting_bytes = 0
        self._room = asyncio.Event()
        self._news = asyncio.Event()
        self._ended = False
        self._error: Exception | None = None

    async def make(self) -> None:
        """Make all of it, unless cancelled. What goes wrong is told by `next_piece`."""
        try:
            await self._try_repeatedly()
        except Exception as error:  # noqa: BLE001 - it is raised again when its turn comes
            self._error = error
        finally:
            self._ended = True
            self._news.set()

    async def next_piece(self) -> bytes | None:
        """Wait for more of the audio; None: that was all.

        Raises:
            Exception: whatever the synthesizer raised, behind the audio that came before it.
        """
        while not self._pieces:
            if self._error is not None:
                raise self._error
            if self._ended:
                return None
            self._news.clear()
            await self._news.wait()
        piece = self._pieces.popleft()
        self._waiting_bytes -= len(piece)
        self._room.set()
        return piece

    async def _try_repeatedly(self) -> None:
        for wait_s in (*RETRY_WAITS_S, None):
            try:
                await self._try()
            except ProviderError as error:
                if wait_s is None or self.begun or not error.retryable:
                    raise
                wanted_s = error.retry_after_s or 0.0
                if self._patience.is_exhausted or wanted_s > MAX_RETRY_AFTER_S:
                    raise
            else:
                return
            await pause(self._clock, max(wait_s, wanted_s))

    async def _try(self) -> None:
        patience = self._patience
        async with patience, aclosing(self._speak()) as pieces:
            patience.wait()
            async for piece in pieces:
                patience.rest()
                if piece:
                    await self._keep(piece)
                patience.wait()

    def _stalled(self) -> None:
        if self.begun:  # told now: nobody waits until the engine has let go
            self._error = self._patience.error
            self._news.set()

    async def _keep(self, piece: bytes) -> None:
        self.begun = True
        self._pieces.append(piece)
        self._waiting_bytes += len(piece)
        self._news.set()
        await asyncio.sleep(0)  # whoever waits for it has it before the engine goes on
        while self._waiting_bytes >= MAX_AHEAD_BYTES:
            self._room.clear()
            await self._room.wait()
