"""Whoever speaks for the emulator: text becomes audio in every format that Deepgram has."""

import asyncio
import random
import struct
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from sayna.session.clock import Clock
from tests.emulators.connections import Connection
from tests.emulators.deepgram.compressed import compress
from tests.emulators.deepgram.speak_options import SpeakOptions
from tests.emulators.pacing import Pace, paced
from tests.emulators.speech import Sound, Voice, encode

RAW = frozenset({"linear16", "mulaw", "alaw"})
TYPICAL_BYTES_PER_S = 6_000.0
"""Of compressed audio, for its pace."""
_WAV_FORMATS = {"linear16": (1, 2), "mulaw": (7, 1), "alaw": (6, 1)}
"""The number of the format, bytes of a sample."""


@dataclass(slots=True)
class Speaker:
    """A voice, its pace, and how often it spoke."""

    voice: Voice
    pace: Pace
    clock: Clock
    spoken: int = 0

    async def render(self, text: str, options: SpeakOptions) -> bytes:
        """Return the audio of the next utterance."""
        samples = self.voice.render(text, options.rate, options.speed, self.spoken)
        self.spoken += 1
        if options.encoding in RAW:
            audio = encode(samples, options.encoding)
            return render_wav(audio, options) if options.container == "wav" else audio
        return await asyncio.to_thread(
            compress, samples, options.rate, options.encoding, options.bit_rate
        )

    def paced(
        self, audio: bytes, options: SpeakOptions, connection: Connection, dice: random.Random
    ) -> AsyncGenerator[bytes, None]:
        """Yield audio in chunks, each when it is due."""
        per_s = TYPICAL_BYTES_PER_S
        if options.encoding in RAW:
            per_s = Sound(options.encoding, options.rate).bytes_per_s
        return paced(audio, per_s, connection.plan, self.pace, self.clock, dice)


def render_wav(audio: bytes, options: SpeakOptions) -> bytes:
    """Put a header before raw audio."""
    tag, size = _WAV_FORMATS[options.encoding]
    rate = options.rate
    layout = struct.pack("<4sIHHIIHH", b"fmt ", 16, tag, 1, rate, rate * size, size, 8 * size)
    data = struct.pack("<4sI", b"data", len(audio)) + audio
    return struct.pack("<4sI4s", b"RIFF", 4 + len(layout) + len(data), b"WAVE") + layout + data
