"""A speech provider from another package: it says everything in Morse code."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

import numpy as np

from sayna.audio.convert import Outbound
from sayna.errors import ProviderMisconfigured
from sayna.settings.tree import Settings
from sayna.speech.options import RecognizerOptions, SynthesizerOptions
from sayna.speech.protocols import AudioFormat, Recognizer, Synthesizer, Voice

RATE_HZ = 16_000
DOT_S = 0.06
LETTERS = "abcdefghijklmnopqrstuvwxyz"
CODES = (
    ".- -... -.-. -.. . ..-. --. .... .. .--- -.- .-.. -- -. --- .--. --.- .-. ... - ..- ...- .--"
    " -..- -.-- --.."
)
MORSE = dict(zip(LETTERS, CODES.split(), strict=True))
PITCH_HZ = {"low": 600, "high": 900}
"""Of each voice; the first is the default."""


def tone(seconds: float, hz: int) -> bytes:
    """Return 16-bit samples at RATE_HZ; 0 Hz is silence."""
    at = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    return (np.sin(2 * np.pi * hz * at) * 8000).astype("<i2").tobytes()


class MorseSynthesizer:
    """One session's voice."""

    def __init__(self, options: SynthesizerOptions) -> None:
        self._pitch_hz = PITCH_HZ[options.voice_id or "low"]
        self._dot_s = DOT_S / min(4.0, max(0.25, options.speaking_rate))
        self.audio_format = AudioFormat(options.audio_format, options.sample_rate)

    async def speak(self, text: str) -> AsyncGenerator[bytes, None]:
        """Yield the audio letter by letter; closing the generator ends it at once."""
        # Sayna's own converter makes any of linear16, wav, mulaw, alaw at any usual rate.
        to_client = Outbound(RATE_HZ, self.audio_format.name, self.audio_format.sample_rate)
        letters = text.lower().strip()
        for letter in letters:
            if audio := to_client.feed(self._letter(letter)):
                yield audio
            await asyncio.sleep(0)  # a real engine would be awaited here: others want to run
        if letters and (rest := to_client.finish()):
            yield rest

    def _letter(self, letter: str) -> bytes:
        signs = (
            tone(self._dot_s if sign == "." else 3 * self._dot_s, self._pitch_hz)
            for sign in MORSE.get(letter, "")
        )
        pause = tone(self._dot_s, 0)
        return b"".join(sign + pause for sign in signs) + 2 * pause


class MorseProvider:
    """Shared by all sessions of a server; here you would keep the vendor's HTTP client."""

    name = "morse"

    @asynccontextmanager
    async def open_synthesizer(self, options: SynthesizerOptions) -> AsyncGenerator[Synthesizer]:
        """Refuse what is impossible now, not in the middle of a sentence."""
        if options.voice_id and options.voice_id not in PITCH_HZ:
            raise ProviderMisconfigured(f"morse has no voice {options.voice_id[:80]!r}")
        try:
            Outbound(RATE_HZ, options.audio_format, options.sample_rate)
        except ValueError as error:
            raise ProviderMisconfigured(str(error)) from error
        yield MorseSynthesizer(options)

    @asynccontextmanager
    async def open_recognizer(self, options: RecognizerOptions) -> AsyncGenerator[Recognizer]:
        """Refuse: this provider only speaks."""
        raise ProviderMisconfigured(f"{options.provider} cannot listen")
        yield  # what makes this a context manager

    async def voices(self) -> Sequence[Voice]:
        """Return what GET /voices lists."""
        return [Voice(name, f"{name.title()} beeps", language="Morse") for name in PITCH_HZ]


@asynccontextmanager
async def open_provider(_settings: Settings) -> AsyncGenerator[MorseProvider]:
    """Open the provider when it is first asked for; it is closed with the server."""
    yield MorseProvider()
