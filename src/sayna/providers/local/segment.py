"""Where speech begins and ends, judged by loudness alone: arithmetic over durations, no clock.

For engines that want whole utterances. Speech is what is clearly louder than the room; the room's
own level is followed slowly, so that a fan or a bad line does not count as speech for ever.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RATE_HZ = 16_000
FRAME_MS = 20
FRAME_BYTES = RATE_HZ * FRAME_MS // 1000 * 2
BYTES_PER_MS = RATE_HZ * 2 // 1000


@dataclass(frozen=True, slots=True)
class Pauses:
    """When a segment begins and ends."""

    margin_db: float = 10.0
    """Speech is so much louder than the room."""
    quietest_db: float = -50.0
    """Nothing below this is speech, however quiet the room (0 = full scale)."""
    min_speech_ms: float = 120.0
    """A shorter burst is a click."""
    silence_ms: float = 600.0
    """So much silence ends a segment."""
    lead_ms: float = 300.0
    """Kept from before the first loud frame: soft consonants."""
    longest_ms: float = 28_000.0
    """Cut here even in the middle of speech (Whisper looks at 30 s)."""


@dataclass(frozen=True, slots=True)
class Segment:
    """One stretch of speech with a little of the silence around it."""

    pcm: bytes
    """s16le mono at 16 kHz."""
    is_speech_final: bool
    """False: cut in the middle, more follows."""
    has_speech: bool = True
    """False: only silence came behind a cut."""


def level_db(frame: bytes) -> float:
    """Return the loudness of s16le samples in dB below full scale; silence is -120."""
    samples: NDArray[np.float64] = np.frombuffer(frame, "<i2").astype(np.float64)
    if not samples.size:
        return -120.0
    power = float(np.mean(samples * samples)) / 32_768.0**2
    return max(-120.0, 10.0 * math.log10(power)) if power > 0 else -120.0


class Room:
    """How loud it is when nobody speaks."""

    def __init__(self) -> None:
        self._floor_db = -60.0

    def follow(self, level: float) -> float:
        """Take the next 20 ms, return the floor: down at once, up by 1.5 dB a second."""
        self._floor_db = max(-90.0, min(level, self._floor_db + 0.03))
        return self._floor_db


class Segmenter:
    """Cuts one caller's audio into segments. Results do not depend on how the input is chunked."""

    def __init__(self, pauses: Pauses | None = None) -> None:
        self._pauses = pauses or Pauses()
        self._room = Room()
        self._rest = b""
        self._kept = bytearray()
        self._loud_ms = 0.0
        self._quiet_ms = 0.0
        self._speaking = False

    @property
    def open_segment(self) -> bytes:
        """The audio of the segment that is being spoken; empty between segments."""
        return bytes(self._kept) if self._speaking else b""

    @property
    def open_ms(self) -> float:
        """Its duration."""
        return len(self._kept) / BYTES_PER_MS if self._speaking else 0.0

    def feed(self, pcm: bytes) -> list[Segment]:
        """Take s16le mono at 16 kHz, return the segments that it closes."""
        audio = self._rest + pcm
        whole = len(audio) - len(audio) % FRAME_BYTES
        self._rest = audio[whole:]
        closed = (
            self._feed_frame(audio[at : at + FRAME_BYTES]) for at in range(0, whole, FRAME_BYTES)
        )
        return [segment for segment in closed if segment is not None]

    def close(self) -> Segment | None:
        """End the open segment here; None when nobody was speaking."""
        if not self._speaking:
            return None
        self._kept += self._rest
        self._rest = b""
        return self._cut(speech_final=True)

    def _feed_frame(self, frame: bytes) -> Segment | None:
        level = level_db(frame)
        threshold = max(self._room.follow(level) + self._pauses.margin_db, self._pauses.quietest_db)
        self._kept += frame
        if level > threshold:
            self._loud_ms += FRAME_MS
            self._quiet_ms = 0.0
        else:
            self._quiet_ms += FRAME_MS
        if self._speaking:
            return self._end_speech()
        self._await_speech()
        return None

    def _await_speech(self) -> None:
        if self._quiet_ms >= self._pauses.lead_ms:
            self._loud_ms = 0.0
        if self._loud_ms >= self._pauses.min_speech_ms:
            self._speaking = True
        elif not self._loud_ms:
            del self._kept[: -int(self._pauses.lead_ms * BYTES_PER_MS)]

    def _end_speech(self) -> Segment | None:
        if self._quiet_ms >= self._pauses.silence_ms:
            return self._cut(speech_final=True)
        if self.open_ms >= self._pauses.longest_ms:
            return self._cut(speech_final=False)
        return None

    def _cut(self, *, speech_final: bool) -> Segment:
        has_speech = self._loud_ms >= self._pauses.min_speech_ms
        segment = Segment(bytes(self._kept), speech_final, has_speech)
        self._kept.clear()
        self._loud_ms = self._quiet_ms = 0.0
        self._speaking = not speech_final
        return segment
