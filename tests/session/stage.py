"""A `Speaking` on its own, for tests of what a session says."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from sayna.session.events import RepeatLimit
from sayna.session.protection import Protection
from sayna.session.speaking import Speaking, SpeakingLimits
from sayna.speech.options import Pronunciation, SynthesizerOptions
from sayna.speech.pronunciation import Pronouncer
from tests.fakes.scripted import ScriptedProvider, ScriptedSynthesizer, StreamingSynthesizer
from tests.fakes.session import HandClock, MemoryOutlet

RATE_HZ = 16_000
OPEN_TIMEOUT_S = 30.0


class Stage:
    """A `Speaking` with everything around it."""

    def __init__(
        self,
        *,
        request_timeout_s: float = 60.0,
        stall_limit_s: float | None = None,
        audio_format: str = "linear16",
        max_text_chars: int = 20,
        streams: bool = False,
    ) -> None:
        self.provider = ScriptedProvider()
        self.provider.stall_limit_s = stall_limit_s
        self.outlet = MemoryOutlet()
        self.clock = HandClock()
        self.protection = Protection()
        options = SynthesizerOptions("scripted", sample_rate=RATE_HZ, audio_format=audio_format)
        kind = StreamingSynthesizer if streams else ScriptedSynthesizer
        self.synthesizer = kind(self.provider, options)
        self.speaking = Speaking(
            self.synthesizer,
            self.outlet,
            self.protection,
            Pronouncer([Pronunciation("AI", "A I")]),
            SpeakingLimits(max_text_chars, 3, request_timeout_s, OPEN_TIMEOUT_S),
            self.clock,
            RepeatLimit(self.clock, 1.0),
        )

    def say(self, text: str, *, allow_interruption: bool = True) -> None:
        self.speaking.speak(text, allow_interruption=allow_interruption)

    def write(self, *pieces: str, allow_interruption: bool = True) -> None:
        """Go on with an open utterance, or begin one."""
        for piece in pieces:
            self.speaking.speak(piece, allow_interruption=allow_interruption, flush=False)

    @property
    def streamed(self) -> list[list[str]]:
        """The pieces that each attempt at a text in pieces was given."""
        assert isinstance(self.synthesizer, StreamingSynthesizer)
        return self.synthesizer.streamed

    @property
    def audio(self) -> bytes:
        return b"".join(self.outlet.frames)

    @asynccontextmanager
    async def running(self) -> AsyncGenerator["Stage", None]:
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(self.speaking.run())
            yield self
            task.cancel()

    def hold(self, text: str) -> asyncio.Event:
        """Let the engine make this text only once the event is set."""
        gate = self.provider.speak_gates[text] = asyncio.Event()
        return gate

    async def idle(self) -> None:
        async with asyncio.timeout(5):
            await self.speaking.wait_idle()
