"""Audio out: the queue of utterances; who may interrupt; when playback is complete.

One utterance is handed over at a time, in the order of the `speak` messages. From the first audio
of a part on, the next part is made already, be it of the same utterance or of the next one, so that
it need not be waited for when its turn comes. `clear` takes effect at once: it runs between two
frames, and no frame of a cleared utterance follows.

speak --> Utterance (the last may be open) --Parts--> Making (two at most) --> frames --> Outlet
"""

import asyncio
from collections import deque
from dataclasses import dataclass

import structlog

from sayna.audio.cutter import Cutter
from sayna.audio.formats import sample_bytes
from sayna.errors import (
    AudioRejected,
    ProviderError,
    ProviderMisconfigured,
    ProviderNotReady,
)
from sayna.session.clock import Alarm, Clock
from sayna.session.events import Outlet, PlaybackComplete, Problem, RepeatLimit
from sayna.session.making import CLOSING_LIMIT_S, Making
from sayna.session.parts import Parts
from sayna.session.patience import WaitLimits, stall_limit_s
from sayna.session.protection import Protection
from sayna.session.utterance import Utterance
from sayna.speech.pronunciation import Pronouncer
from sayna.speech.protocols import Synthesizer, TextStreaming

log = structlog.get_logger(__name__)

BURST_FRAMES = 32
"""Frames handed over before other sessions get a turn: 32 sends take about 0.2 ms."""


@dataclass(frozen=True, slots=True)
class SpeakingLimits:
    """How much one session may ask to be said, and how long its voice may be silent."""

    max_text_chars: int
    max_queued: int
    request_timeout_s: float
    """Seconds of waiting for a piece of audio after which the engine counts as stuck, unless it
    says that it is sooner. Nobody waits while as much is made as may be ahead, or the client has
    to go on with its text."""
    open_timeout_s: float
    """Seconds without more text after which an open utterance is ended."""


