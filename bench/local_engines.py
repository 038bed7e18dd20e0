"""The local engines: how soon the first sound comes, and how many sentences come back exactly.

Every sentence of the demonstration grammar is spoken by each voice, carried in each format, and
listened to in that grammar; a sentence counts when every word of it comes back.
"""

import argparse
import asyncio
import re
import statistics
import time
from contextlib import aclosing
from importlib.resources import files
from typing import TypedDict

from sayna.audio.formats import sample_bytes
from sayna.providers.local import open_provider
from sayna.settings.tree import Settings
from sayna.speech.events import Transcript
from sayna.speech.options import RecognizerOptions, SynthesizerOptions
from sayna.speech.protocols import Provider

VOICES = ("en-us", "en-gb", "en-us+f3", "en-us+klatt4")
CARRIED = (("linear16", 16_000), ("mulaw", 8_000), ("linear16", 24_000))
SPOKEN = 100


class Engines(TypedDict):
    """Figures of the local engines."""

    first_audio_p50_ms: float
    first_audio_max_ms: float
    exact: dict[str, str]


def sentences() -> list[str]:
    """Read the sentences of the demonstration grammar."""
    grammar = files("sayna.providers.local").joinpath("grammars/demo.gram").read_text()
    rule = re.search(r"<sentence> = (.*?);", grammar, re.DOTALL)
    assert rule
    return [" ".join(line.split()) for line in rule[1].split("|")]


async def first_audio(provider: Provider) -> list[float]:
    """Time the first sound of utterances, warm, ms."""
    waits: list[float] = []
    async with provider.open_synthesizer(SynthesizerOptions("local")) as voice:
        for number in range(SPOKEN + 1):
            began = time.perf_counter()
            async with aclosing(voice.speak(f"Sentence number {number}.")) as sound:
                await anext(sound)
                waits.append((time.perf_counter() - began) * 1000)
    return waits[1:]  # the first one started the engine


async def comes_back(provider: Provider, sentence: str, voice: str, name: str, rate: int) -> bool:
    """Speak a sentence, listen to it, compare."""
    made = SynthesizerOptions("local", voice_id=voice, audio_format=name, sample_rate=rate)
    async with provider.open_synthesizer(made) as synthesizer:
        sound = b"".join([chunk async for chunk in synthesizer.speak(sentence)])
    heard = RecognizerOptions("local", sample_rate=rate, encoding=name, model="grammar:demo")
    quiet = (b"\xff" if name == "mulaw" else b"\0\0") * (rate // 2)
    async with provider.open_recognizer(heard) as recognizer:
        piece = rate // 50 * (sample_bytes(name) or 1)
        whole = quiet + sound + quiet
        for at in range(0, len(whole), piece):
            recognizer.send_audio(whole[at : at + piece])
        recognizer.finish()
        finals = [
            event.text
            async for event in recognizer.events()
            if isinstance(event, Transcript) and event.is_final
        ]
    return " ".join(finals).strip() == sentence


async def measure(voices: int) -> Engines:
    """Run both measurements."""
    exact: dict[str, str] = {}
    async with open_provider(Settings()) as provider:
        waits = await first_audio(provider)
        for voice in VOICES[:voices]:
            for name, rate in CARRIED:
                right = [
                    await comes_back(provider, sentence, voice, name, rate)
                    for sentence in sentences()
                ]
                exact[f"{voice} {name} {rate}"] = f"{sum(right)} of {len(right)}"
    return Engines(
        first_audio_p50_ms=round(statistics.median(waits), 2),
        first_audio_max_ms=round(max(waits), 2),
        exact=exact,
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what can be chosen."""
    parser.add_argument("--voices", type=int, default=len(VOICES), help="how many of them (all)")


def run(chosen: argparse.Namespace) -> Engines:
    """Measure, and print."""
    figures = asyncio.run(measure(chosen.voices))
    print(
        f"  first audio p50 {figures['first_audio_p50_ms']},"
        f" at most {figures['first_audio_max_ms']} ms"
    )
    for what, right in figures["exact"].items():
        print(f"  {what}: {right}")
    return figures
