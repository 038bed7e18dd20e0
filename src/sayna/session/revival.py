"""A recognizer that survives the death of its engine.

The audio that no final has covered yet is kept, at most 2 s of it. When the engine dies, or is
watched and gives no sign of life, it is opened again after a pause, hears that audio once more and
goes on: the client reads one fault. As long as nothing speaks against it, it is tried again.

What a final covers is an approximation: everything sent when it arrives. Audio that is on its way
just then is not replayed, should the engine die before its next final; in return no word is heard
twice.
"""

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import structlog

from sayna.errors import (
    AudioRejected,
    ConnectionFailed,
    ProviderAuthFailed,
    ProviderError,
    ProviderMisconfigured,
    SaynaError,
)
from sayna.session.clock import Clock
from sayna.session.holding import Held
from sayna.session.patience import Cutoff, Pulse, stall_limit_s
from sayna.session.tail import Tail
from sayna.speech.events import RecognizerFault, SpeechEvent, Transcript
from sayna.speech.options import RecognizerOptions
from sayna.speech.protocols import Recognizer, Watched

log = structlog.get_logger(__name__)

BACKOFF_S = (0.1, 0.5, 0.9) + 20 * (1.4,)
"""Pauses before each attempt to open an engine again: never longer than what is kept."""

LATER_S = 10.0
"""The pause before each further one; the outage has lasted half a minute then."""

QUIET_ATTEMPTS = 3
"""The client hears of an outage when it is over, or when so many attempts have failed."""

JITTER = 0.2
"""Share by which a pause may be shorter, so that a thousand sessions do not dial at once."""

FIRST_REOPENING_LIMIT_S = 1.0
"""Seconds for the first attempt: a second one, which has more, must come while all is still kept.
A vendor that does not answer one connection mostly answers the next."""

REOPENING_LIMIT_S = 10.0
"""Seconds for each further attempt."""

CLOSING_LIMIT_S = 5.0
"""Seconds that the engine may take to close in the end."""

BURYING_LIMIT_S = 1.0
"""Seconds that a dead engine may take to close; nobody waits for it."""

STEADY_S = 10.0
"""Seconds that an engine must live for the outage before it to be over; a final ends it too."""

HOPELESS = (ProviderMisconfigured, ProviderAuthFailed)
"""Errors that another attempt would only repeat."""

