"""A thousand streams, requests and sockets, ended in every way: nothing of them is left."""

import asyncio
import gc
import math
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import SecretStr

from sayna.errors import ProviderError
from sayna.providers.deepgram import open_provider
from sayna.providers.tones.demodulator import RATE_HZ
from sayna.settings.tree import Settings
from sayna.settings.vendors import DeepgramEndpoints, Providers
from sayna.speech.options import RecognizerOptions, SynthesizerOptions
from sayna.speech.protocols import Provider, TextStreaming
from tests.emulators.deepgram import KEY, open_deepgram
from tests.emulators.pacing import Pace
from tests.emulators.rules import DropAfter
from tests.emulators.server import Emulator
from tests.fakes.session import until
from tests.providers.tones.singing import sing

WARM_UPS, BATCHES, CYCLES, TOGETHER = 2, 10, 100, 20
OBJECTS_TOLERANCE = 500
"""Objects more at the end: half of what one forgotten object in each cycle would leave."""

EAR = RecognizerOptions(
    "deepgram", model="nova-3", sample_rate=RATE_HZ, credentials={"api_key": KEY}
)
VOICE = SynthesizerOptions(
    "deepgram", "aura-2-thalia-en", sample_rate=RATE_HZ, credentials={"api_key": KEY}
)
AUDIO = sing("one").astype("<i2").tobytes()
BROKEN = {"api_key": "broken"}
"""Its connections are reset in their midst."""

Cycle = Callable[[Provider], Awaitable[None]]


async def texts() -> AsyncGenerator[str, None]:
    """Write a text."""
    for piece in ("o", "ne"):
        yield piece


async def to_the_end(provider: Provider) -> None:
    """Do everything as it should be."""
    async with provider.open_recognizer(EAR) as recognizer:
        recognizer.send_audio(AUDIO)
        recognizer.finish()
        assert [event async for event in recognizer.events()]
    async with provider.open_synthesizer(VOICE) as voice:
        assert [chunk async for chunk in voice.speak("one")]
        assert isinstance(voice, TextStreaming)
        assert [chunk async for chunk in voice.speak_stream(texts())]


async def leave_early(provider: Provider) -> None:
    """Close all of it in its midst."""
    async with provider.open_recognizer(EAR) as recognizer:
        recognizer.send_audio(AUDIO)
    async with provider.open_synthesizer(VOICE) as voice:
        assert isinstance(voice, TextStreaming)
        for chunks in (voice.speak("one two"), voice.speak_stream(texts())):
            async with aclosing(chunks):
                assert await anext(chunks)


async def be_cancelled(provider: Provider) -> None:
    """Be cancelled while waiting for the vendor."""
    begun = asyncio.Event()

    async def wait() -> None:
        async with provider.open_recognizer(EAR) as recognizer:
            recognizer.send_audio(AUDIO)
            begun.set()
            async for _ in recognizer.events():
                pass

    waiting = asyncio.ensure_future(wait())
    await begun.wait()
    waiting.cancel()
    await asyncio.wait([waiting])
    assert waiting.cancelled()


async def be_refused(provider: Provider) -> None:
    """Have a wrong key."""
    wrong = {"api_key": "wrong"}
    with pytest.raises(ProviderError):
        async with provider.open_recognizer(replace(EAR, credentials=wrong)):
            pass
    await _fail_to_speak(provider, wrong)


async def be_reset(provider: Provider) -> None:
    """Lose every connection."""
    async with provider.open_recognizer(replace(EAR, credentials=BROKEN)) as recognizer:
        recognizer.send_audio(AUDIO)
        with pytest.raises(ProviderError):
            async for _ in recognizer.events():
                pass
    await _fail_to_speak(provider, BROKEN)


async def _fail_to_speak(provider: Provider, credentials: dict[str, str]) -> None:
    async with provider.open_synthesizer(replace(VOICE, credentials=credentials)) as voice:
        assert isinstance(voice, TextStreaming)
        for chunks in (voice.speak("one"), voice.speak_stream(texts())):
            async with aclosing(chunks):
                with pytest.raises(ProviderError):
                    async for _ in chunks:
                        pass


WAYS: tuple[Cycle, ...] = (to_the_end, leave_early, be_cancelled, be_refused, be_reset)


async def live(vendor: Emulator, cycles: int) -> None:
    """Open a provider, use it so many times, close it."""
    endpoints = DeepgramEndpoints(base_url=vendor.http_url, ws_url=vendor.ws_url)
    settings = Settings(providers=Providers(deepgram_api_key=SecretStr(KEY), deepgram=endpoints))
    async with open_provider(settings) as provider:
        for first in range(0, cycles, TOGETHER):
            async with asyncio.TaskGroup() as tasks:
                for number in range(first, min(cycles, first + TOGETHER)):
                    tasks.create_task(_cycle(provider, WAYS[number % len(WAYS)]))


async def _cycle(provider: Provider, way: Cycle) -> None:
    await way(provider)


def descriptors() -> int:
    """Count the open files of this process."""
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.slow
async def test_a_thousand_cycles_leave_no_task_no_file_and_no_object() -> None:
    plenty = {"listen": 1000, "speak": 1000, "speak-socket": 1000}
    async with open_deepgram(
        key=f"{KEY},broken", pace=Pace(speed=math.inf), concurrency=plenty, keep_audio=False
    ) as vendor:
        tasks, files = asyncio.all_tasks(), descriptors()
        objects: list[int] = []
        for _ in range(WARM_UPS + BATCHES):
            drops = (DropAfter(bytes=100), DropAfter(bytes=100, of="received"))
            vendor.rules.add(*drops, key="broken", times=None)
            await live(vendor, CYCLES)
            vendor.reset()
            await until(lambda: asyncio.all_tasks() == tasks and descriptors() == files)
            gc.collect()
            objects.append(len(gc.get_objects()))
    assert objects[-1] - objects[WARM_UPS - 1] <= OBJECTS_TOLERANCE, objects
