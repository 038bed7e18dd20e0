"""Audio in, to the recognizer; what it hears, to the client.

`hear` is the per-frame path: a plain call that neither waits nor logs. Results that arrive while
protected speech is audible are held and told in order when the protection ends. A turn that the
recognizer does not end in time is ended here.
"""

import asyncio

import structlog

from sayna.audio.formats import sample_bytes
from sayna.errors import AudioRejected, ConnectionFailed, ProviderError
from sayna.session.clock import Alarm, Clock
from sayna.session.events import Backlog, Outlet, Problem, RepeatLimit
from sayna.session.protection import Protection
from sayna.speech.events import RecognizerFault, SpeechEvent
from sayna.speech.protocols import Recognizer
from sayna.turns.open_turn import OpenTurn

log = structlog.get_logger(__name__)

MAX_HELD = 256
"""Results held during protected speech."""


class Listening:
    """What a session hears.

    Args:
        recognizer: opened and closed by the caller.
        encoding: as `stt_config.encoding` names it; tells how many bytes a sample has.
        drop_while_protected: lose results during protected speech instead of holding them.
        faults: limits how often the same fault is told.
        turn: knows when the caller's turn is over.
    """

    def __init__(
        self,
        recognizer: Recognizer,
        outlet: Outlet,
        protection: Protection,
        clock: Clock,
        faults: RepeatLimit,
        turn: OpenTurn,
        *,
        encoding: str = "linear16",
        drop_while_protected: bool = False,
    ) -> None:
        self._recognizer = recognizer
        self._outlet = outlet
        self._protection = protection
        self._clock = clock
        self._faults = faults
        self._turn = turn
        self._drop = drop_while_protected
        self._sample_bytes = sample_bytes(encoding) or 1
        self._carried = b""  # the part of a sample that came without its rest
        self._held = Backlog(MAX_HELD)
        self._alarm: Alarm | None = None
        self._turn_alarm: Alarm | None = None
        self._finishing = False
        self._deaf = False
        self._over = asyncio.Event()
        protection.watch(self._protection_moved)

    def hear(self, audio: bytes) -> None:
        """Pass on the next bytes from the client, in whole samples."""
        if self._deaf:
            return
        if self._carried or len(audio) % self._sample_bytes:
            audio = self._whole_samples(audio)
        if not audio:
            return
        try:
            self._recognizer.send_audio(audio)
        except ProviderError as error:
            self._report(f"Failed to process audio: STT error: {error.stt_text}")

    def finish(self) -> None:
        """No audio follows; `follow` ends when the recognizer has told what is left."""
        if not self._finishing:
            self._finishing = True
            self._recognizer.finish()

    async def follow(self) -> None:
        """Tell the client what is heard until the recognizer ends; its death is told once."""
        try:
            async for event in self._recognizer.events():
                self._take(event)
        except ProviderError as error:
            self._report(f"STT streaming error: {error.stt_text}")
        except Exception:
            log.exception("listening_failed")
            failure = AudioRejected("the engine failed unexpectedly")
            self._report(f"STT streaming error: {failure.stt_text}")
        else:
            if not self._finishing:
                ended = ConnectionFailed("the engine ended the stream")
                self._report(f"STT streaming error: {ended.stt_text}")
        finally:
            self._deaf = True
            self._over.set()

    async def wait_over(self) -> None:
        """Wait until `follow` has ended."""
        await self._over.wait()

    def release(self) -> None:
        """Tell everything that is held, protected speech or not, and wake up for it no more."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        while self._held:
            self._outlet.tell(self._held.pop())

    def stop_waiting(self) -> None:
        """Wake up for nothing any more, whatever becomes of the protection."""
        self._protection.watch(lambda: None)
        for alarm in (self._alarm, self._turn_alarm):
            if alarm is not None:
                alarm.cancel()
        self._alarm = self._turn_alarm = None

    def _whole_samples(self, audio: bytes) -> bytes:
        audio = self._carried + audio
        odd = len(audio) % self._sample_bytes
        self._carried = audio[len(audio) - odd :]
        return audio[: len(audio) - odd]

    def _take(self, event: SpeechEvent) -> None:
        if isinstance(event, RecognizerFault):
            self._report(f"STT streaming error: {event.text}")
            return
        now = self._clock.now()
        protected = bool(self._held) or self._protection.blocks(now)
        if protected and self._drop:
            return
        if (result := self._turn.take(event, now)) is None:
            return
        if self._turn_alarm is None:
            self._watch_turn()
        if protected:
            self._held.push(result)
            self._protection_moved()
        else:
            self._outlet.tell(result)

    def _watch_turn(self) -> None:
        """Look again when the turn may be over; earlier results only move that further away."""
        due_at = self._turn.due_at()
        self._turn_alarm = None if due_at is None else self._clock.call_at(due_at, self._turn_due)

    def _turn_due(self) -> None:
        """End the turn if nothing new has come; that is told even while speech is protected."""
        self._turn_alarm = None
        now, due_at = self._clock.now(), self._turn.due_at()
        if due_at is not None and due_at <= now:
            forced = self._turn.force(now)
            if self._held:
                self._held.push(forced)
            else:
                self._outlet.tell(forced)
        else:
            self._watch_turn()

    def _protection_moved(self) -> None:
        """Tell what is held if nothing protects any more, else look again when it may not."""
        if not self._held:
            return
        now = self._clock.now()
        if not self._protection.blocks(now):
            self.release()
            return
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        ends_at = self._protection.ends_at(now)
        if ends_at is not None:
            self._alarm = self._clock.call_at(ends_at, self._protection_moved)

    def _report(self, text: str) -> None:
        if self._faults.allows(text):
            self._outlet.tell(Problem(text))