class Speaking:
    """What a session says.

    Args:
        synthesizer: makes the audio; opened and closed by the caller.
        outlet: takes the audio and the news about it.
        protection: is told what is audible; `Listening` asks it.
        faults: limits how often the same fault is told.
    """

    def __init__(
        self,
        synthesizer: Synthesizer,
        outlet: Outlet,
        protection: Protection,
        pronouncer: Pronouncer,
        limits: SpeakingLimits,
        clock: Clock,
        faults: RepeatLimit,
    ) -> None:
        self._synthesizer = synthesizer
        self._streaming = synthesizer if isinstance(synthesizer, TextStreaming) else None
        self._outlet = outlet
        self._protection = protection
        self._pronouncer = pronouncer
        self._limits = limits
        self._clock = clock
        self._faults = faults
        self._reported = False  # a fault was told since everything was said last
        self._wait_limits = WaitLimits(stall_limit_s(synthesizer), limits.request_timeout_s)
        self._queue: deque[Parts] = deque()  # at most limits.max_queued
        self._open: Utterance | None = None  # the last that was asked for, if it may go on
        self._text_at = 0.0  # when its text last went on
        self._alarm: Alarm | None = None  # while one is open, and a little longer
        self._draining = 0  # how many wait for everything to be said
        self._tasks: asyncio.TaskGroup | None = None  # while `run` runs
        self._current: Parts | None = None  # what is being said
        self._making: Making | None = None  # its part that is being said, or was last
        self._ahead: Making | None = None  # the part behind that one
        self._makers: dict[Making, asyncio.Task[None]] = {}  # at most two that go on
        self._asked = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._saying: asyncio.Task[None] | None = None
        self._generation = 0
        self._frames_played = 0
        self._seconds_per_byte = _seconds_per_byte(synthesizer)

    @property
    def open_protection(self) -> bool | None:
        """Whether the open utterance may not be interrupted; None: there is no open one."""
        return None if self._open is None else self._open.protected

    def speak(self, text: str, *, allow_interruption: bool, flush: bool = True) -> None:
        """Queue a text, or go on with the open utterance; blank ones open nothing.

        Args:
            text: what to say; of an open utterance, exactly what comes next.
            allow_interruption: of the whole utterance; what its first text says counts.
            flush: the utterance is complete with this; else it is open from now on.

        Raises:
            ProviderError: the text is too long, or too much is waiting. It is not said; what was
                taken before is, and an open utterance ends here all the same if it was to.
        """
        flush = flush or self._draining > 0
        if self._open is not None:
            self._continue(self._open, text, ends=flush)
        elif text := text.strip() if flush else text.lstrip():
            self._begin_utterance(text, protected=not allow_interruption, is_open=not flush)

    def clear(self) -> bool:
        """Drop what is being said or waits; protected utterances that wait stay.

        Returns:
            False: nothing was dropped, because a protected utterance is audible or being made.
        """
        current = self._current
        if current is not None and current.utterance.protected:
            return False
        if self._protection.blocks(self._clock.now()):
            return False
        self._generation += 1
        gone = [parts.utterance for parts in self._queue if not parts.utterance.protected]
        self._queue = deque(parts for parts in self._queue if parts.utterance.protected)
        if current is not None:
            gone.append(current.utterance)
        for utterance in gone:
            self._abandon(utterance)
        if self._open is not None and not self._open.protected:
            self._end_open()
        self._current = None
        if self._saying is not None:
            self._saying.cancel()
        self._protection.reset()
        return True

    async def wait_idle(self) -> None:
        """Wait until everything that was asked for has been handed over.

        No utterance stays open meanwhile: each is said as far as its text has come.
        """
        self._draining += 1
        try:
            self._end_open()
            self._look_ahead()
            await self._idle.wait()
        finally:
            self._draining -= 1

    async def run(self) -> None:
        """Say what is asked for, one utterance after the other, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            try:
                while True:
                    await self._asked.wait()
                    await self._say_all(tasks)
                    self._asked.clear()
                    self._idle.set()
            finally:
                self._tasks = self._ahead = None
                if self._alarm is not None:
                    self._alarm.cancel()
                await self._close_abandoned()

    def _begin_utterance(self, text: str, *, protected: bool, is_open: bool) -> None:
        utterance = Utterance(
            text, protected=protected, generation=self._generation, is_open=is_open
        )
        if is_open:
            self._open = utterance
            self._note_text()
        try:
            self._check_length(text)
            self._check_queue()
        except ProviderError:
            utterance.lose()  # what comes of it must not be said without its beginning
            raise
        parts = Parts(utterance, self._synthesizer, self._streaming, self._pronouncer)
        self._queue.append(parts)
        self._idle.clear()
        self._asked.set()
        self._look_ahead()

    def _continue(self, utterance: Utterance, text: str, *, ends: bool) -> None:
        try:
            self._check_length(text)
            self._check_room(utterance, text)
            utterance.add(text)
        finally:
            if ends:
                self._end_open()
            else:
                self._note_text()
            self._look_ahead()

    def _check_length(self, text: str) -> None:
        limit = self._limits.max_text_chars
        if len(text) > limit:
            raise ProviderMisconfigured(
                f"the text has {len(text)} characters, at most {limit} fit in one speak"
            )

    def _check_queue(self) -> None:
        limit = self._limits.max_queued
        if len(self._queue) >= limit:
            raise ProviderNotReady(f"{limit} texts are waiting to be spoken already")

    def _check_room(self, utterance: Utterance, text: str) -> None:
        limit = self._limits.max_text_chars
        if utterance.waiting_chars + len(text) > limit and not utterance.is_lost:
            raise ProviderNotReady(f"at most {limit} characters of an open utterance may wait")

    def _end_open(self) -> None:
        if self._open is not None:
            self._open.end()
            self._open = None

    def _note_text(self) -> None:
        """Give the open utterance all its time from now on."""
        self._text_at = self._clock.now()
        if self._alarm is None:
            self._alarm = self._clock.call_at(self._text_due_at, self._end_overdue)

    @property
    def _text_due_at(self) -> float:
        return self._text_at + self._limits.open_timeout_s

    def _end_overdue(self) -> None:
        """End the open utterance if its text has not gone on, else look again when it should."""
        self._alarm = None
        if self._open is None:
            return
        if self._clock.now() < self._text_due_at:
            self._alarm = self._clock.call_at(self._text_due_at, self._end_overdue)
            return
        log.info("open_utterance_ended", without_text_s=self._limits.open_timeout_s)
        self._end_open()
        self._look_ahead()

    async def _say_all(self, tasks: asyncio.TaskGroup) -> None:
        while self._queue:
            self._current, self._making = self._queue.popleft(), None
            self._saying = tasks.create_task(self._say(self._current), name="utterance")
            await asyncio.wait([self._saying])
            self._saying = self._current = None
            await self._close_abandoned()

    def _begin_part(self, parts: Parts) -> Making | None:
        """Begin to make the next part of an utterance, if there is one by now."""
        if self._tasks is None or (speak := parts.next_part()) is None:
            return None
        making = Making(parts.utterance, speak, self._clock, self._wait_limits)
        self._makers[making] = self._tasks.create_task(making.make(), name="making")
        return making

    def _look_ahead(self) -> None:
        """Begin to make the next part; not before the present one's first audio is there."""
        current = self._current
        if self._tasks is None or self._ahead is not None or current is None:
            return
        if self._making is None or not self._making.begun:
            return
        self._ahead = self._begin_part(current)
        if self._ahead is None and self._queue and not current.utterance.is_open:
            self._ahead = self._begin_part(self._queue[0])

    def _abandon(self, utterance: Utterance) -> None:
        """Have nothing more made of an utterance."""
        utterance.lose()
        for making, task in self._makers.items():
            if making.utterance is utterance:
                task.cancel()
        if self._ahead is not None and self._ahead.utterance is utterance:
            self._ahead = None

    async def _close_abandoned(self) -> None:
        """Have everything closed that will not be said, so that at most two are made at a time."""
        while gone := [making for making in self._makers if making is not self._ahead]:
            tasks = [self._makers.pop(making) for making in gone]
            closing = [task for task in tasks if not task.done()]
            for task in closing:
                if not task.cancelling():  # a second time would break what it does in the end
                    task.cancel()
            if not closing:
                continue
            _, stuck = await asyncio.wait(closing, timeout=CLOSING_LIMIT_S)
            for task in stuck:  # each time breaks one hanging `finally`
                task.cancel()
                log.warning("closing_too_slow", limit_s=CLOSING_LIMIT_S)

    async def _say(self, parts: Parts) -> None:
        """Hand over one utterance; whatever goes wrong, the queue goes on."""
        try:
            await self._hand_over(parts)
        except ProviderError as error:
            self._report(error)
            self._abandon(parts.utterance)
        except Exception:
            log.exception("speaking_failed")
            self._report(AudioRejected("the engine failed unexpectedly"))
            self._abandon(parts.utterance)
        finally:
            self._protection.finish()
        await parts.utterance.wait_ended()  # one that failed has to hear the rest of its text
        if not self._queue:
            self._outlet.tell(PlaybackComplete(self._clock.epoch_ms()))
            self._reported = False

    def _report(self, error: ProviderError) -> None:
        """Tell a fault: the first of a queue always, because its client waits for an answer."""
        text = f"TTS error: {error.tts_text}"
        if self._faults.allows(text) or not self._reported:
            self._outlet.tell(Problem(text))
        self._reported = True

    async def _hand_over(self, parts: Parts) -> None:
        audio, utterance = self._synthesizer.audio_format, parts.utterance
        cutter = Cutter(audio.name, audio.sample_rate)
        while (making := await self._next_making(parts)) is not None:
            self._making = making
            while (piece := await making.next_piece()) is not None:
                utterance.forget_taken()
                self._look_ahead()
                await self._play(cutter.feed(piece), utterance)
            self._makers.pop(making, None)
        if rest := cutter.finish():
            await self._play([rest], utterance)

    async def _next_making(self, parts: Parts) -> Making | None:
        """Return the next part of the present utterance once it can be made; None: that was all."""
        while True:
            ahead = self._ahead
            if ahead is not None and ahead.utterance is parts.utterance:
                self._ahead = None
                return ahead
            if (making := self._begin_part(parts)) is not None:
                return making
            if not parts.utterance.is_open:
                return None
            await parts.utterance.wait_changed()

    async def _play(self, frames: list[bytes], utterance: Utterance) -> None:
        for frame in frames:
            self._frames_played += 1
            if not self._outlet.writable:
                await self._outlet.wait_writable()
            elif self._frames_played % BURST_FRAMES == 0:
                await asyncio.sleep(0)
            self._play_frame(frame, utterance)

    def _play_frame(self, frame: bytes, utterance: Utterance) -> None:
        if utterance.generation != self._generation and not utterance.protected:
            return
        duration_s = len(frame) * self._seconds_per_byte
        self._protection.hand_over(self._clock.now(), duration_s, protected=utterance.protected)
        self._outlet.play(frame)


def _seconds_per_byte(synthesizer: Synthesizer) -> float:
    """Return how long a byte of mono audio sounds; 0 when a codec hides that."""
    audio = synthesizer.audio_format
    width = 2 if audio.name == "wav" else sample_bytes(audio.name)
    return 1 / (width * audio.sample_rate) if width and audio.sample_rate else 0.0
