"""A recognizer that survives the death of its engine.

The audio that no final has covered yet is kept, at most `KEPT_S` of it. When the engine dies it is
opened again after a pause, hears that audio once more and goes on: the client reads one fault.

What a final covers is an approximation: everything sent when it arrives. Audio that is on its way
just then is not replayed, should the engine die before its next final; in return no word is heard
twice.
"""

import asyncio
import random
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import structlog

from sayna.audio.formats import sample_bytes
from sayna.errors import (
    ConnectionFailed,
    ProviderAuthFailed,
    ProviderError,
    ProviderMisconfigured,
    SaynaError,
)
from sayna.session.clock import Clock
from sayna.session.holding import Held
from sayna.speech.events import RecognizerFault, SpeechEvent, Transcript
from sayna.speech.options import RecognizerOptions
from sayna.speech.protocols import Recognizer

log = structlog.get_logger(__name__)

KEPT_S = 2
"""Seconds of audio kept for an engine that has to hear it again."""

MAX_KEPT_BYTES = 2**20
"""However much a second may be: rate and channels are the client's own words."""

BACKOFF_S = (0.1, 0.5, 2.0)
"""Pauses before each attempt to open an engine again; after the last one it is given up."""

JITTER = 0.2
"""Share by which a pause may be shorter, so that a thousand sessions do not dial at once."""

REOPENING_LIMIT_S = 10.0
"""Seconds for one attempt."""

CLOSING_LIMIT_S = 5.0
"""Seconds that the engine may take to close in the end."""

BURYING_LIMIT_S = 1.0
"""Seconds that a dead engine may take to close; the caller is not heard meanwhile."""

STEADY_S = 10.0
"""Seconds that an engine must live for the outage before it to be over; a final ends it too."""

HOPELESS = (ProviderMisconfigured, ProviderAuthFailed)
"""Errors that another attempt would only repeat."""

OpenRecognizer = Callable[[], AbstractAsyncContextManager[Recognizer]]


class Tail:
    """The end of a stream of audio, bounded by duration and size; the oldest messages go first.

    Audio whose duration its size does not tell is not kept: an engine could not make sense of it
    from the middle on.
    """

    def __init__(self, options: RecognizerOptions) -> None:
        self._frame_bytes = (sample_bytes(options.encoding) or 0) * options.channels
        self._bytes_per_ms = self._frame_bytes * options.sample_rate / 1000
        kept_bytes = min(KEPT_S * options.sample_rate * self._frame_bytes, MAX_KEPT_BYTES)
        self._max_bytes = max(0, kept_bytes)
        self._messages: deque[bytes] = deque()
        self._bytes = 0
        self._begins = 0  # bytes of the stream before it
        self.dropped_bytes = 0
        """Since the beginning; what was forgotten on purpose does not count."""

    def __len__(self) -> int:
        """Return how many bytes are kept."""
        return self._bytes

    def push(self, audio: bytes) -> None:
        """Keep one more message."""
        self._messages.append(audio)
        self._bytes += len(audio)
        if self._bytes > self._max_bytes:
            self._drop()

    def forget(self) -> None:
        """Keep nothing of what was pushed so far."""
        self._begins += self._bytes
        self._messages.clear()
        self._bytes = 0

    def messages(self) -> list[bytes]:
        """Return what is kept, from a whole frame of all channels on."""
        kept = list(self._messages)
        skipped = -self._begins % self._frame_bytes if self._frame_bytes else 0
        while skipped and kept:
            first = kept.pop(0)
            if rest := first[skipped:]:
                kept.insert(0, rest)
            skipped -= min(skipped, len(first))
        return kept

    def duration_ms(self, size: int) -> float | None:
        """Return how long so many bytes are heard; None when nobody can tell."""
        return size / self._bytes_per_ms if self._bytes_per_ms > 0 else None

    def _drop(self) -> None:
        before = self._bytes
        while self._bytes > self._max_bytes:
            oldest = self._messages.popleft()
            self._bytes -= len(oldest)
            if not self._messages and self._max_bytes:  # one message is longer than all we keep
                self._messages.append(oldest[-self._max_bytes :])
                self._bytes = self._max_bytes
        self._begins += before - self._bytes
        self.dropped_bytes += before - self._bytes


