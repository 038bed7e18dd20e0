"""The provider `counting`: costs nothing, so that what is measured is ours.

Its recognizer counts frames and answers every fiftieth with an interim; its synthesizer has the
audio of any text ready at once, with the model `slow` only after a while and at the pace of speech.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

from bench.exchange import FRAME, FRAME_S, FRAMES_PER_RESULT, SLOW_FIRST_BYTE_S, SLOW_PIECES, SPEECH
from sayna.settings.tree import Settings
from sayna.speech.events import SpeechEvent, Transcript
from sayna.speech.options import RecognizerOptions, SynthesizerOptions
from sayna.speech.protocols import AudioFormat, Provider, Recognizer, Synthesizer, Voice


class CountingRecognizer:
    """Answers every fiftieth frame with its number."""

    def __init__(self) -> None:
        self._frames = 0
        self._heard: asyncio.Queue[SpeechEvent | None] = asyncio.Queue(64)

    def send_audio(self, audio: bytes) -> None:
        """Count one frame."""
        del audio
        self._frames += 1
        if self._frames % FRAMES_PER_RESULT == 0:
            self._heard.put_nowait(Transcript(str(self._frames), confidence=0.5))

    def finalize(self) -> None:
        """Nothing is pending, ever."""

    def finish(self) -> None:
        """End the events."""
        self._heard.put_nowait(None)

    async def events(self) -> AsyncGenerator[SpeechEvent, None]:
        """Yield what was counted."""
        while (event := await self._heard.get()) is not None:
            yield event


class ReadySynthesizer:
    """Has a second of audio ready for any text."""

    def __init__(self, sample_rate: int) -> None:
        self.audio_format = AudioFormat("linear16", sample_rate)

    async def speak(self, text: str) -> AsyncGenerator[bytes, None]:
        """Yield one second at once."""
        del text
        yield SPEECH


class SlowSynthesizer:
    """Needs 100 ms before an utterance begins, and makes it no faster than it is heard."""

    speech_version = None  # its speech is not to be remembered: it is there to be made

    def __init__(self, sample_rate: int) -> None:
        self.audio_format = AudioFormat("linear16", sample_rate)

    async def speak(self, text: str) -> AsyncGenerator[bytes, None]:
        """Yield pieces of 20 ms."""
        del text
        loop = asyncio.get_running_loop()
        begins_at = loop.time() + SLOW_FIRST_BYTE_S
        for number in range(SLOW_PIECES):
            await asyncio.sleep(begins_at + number * FRAME_S - loop.time())
            yield FRAME


class CountingProvider:
    """See the module."""

    name = "counting"

    @asynccontextmanager
    async def open_recognizer(self, options: RecognizerOptions) -> AsyncGenerator[Recognizer, None]:
        """Open at once."""
        del options
        yield CountingRecognizer()

    @asynccontextmanager
    async def open_synthesizer(
        self, options: SynthesizerOptions
    ) -> AsyncGenerator[Synthesizer, None]:
        """Open at once."""
        slow = options.model == "slow"
        yield (SlowSynthesizer if slow else ReadySynthesizer)(options.sample_rate)

    async def voices(self) -> Sequence[Voice]:
        """There is one."""
        return [Voice("silence", "Silence")]


@asynccontextmanager
async def open_provider(settings: Settings) -> AsyncGenerator[Provider, None]:
    """The entry point."""
    del settings
    yield CountingProvider()