OpenRecognizer = Callable[[], AbstractAsyncContextManager[Recognizer]]


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
        self._pulse: Pulse | None = None
        self._waiting = Cutoff(BURYING_LIMIT_S)  # for the engine's next event
        self._death: ProviderError | None = None  # of an engine that is still being read
        self._silent_s = 0.0  # before its death, which is pause enough
        self._opened_at = 0.0
        self._attempts = 0  # in this outage
        self._told = False  # of this outage
        self._dropped_before: int | None = None  # this outage; None: there is none
        self._dropped_bytes = 0  # in all outages
        self._finalizing = False
        self._finishing = False
        self._closed = False
        self._hurry = asyncio.Event()

    def send_audio(self, audio: bytes) -> None:
        """Pass on the next bytes and keep them until a final covers them.

        Raises:
            AudioRejected: the engine cannot read them; another one could not either.
        """
        if audio and not self._finishing:
            self._keep(audio)
            try:
                self._send(audio)
            except AudioRejected:
                raise
            except Exception as error:  # noqa: BLE001 - whatever it is, the engine is of no use
                self._lose_engine(_death_of(error))

    def finalize(self) -> None:
        """Ask for a final; in an outage the next engine is asked."""
        if self._engine is None:
            self._finalizing = True
            return
        try:
            self._engine.finalize()
        except Exception as error:  # noqa: BLE001 - as above
            self._finalizing = True
            self._lose_engine(_death_of(error))

    def finish(self) -> None:
        """Say that no audio follows; in an outage no more time is spent on pauses."""
        if self._finishing:
            return
        self._finishing = True
        self._hurry.set()
        if self._engine is None:
            return
        if self._pulse is not None:
            self._pulse.sent()
        try:
            self._engine.finish()
        except Exception as error:  # noqa: BLE001 - as above
            self._lose_engine(_death_of(error))

    async def events(self) -> AsyncGenerator[SpeechEvent, None]:
        """Iterate over what all engines heard, with one `RecognizerFault` for each outage.

        An outage that `finish` comes into and that does not pass just ends the iteration.

        Raises:
            ProviderError: the engine is gone, and another one would be too.
        """
        engine = self._engine
        while engine is not None:
            heard = engine.events()
            while isinstance(event := await self._next(heard), SpeechEvent):
                if isinstance(event, Transcript) and event.is_final:
                    self._cover()
                yield event
            if event is None:
                self._stop_watching()
                return
            finishing = self._finishing
            if finishing and not self._tail:
                raise event
            self._begin_outage()
            latest: Recognizer | ProviderError = event
            while isinstance(latest, ProviderError):
                if self._is_hopeless(latest):
                    if self._finishing and not finishing:
                        log.warning("recognizer_lost", kind=type(latest).__name__)
                        return
                    raise latest
                if self._attempts == QUIET_ATTEMPTS and not self._told:
                    self._told = True
                    yield RecognizerFault(latest.stt_text)
                latest = await self._attempt()
            engine = latest
            self._end_outage()
            if not self._told:
                self._told = True
                yield RecognizerFault(event.stt_text)

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
        self._end_outage()
        self._let_go(CLOSING_LIMIT_S)
        if self._dropped_bytes:
            duration_ms = self._tail.duration_ms(self._dropped_bytes)
            log.warning(
                "audio_dropped",
                dropped_bytes=self._dropped_bytes,
                dropped_ms=None if duration_ms is None else round(duration_ms),
            )
        self._tail.forget()  # what is left of a session waits for the garbage collector

    async def _next(self, heard: AsyncIterator[object]) -> SpeechEvent | ProviderError | None:
        """Return the engine's next event, or what it died of; None: it has finished."""
        while self._death is None:
            event: object = None
            async with self._waiting:
                try:
                    event = await anext(heard)
                except StopAsyncIteration:
                    if self._finishing:
                        return None
                    event = ConnectionFailed("the engine ended the stream")
                except Exception as error:  # noqa: BLE001 - the session goes on, the log has it
                    event = _death_of(error)
            if self._waiting.was_cut:
                continue
            if isinstance(event, SpeechEvent | ProviderError):
                return event
            log.error("event_ignored", kind=type(event).__name__)
        death, self._death = self._death, None
        return death

    def _cover(self) -> None:
        """Account for a final: what was sent needs no replay, and the outage is over."""
        self._tail.forget()
        self._attempts, self._told = 0, False

    def _lose_engine(self, death: ProviderError) -> None:
        """Have an engine replaced that does not know that it is dead."""
        if self._engine is not None:
            self._engine, self._send, self._death = None, _lose, death
            self._waiting.cut()

    def _begin_outage(self) -> None:
        if self._clock.now() - self._opened_at >= STEADY_S:
            self._attempts, self._told = 0, False
        self._dropped_before = self._tail.dropped_bytes
        self._let_go(BURYING_LIMIT_S)

    def _end_outage(self) -> None:
        if self._dropped_before is not None:
            self._dropped_bytes += self._tail.dropped_bytes - self._dropped_before
            self._dropped_before = None

    def _is_hopeless(self, latest: ProviderError) -> bool:
        tired = self._finishing and self._attempts >= QUIET_ATTEMPTS
        return self._closed or tired or isinstance(latest, HOPELESS)

    async def _attempt(self) -> Recognizer | ProviderError:
        """Open another engine that goes on where the dead one stopped; or return why not."""
        is_early = self._attempts < len(BACKOFF_S)
        longest_s = BACKOFF_S[self._attempts] if is_early else LATER_S
        await self._pause(max(BACKOFF_S[0], longest_s - self._silent_s))
        self._silent_s = 0.0
        if self._closed:
            return ConnectionFailed("the stream was closed")
        self._attempts += 1
        try:
            limit_s = REOPENING_LIMIT_S
            if self._attempts == 1:
                limit_s = min(limit_s, FIRST_REOPENING_LIMIT_S)
            engine = await self._open(limit_s)
            self._replay(engine)
        except Exception as error:  # noqa: BLE001 - there will be another attempt
            self._let_go(BURYING_LIMIT_S)
            return _death_of(error)
        return engine

    def _replay(self, engine: Recognizer) -> None:
        if self._pulse is not None and self._tail:
            self._pulse.sent()
            self._send = engine.send_audio
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

    async def _open(self, limit_s: float | None) -> Recognizer:
        self._held = held = Held(
            self._open_recognizer, limit_s, ConnectionFailed("Connection timeout"), CLOSING_LIMIT_S
        )
        self._tasks.create_task(held.keep(), name="recognizer-engine")
        await asyncio.wait([held.opened])  # awaited itself, it would be cancelled with us
        if held.opened.cancelled():
            raise ConnectionFailed("the stream was closed")
        self._engine = engine = held.opened.result()
        self._send = engine.send_audio
        self._opened_at = self._clock.now()
        limit_s = stall_limit_s(engine)
        if limit_s is not None and isinstance(engine, Watched):
            self._watch(engine, limit_s)
        return engine

    def _watch(self, engine: Watched, limit_s: float) -> None:
        """Have the first message of each interval looked at; the others just pass."""
        death = ConnectionFailed(f"the engine gave no sign of life for {limit_s:g} s")

        def stopped() -> None:
            self._silent_s = limit_s
            self._lose_engine(death)

        self._pulse = Pulse(engine, limit_s, self._clock, self._expect, stopped)
        self._expect()

    def _expect(self) -> None:
        if self._engine is None or self._pulse is None:
            return
        if self._finishing:  # the end is still to come
            self._pulse.sent()
        else:
            self._send = self._send_watched

    def _stop_watching(self) -> None:
        if self._pulse is not None:
            self._pulse.stop()
            self._pulse = None

    def _send_watched(self, audio: bytes) -> None:
        if self._engine is not None and self._pulse is not None:
            self._send = self._engine.send_audio
            self._pulse.sent()
            self._send(audio)

    def _let_go(self, closing_limit_s: float) -> None:
        """Have the engine closed, or no longer opened, in its own time."""
        self._engine, self._send, self._death = None, _lose, None
        self._stop_watching()
        if self._held is not None:
            self._held.release(closing_limit_s)
            self._held = None

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


def _death_of(error: Exception) -> ProviderError:
    """Return what a client may read; the log has what it may not."""
    if isinstance(error, ProviderError):
        return error
    log.error("recognizer_failed", exc_info=error)
    return ConnectionFailed("the engine failed unexpectedly")


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
            yield recognizer
        except SaynaError as error:
            failure = error
        finally:
            recognizer.close()
    if failure is not None:  # raised in there it would arrive wrapped in a group
        raise failure