class RevivingRecognizer:
    """A `Recognizer` whose engine may die and be replaced; made by `open_reviving`.

    Args:
        open_recognizer: opens an engine; called once and then after each death.
        options: those it opens with; they tell how long audio lasts.
        clock: measures pauses.
        tasks: hold the engines' blocks, one task each.
    """

    def __init__(
        self,
        open_recognizer: OpenRecognizer,
        options: RecognizerOptions,
        clock: Clock,
        tasks: asyncio.TaskGroup,
    ) -> None:
        self._open_recognizer = open_recognizer
        self._clock = clock
        self._tasks = tasks
        self._tail = Tail(options)
        self._keep = self._tail.push
        self._send: Callable[[bytes], None] = _lose
        self._engine: Recognizer | None = None
        self._held: Held[Recognizer] | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._opened_at = 0.0
        self._attempts = 0  # in this outage
        self._told = False  # of this outage
        self._dropped_bytes = 0  # in all outages
        self._finalizing = False
        self._finishing = False
        self._closed = False
        self._hurry = asyncio.Event()

    def send_audio(self, audio: bytes) -> None:
        """Pass on the next bytes and keep them until a final covers them."""
        if audio and not self._finishing:
            self._keep(audio)
            self._send(audio)

    def finalize(self) -> None:
        """Ask for a final; in an outage the next engine is asked."""
        if self._engine is not None:
            self._engine.finalize()
        else:
            self._finalizing = True

    def finish(self) -> None:
        """Say that no audio follows; in an outage no more time is spent on pauses."""
        if not self._finishing:
            self._finishing = True
            self._hurry.set()
            if self._engine is not None:
                self._engine.finish()

    async def events(self) -> AsyncGenerator[SpeechEvent, None]:
        """Iterate over what all engines heard, with one `RecognizerFault` for each outage.

        An outage that `finish` comes into and that does not pass just ends the iteration.

        Raises:
            ProviderError: the engine is gone and could not be replaced.
        """
        engine = self._engine
        while engine is not None:
            try:
                async for event in engine.events():
                    if isinstance(event, Transcript) and event.is_final:
                        self._cover()
                    yield event
                if self._finishing:
                    return
                death: ProviderError = ConnectionFailed("the engine ended the stream")
            except ProviderError as error:
                death = error
            finishing = self._finishing
            if finishing and not self._tail:
                raise death
            try:
                engine = await self._revive(death)
            except ProviderError as error:
                if self._finishing and not finishing:
                    log.warning("recognizer_lost", kind=type(error).__name__)
                    return
                raise
            if not self._told:
                self._told = True
                yield RecognizerFault(death.stt_text)

    async def open(self) -> None:
        """Open the first engine; whoever waits counts the seconds.

        Raises:
            SaynaError: it cannot be opened.
        """
        await self._open(None)

    def close(self) -> None:
        """Let go of the engine, open or opening, and say in the log what nobody heard."""
        self._closed = True
        self.finish()
        if self._held is not None and self._keeper is not None:
            if self._held.opened.done():
                self._held.release()
            else:
                self._keeper.cancel()
        if self._dropped_bytes:
            duration_ms = self._tail.duration_ms(self._dropped_bytes)
            log.warning(
                "audio_dropped",
                dropped_bytes=self._dropped_bytes,
                dropped_ms=None if duration_ms is None else round(duration_ms),
            )

    def _cover(self) -> None:
        """Account for a final: what was sent needs no replay, and the outage is over."""
        self._tail.forget()
        self._attempts, self._told = 0, False

    async def _revive(self, death: ProviderError) -> Recognizer:
        """Open another engine that goes on where the dead one stopped.

        Raises:
            ProviderError: that is not possible; the latest reason.
        """
        if self._clock.now() - self._opened_at >= STEADY_S:
            self._attempts, self._told = 0, False
        dropped_before, latest = self._tail.dropped_bytes, death
        await self._bury()
        try:
            while not isinstance(latest, HOPELESS) and self._attempts < len(BACKOFF_S):
                await self._pause(BACKOFF_S[self._attempts])
                if self._closed:
                    break
                self._attempts += 1
                try:
                    return await self._replace()
                except ProviderError as error:
                    latest = error
                    await self._bury()
        finally:
            self._dropped_bytes += self._tail.dropped_bytes - dropped_before
        raise latest

    async def _replace(self) -> Recognizer:
        engine = await self._open(REOPENING_LIMIT_S)
        for audio in self._tail.messages():
            engine.send_audio(audio)
        if self._finalizing:
            self._finalizing = False
            engine.finalize()
        if self._finishing:
            engine.finish()
        log.info(
            "recognizer_replaced",
            attempts=self._attempts,
            replayed_ms=self._tail.duration_ms(len(self._tail)),
        )
        return engine

    async def _open(self, limit_s: float | None) -> Recognizer:
        self._held = held = Held(
            self._open_recognizer, limit_s, ConnectionFailed("Connection timeout"), CLOSING_LIMIT_S
        )
        self._keeper = self._tasks.create_task(held.keep(), name="recognizer-engine")
        await asyncio.wait([held.opened])  # awaited itself, it would be cancelled with us
        if held.opened.cancelled():
            raise ConnectionFailed("the stream was closed")
        self._engine = engine = held.opened.result()
        self._send = engine.send_audio
        self._opened_at = self._clock.now()
        return engine

    async def _bury(self) -> None:
        """Close an engine that is of no use any more."""
        self._engine, self._send = None, _lose
        if self._held is not None and self._keeper is not None:
            self._held.release(BURYING_LIMIT_S)
            await asyncio.wait([self._keeper])

    async def _pause(self, longest_s: float) -> None:
        """Wait, unless `finish` hurries us."""
        seconds = longest_s * (1 - JITTER * random.random())  # noqa: S311 - nothing secret in it
        alarm = self._clock.call_at(self._clock.now() + seconds, self._hurry.set)
        try:
            await self._hurry.wait()
        finally:
            alarm.cancel()
            if not self._finishing:
                self._hurry.clear()


def _lose(audio: bytes) -> None:
    """Take audio while there is no engine; the tail keeps it."""


@asynccontextmanager
async def open_reviving(
    open_recognizer: OpenRecognizer, options: RecognizerOptions, clock: Clock
) -> AsyncGenerator[RevivingRecognizer, None]:
    """Open a recognizer that is replaced when it dies; all of it is closed with the block.

    Raises:
        SaynaError: on entering; the first engine could not be opened.
    """
    failure: SaynaError | None = None
    async with asyncio.TaskGroup() as tasks:
        recognizer = RevivingRecognizer(open_recognizer, options, clock, tasks)
        try:
            await recognizer.open()
        except SaynaError as error:
            failure = error
        else:
            try:
                yield recognizer
            finally:
                recognizer.close()
    if failure is not None:  # raised in there it would arrive wrapped in a group
        raise failure
