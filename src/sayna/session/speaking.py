"""Audio out: the queue of utterances; who may interrupt; when playback is complete.

One utterance is handed over at a time, in the order of the `speak` messages. From its first audio
on, the next one is made already, so that it need not be waited for when its turn comes. `clear`
takes effect at once: it runs between two frames, and no frame of a cleared utterance follows.
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
    ProviderTimeout,
)
from sayna.session.clock import Clock
from sayna.session.events import Outlet, PlaybackComplete, Problem
from sayna.session.making import Making, Utterance
from sayna.session.protection import Protection
from sayna.speech.pronunciation import Pronouncer
from sayna.speech.protocols import Synthesizer

log = structlog.get_logger(__name__)

BURST_FRAMES = 32
"""Frames handed over before other sessions get a turn: 32 sends take about 0.2 ms."""

CLOSING_LIMIT_S = 1.0
"""Seconds that the engine may take to stop with an utterance before the next one begins."""


@dataclass(frozen=True, slots=True)
class SpeakingLimits:
    """How much one session may ask to be said, and how long its voice may be silent."""

    max_text_chars: int
    max_queued: int
    request_timeout_s: float
    """Seconds of waiting for a piece of audio after which the engine counts as stuck. While the
    client is behind, or the utterance waits for its turn, nobody waits."""


class Speaking:
    """What a session says.

    Args:
        synthesizer: makes the audio; opened and closed by the caller.
        outlet: takes the audio and the news about it.
        protection: is told what is audible; `Listening` asks it.
    """

    def __init__(
        self,
        synthesizer: Synthesizer,
        outlet: Outlet,
        protection: Protection,
        pronouncer: Pronouncer,
        limits: SpeakingLimits,
        clock: Clock,
    ) -> None:
        self._synthesizer = synthesizer
        self._outlet = outlet
        self._protection = protection
        self._pronouncer = pronouncer
        self._limits = limits
        self._clock = clock
        self._queue: deque[Utterance] = deque()  # at most limits.max_queued
        self._tasks: asyncio.TaskGroup | None = None  # while `run` runs
        self._current: Making | None = None  # what is being said
        self._ahead: Making | None = None  # the first of the queue
        self._makers: dict[Making, asyncio.Task[None]] = {}  # at most two that go on
        self._asked = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._saying: asyncio.Task[None] | None = None
        self._generation = 0
        self._frames_played = 0
        self._seconds_per_byte = _seconds_per_byte(synthesizer)

    def speak(self, text: str, *, allow_interruption: bool) -> None:
        """Queue a text; blank ones are ignored.

        Raises:
            ProviderError: the text is too long, or too many are waiting.
        """
        text = text.strip()
        if not text:
            return
        limits = self._limits
        if len(text) > limits.max_text_chars:
            raise ProviderMisconfigured(
                f"the text has {len(text)} characters, at most {limits.max_text_chars} fit"
                " in one speak"
            )
        if len(self._queue) >= limits.max_queued:
            raise ProviderNotReady(f"{limits.max_queued} texts are waiting to be spoken already")
        self._queue.append(Utterance(text, not allow_interruption, self._generation))
        self._idle.clear()
        self._asked.set()
        self._look_ahead()

    def clear(self) -> bool:
        """Drop what is being said or waits; protected utterances that wait stay.

        Returns:
            False: nothing was dropped, because a protected utterance is audible or being made.
        """
        current, ahead = self._current, self._ahead
        if current is not None and current.utterance.protected:
            return False
        if self._protection.blocks(self._clock.now()):
            return False
        self._generation += 1
        self._queue = deque(one for one in self._queue if one.protected)
        if ahead is not None and not ahead.utterance.protected:
            self._makers[ahead].cancel()
            self._ahead = None
        if current is not None:
            self._makers[current].cancel()
            self._current = None
        if self._saying is not None:
            self._saying.cancel()
        self._protection.reset()
        return True

    async def wait_idle(self) -> None:
        """Wait until everything that was asked for has been handed over."""
        await self._idle.wait()

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
                self._tasks = None

    async def _say_all(self, tasks: asyncio.TaskGroup) -> None:
        while self._queue:
            making = self._ahead or self._begin(tasks, self._queue[0])
            self._queue.popleft()
            self._current, self._ahead = making, None
            self._saying = tasks.create_task(self._say(making), name="utterance")
            await asyncio.wait([self._saying])
            self._saying = self._current = None
            await self._close_abandoned()

    def _begin(self, tasks: asyncio.TaskGroup, utterance: Utterance) -> Making:
        making = Making(
            utterance,
            lambda: self._synthesizer.speak(self._pronouncer.apply(utterance.text)),
            self._clock,
        )
        self._makers[making] = tasks.create_task(making.make(), name="making")
        return making

    def _look_ahead(self) -> None:
        """Begin to make the next utterance; not before the present one's first audio is there."""
        if self._tasks is None or self._ahead is not None or not self._queue:
            return
        if self._current is not None and self._current.begun:
            self._ahead = self._begin(self._tasks, self._queue[0])

    async def _close_abandoned(self) -> None:
        """Have everything closed that will not be said, so that at most two are made at a time."""
        while gone := [making for making in self._makers if making is not self._ahead]:
            tasks = [self._makers.pop(making) for making in gone]
            closing = [task for task in tasks if not task.done()]
            for task in closing:
                task.cancel()
            if closing and (await asyncio.wait(closing, timeout=CLOSING_LIMIT_S))[1]:
                log.warning("closing_too_slow", limit_s=CLOSING_LIMIT_S)

    async def _say(self, making: Making) -> None:
        """Hand over one utterance; whatever goes wrong, the queue goes on."""
        try:
            await self._hand_over(making)
        except ProviderError as error:
            self._outlet.tell(Problem(f"TTS error: {error.tts_text}"))
        except Exception:
            log.exception("speaking_failed")
            failure = AudioRejected("the engine failed unexpectedly")
            self._outlet.tell(Problem(f"TTS error: {failure.tts_text}"))
        finally:
            self._protection.finish()
        if not self._queue:
            self._outlet.tell(PlaybackComplete(self._clock.epoch_ms()))

    async def _hand_over(self, making: Making) -> None:
        audio = self._synthesizer.audio_format
        cutter = Cutter(audio.name, audio.sample_rate)
        while (piece := await self._next_piece(making)) is not None:
            self._look_ahead()
            await self._play(cutter.feed(piece), making.utterance)
        if rest := cutter.finish():
            await self._play([rest], making.utterance)

    async def _next_piece(self, making: Making) -> bytes | None:
        limit_s = self._limits.request_timeout_s
        try:
            async with asyncio.timeout(limit_s):
                return await making.next_piece()
        except TimeoutError as error:
            raise ProviderTimeout(f"no audio came for {limit_s:g} s") from error

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
