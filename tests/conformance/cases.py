"""The providers that the suite is run against, and what each needs to be put to the test.

To hold another provider to it, add a `Case` here: how to open it, what to ask of it, and, when it
listens, how to make it hear something.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Protocol, cast

import pytest

from sayna.providers.local import open_provider
from sayna.providers.tones import open_provider as open_tones
from sayna.settings.tree import Settings
from sayna.settings.vendors import Providers
from sayna.speech.events import Transcript
from sayna.speech.options import RecognizerOptions, SynthesizerOptions
from sayna.speech.protocols import Provider, Synthesizer
from tests.fakes.scripted import ScriptedProvider

SENTENCE = "please open the front door"
MORSE = Path(__file__).parents[2] / "examples" / "morse_provider" / "morse_provider.py"
HAS_LOCAL = all(map(find_spec, ("espeakng_loader", "pocketsphinx")))

OpenProvider = Callable[[], AbstractAsyncContextManager[Provider]]


@dataclass(frozen=True)
class Listening:
    """What it takes to make a provider hear `SENTENCE`."""

    options: RecognizerOptions
    speech: Callable[[Provider], Awaitable[bytes]]
    """Audio of `SENTENCE`, in the format of the options."""


@dataclass(frozen=True)
class Case:
    """A provider and what is needed to put it to the test."""

    name: str
    open: OpenProvider
    speaking: SynthesizerOptions
    listening: Listening | None = None
    """None: it only speaks."""
    marks: tuple[pytest.MarkDecorator, ...] = ()


class _Package(Protocol):
    """The module that an entry point of `sayna.providers` names."""

    def open_provider(self, settings: Settings) -> AbstractAsyncContextManager[Provider]: ...


async def spoken(synthesizer: Synthesizer, text: str) -> bytes:
    """Return all the audio of a text."""
    return b"".join([chunk async for chunk in synthesizer.speak(text)])


@asynccontextmanager
async def _open_scripted() -> AsyncGenerator[Provider, None]:
    script = [Transcript("please"), Transcript(SENTENCE, True, True, 1.0)]
    yield ScriptedProvider(hears=script, voice_ids=["first", "second"])


def _open_morse() -> AbstractAsyncContextManager[Provider]:
    spec = spec_from_file_location("morse_provider", MORSE)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return cast("_Package", module).open_provider(Settings())


async def _scripted_speech(_: Provider) -> bytes:
    return bytes(3_200)


async def _own_speech(provider: Provider) -> bytes:
    options = SynthesizerOptions(provider.name, sample_rate=16_000)
    async with provider.open_synthesizer(options) as synthesizer:
        return await spoken(synthesizer, SENTENCE)


CASES = (
    Case(
        "scripted",
        _open_scripted,
        SynthesizerOptions("scripted", sample_rate=16_000),
        Listening(RecognizerOptions("scripted"), _scripted_speech),
    ),
    Case(
        "local",
        lambda: open_provider(Settings()),
        SynthesizerOptions("local", sample_rate=16_000),
        Listening(RecognizerOptions("local", model="grammar:demo"), _own_speech),
        (
            pytest.mark.slow,
            pytest.mark.skipif(not HAS_LOCAL, reason="pip install 'sayna[local]'"),
        ),
    ),
    Case(
        "tones",
        lambda: open_tones(Settings(providers=Providers(tones=True))),
        SynthesizerOptions("tones", sample_rate=16_000),
        Listening(RecognizerOptions("tones"), _own_speech),
    ),
    Case("morse", _open_morse, SynthesizerOptions("morse", sample_rate=16_000)),
)
