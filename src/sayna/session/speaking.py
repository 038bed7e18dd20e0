"""Audio out: the queue of utterances; who may interrupt; when playback is complete.

One utterance is made and handed over at a time, in the order of the `speak` messages. `clear`
takes effect at once: it runs between two frames, and no frame of a cleared utterance follows.
"""

import asyncio
from collections import deque
from contextlib import aclosing
from dataclasses import dataclass, replace

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
from sayna.session.protection import Protection
from sayna.speech.pronunciation import Pronouncer
from sayna.speech.protocols import Synthesizer

log = structlog.get_logger(__name__)

BURST_FRAMES = 32
"""Frames handed over before other sessions get a turn: 32 sends take about 0.2 ms."""


@dataclass(frozen=True, slots=True)
class SpeakingLimits:
    """How much one session may ask to be said, and how long its voice may be silent."""

    max_text_chars: int
    max_queued: int
    request_timeout_s: float
    """Seconds between two pieces of audio after which the engine counts as stuck."""


@dataclass(frozen=True, slots=True)
class Utterance:
    """One text that was asked to be said."""

    text: str
    protected: bool
    generation: int
    """How many clears came before it; audio of an older generation is never handed over."""


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
        self._asked = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._saying: asyncio.Task[None] | None = None
        self._current: Utterance | None = None  # what it says
        self._generation = 0
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

    def clear(self) -> bool:
        """Drop what is being said or waits; protected utterances that wait stay.

        Returns:
            False: nothing was dropped, because a protected utterance is audible or being made.
        """
        made_now = self._current
        if made_now is not None and made_now.protected:
            return False
        if self._protection.blocks(self._clock.now()):
            return False
        self._generation += 1
        kept = [replace(one, generation=self._generation) for one in self._queue if one.protected]
        self._queue = deque(kept)
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
            while True:
                await self._asked.wait()
                while self._queue:
                    self._current = self._queue.popleft()
                    self._saying = tasks.create_task(self._say(self._current), name="utterance")
                    await asyncio.wait([self._saying])
                    self._saying = self._current = None
                self._asked.clear()
                self._idle.set()

    async def _say(self, utterance: Utterance) -> None:
        """Make one utterance and hand it over; whatever goes wrong, the queue goes on."""
        try:
            await self._hand_over(utterance)
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

    async def _hand_over(self, utterance: Utterance) -> None:
        audio = self._synthesizer.audio_format
        cutter = Cutter(audio.name, audio.sample_rate)
        limit_s = self._limits.request_timeout_s
        loop = asyncio.get_running_loop()
        pieces = self._synthesizer.speak(self._pronouncer.apply(utterance.text))
        try:
            async with aclosing(pieces), asyncio.timeout(limit_s) as limit:
                async for piece in pieces:
                    limit.reschedule(None)  # a slow client is not a slow engine
                    await self._play(cutter.feed(piece), utterance)
                    limit.reschedule(loop.time() + limit_s)
        except TimeoutError as error:
            raise ProviderTimeout(f"no audio came for {limit_s:g} s") from error
        if rest := cutter.finish():
            await self._play([rest], utterance)

    async def _play(self, frames: list[bytes], utterance: Utterance) -> None:
        for number, frame in enumerate(frames, 1):
            if not self._outlet.writable:
                await self._outlet.wait_writable()
            elif number % BURST_FRAMES == 0:
                await asyncio.sleep(0)
            self._play_frame(frame, utterance)

    def _play_frame(self, frame: bytes, utterance: Utterance) -> None:
        if utterance.generation != self._generation:
            return
        duration_s = len(frame) * self._seconds_per_byte
        self._protection.hand_over(self._clock.now(), duration_s, protected=utterance.protected)
        self._outlet.play(frame)


def _seconds_per_byte(synthesizer: Synthesizer) -> float:
    """Return how long a byte of mono audio sounds; 0 when a codec hides that."""
    audio = synthesizer.audio_format
    width = 2 if audio.name == "wav" else sample_bytes(audio.name)
    return 1 / (width * audio.sample_rate) if width and audio.sample_rate else 0.0
