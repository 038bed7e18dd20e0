"""A session on an emulated Deepgram, both by one clock that only tests turn, a tenth of a second
at a time. The sockets between them are real; a step leaves them time to carry everything.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import pairwise

import numpy as np
from pydantic import SecretStr
from typing_extensions import override

from sayna.providers.deepgram.provider import DeepgramProvider
from sayna.providers.http_loop import open_vendor_http
from sayna.providers.tones.demodulator import RATE_HZ
from sayna.providers.ws_client import Alarm
from sayna.providers.ws_speech import open_speech_sockets
from sayna.session.opening import SessionRequest, SttRequest, TtsRequest
from sayna.session.session import Session, open_session
from sayna.settings.tree import Settings
from sayna.settings.vendors import DeepgramEndpoints, Providers
from sayna.speech.events import Transcript
from sayna.speech.options import RecognizerOptions, SynthesizerOptions
from sayna.speech.protocols import Recognizer
from sayna.turns.open_turn import TurnEnd
from tests.emulators.clock import SteppedClock
from tests.emulators.deepgram import KEY, open_deepgram
from tests.emulators.pacing import Pace
from tests.emulators.server import Emulator
from tests.fakes.session import MemoryOutlet, Shelf, until
from tests.providers.tones.singing import silence, sing, text_in

LISTEN, SPEAK = "/v1/listen", "/v1/speak"
STEP_S = 0.1
SETTLING_ROUNDS = 40
"""Turns of the event loop in which a message comes from one end to the other and back."""

PAUSE_MS = 500
"""Behind each sentence: Deepgram ends a segment after 200 ms."""


class Outlet(MemoryOutlet):
    """Remembers when audio came."""

    def __init__(self, clock: SteppedClock) -> None:
        super().__init__()
        self._clock = clock
        self.times: list[float] = []

    @override
    def play(self, frame: bytes) -> None:
        self.times.append(self._clock.now())
        super().play(frame)


class Stage:
    """A session, its client, and the vendor that rules are given to."""

    def __init__(
        self, clock: SteppedClock, vendor: Emulator, session: Session, outlet: Outlet
    ) -> None:
        self.clock = clock
        self.vendor = vendor
        self.session = session
        self.outlet = outlet
        self.spoken_at = 0.0
        self.dialling = 0
        self.holds_still_while_dialling = False
        """The limit for a handshake that is never answered is one of the loop."""

    async def configure(self) -> None:
        """Send the config and wait for what comes of it."""
        hearing = RecognizerOptions("deepgram", model="nova-3", sample_rate=RATE_HZ)
        voice = SynthesizerOptions(
            "deepgram", "aura-2-thalia-en", sample_rate=RATE_HZ, request_timeout_s=30.0
        )
        await self.wait(
            self.session.configure(SessionRequest(stt=SttRequest(hearing), tts=TtsRequest(voice)))
        )

    async def step(self) -> None:
        """Let a tenth of a second pass, and everything arrive."""
        await self._settle()
        if self.holds_still_while_dialling:
            await until(lambda: not self.dialling)
            await self._settle()
        await self.clock.advance(STEP_S)
        await self._settle()

    async def step_until(self, condition: Callable[[], bool], longest_s: float = 60.0) -> None:
        """Let time pass until something is true."""
        end = self.clock.now() + longest_s
        while not condition():
            assert self.clock.now() < end, self.vendor.recorder.all.types
            await self.step()

    async def wait(self, doing: Coroutine[None, None, None]) -> None:
        """Let time pass until a coroutine has ended."""
        task = asyncio.ensure_future(doing)
        await self.step_until(task.done)
        await task

    async def sing_to(self, text: str, pause_ms: float = PAUSE_MS) -> None:
        """Let the session hear a text at the speed at which it is sung."""
        sung = [sing(text)] if text else []
        audio = np.concatenate([*sung, silence(pause_ms)]).astype("<i2").tobytes()
        size = round(RATE_HZ * STEP_S) * 2
        for at in range(0, len(audio), size):
            self.session.hear(audio[at : at + size])
            await self.step()

    async def listen_to_the_end(self) -> None:
        """Say that no audio follows, and wait for the last results."""
        self.session.finish_listening()
        await self.wait(self.session.wait_heard())

    async def say(self, *texts: str) -> str:
        """Return what could be heard of these texts."""
        before = self.mark()
        for text in texts:
            self.session.speak(text, allow_interruption=True)
        return await self.said_since(before)

    async def write(self, *texts: str) -> str:
        """The same, each text in pieces of a few letters."""
        before = self.mark()
        for text in texts:
            for at in range(0, len(text), 4):
                last = at + 4 >= len(text)
                self.session.speak(text[at : at + 4], allow_interruption=True, flush=last)
                await self.step()
        return await self.said_since(before)

    def mark(self) -> int:
        """Note that something is going to be said."""
        self.spoken_at = self.clock.now()
        return len(self.outlet.frames)

    async def said_since(self, before: int) -> str:
        """Wait until all is said, and read it."""
        await self.wait(self.session.wait_spoken())
        audio = b"".join(self.outlet.frames[before:])
        return text_in(np.frombuffer(audio, "<i2").astype(np.int16))

    @property
    def finals(self) -> str:
        """What was heard, joined."""
        told = self.outlet.events
        events = [one.result if isinstance(one, TurnEnd) else one for one in told]
        said = [one.text for one in events if isinstance(one, Transcript) and one.is_final]
        return " ".join(text for text in said if text)

    @property
    def streams(self) -> list[float]:
        """When each stream was asked for."""
        return [one.at_s for one in self.vendor.recorder.requests(LISTEN)]

    @property
    def longest_silence_s(self) -> float:
        """The longest that nothing came since something was asked for."""
        since = [self.spoken_at, *(at for at in self.outlet.times if at >= self.spoken_at)]
        return max(after - before for before, after in pairwise(since))

    def received_at(self, connection: int, size: int) -> float:
        """Return when a stream had received so much."""
        total = 0
        for record in self.vendor.recorder.select(connection=connection, sender="client"):
            total += record.size if record.kind in {"binary", "text"} else 0
            if total >= size:
                return record.at_s
        raise AssertionError("it never did")

    async def _settle(self) -> None:
        for _ in range(SETTLING_ROUNDS):
            await asyncio.sleep(0)


@asynccontextmanager
async def open_stage() -> AsyncGenerator[Stage, None]:
    """Open everything; nothing of the session or of the provider is left after the block."""
    clock = SteppedClock()

    def call_later(seconds: float, callback: Callable[[], object]) -> Alarm:
        return clock.call_at(clock.now() + seconds, callback)

    outlet = Outlet(clock)
    async with (
        asyncio.timeout(60),
        open_deepgram(clock=clock, pace=Pace(speed=4.0)) as vendor,
        open_vendor_http(clock.now) as http,
        open_speech_sockets(None, call_later, clock.now) as sockets,
    ):
        endpoints = DeepgramEndpoints(base_url=vendor.http_url, ws_url=vendor.ws_url)
        settings = Settings(
            providers=Providers(deepgram_api_key=SecretStr(KEY), deepgram=endpoints)
        )
        provider = DeepgramProvider(endpoints, KEY, http, sockets, None, call_later)
        async with open_session(
            outlet=outlet,
            providers=Shelf({"deepgram": provider}),
            settings=settings,
            clock=clock,
        ) as session:
            stage = Stage(clock, vendor, session, outlet)
            plain = provider.open_recognizer

            @asynccontextmanager
            async def counted(options: RecognizerOptions) -> AsyncGenerator[Recognizer, None]:
                stage.dialling += 1
                async with AsyncExitStack() as stack:
                    try:
                        recognizer = await stack.enter_async_context(plain(options))
                    finally:
                        stage.dialling -= 1
                    yield recognizer

            provider.open_recognizer = counted  # type: ignore[method-assign]
            yield stage
