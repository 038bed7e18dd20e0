"""The providers of this repository that the kit's checks are run over, and what each needs."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from math import inf
from pathlib import Path
from typing import Protocol, cast

import pytest
from pydantic import SecretStr
from typing_extensions import override

from sayna.conformance import Case, Fault, Hearing, Speaking
from sayna.conformance.case import SENTENCE, Speech
from sayna.conformance.utterances import own_speech
from sayna.errors import (
    ConnectionFailed,
    NetworkFailed,
    ProviderAuthFailed,
    ProviderError,
    ProviderMisconfigured,
    ProviderRefused,
)
from sayna.providers.deepgram import open_provider as open_deepgram_provider
from sayna.providers.local import open_provider as open_local
from sayna.providers.tones import open_provider as open_tones
from sayna.settings.tree import Settings
from sayna.settings.vendors import DeepgramEndpoints, Providers
from sayna.speech.options import RecognizerOptions, SynthesizerOptions
from sayna.speech.protocols import Provider
from tests.conformance.reference import REFERENCE, speech_of
from tests.emulators.deepgram import KEY, open_deepgram
from tests.emulators.pacing import Pace
from tests.fakes.scripted import ScriptedProvider, ScriptedSynthesizer

MORSE = Path(__file__).parents[2] / "examples" / "morse_provider" / "morse_provider.py"
HAS_LOCAL = all(map(find_spec, ("espeakng_loader", "pocketsphinx")))
EXACT = 0.02


def speaking(name: str) -> Speaking:
    """Return a voice that says the same text the same way every time."""
    return Speaking(SynthesizerOptions(name, sample_rate=16_000), variation=EXACT)


def own_voice(name: str) -> Speech:
    """Have a provider hear itself."""

    async def speech(provider: Provider) -> bytes:
        return await own_speech(provider, speaking(name).options, SENTENCE, 16_000)

    return speech


def tones_faults() -> Sequence[Fault]:
    """Return what `tones` does on request; a label gives each its own counts."""
    voice, ear = SynthesizerOptions("tones", sample_rate=16_000), RecognizerOptions("tones")
    kinds: dict[str, tuple[type[ProviderError], bool | None]] = {
        "drop": (ConnectionFailed, True),
        "reset": (NetworkFailed, True),
        "status:401": (ProviderAuthFailed, False),
        "status:503": (ProviderError, True),
        "garbage": (ProviderRefused, None),
    }
    return [
        *(
            Fault(name, kind, speaking=replace(voice, model=f"{name}@2w*1"), passes=True)
            for name, (kind, _) in kinds.items()
        ),
        *(
            Fault(name, kind, hearing=replace(ear, model=f"{name}@2w*1"), retryable=retryable)
            for name, (kind, retryable) in kinds.items()
        ),
        Fault("nonsense", ProviderMisconfigured, speaking=replace(voice, model="no-such-fault")),
    ]


class _Package(Protocol):
    """The module that an entry point of `sayna.providers` names."""

    def open_provider(self, settings: Settings) -> AbstractAsyncContextManager[Provider]: ...


def _open_morse(settings: Settings) -> AbstractAsyncContextManager[Provider]:
    spec = spec_from_file_location("morse_provider", MORSE)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return cast("_Package", module).open_provider(settings)


class _Scripted(ScriptedProvider):
    """The fake of the session's tests, which does not look at formats, with only one of them."""

    @override
    @asynccontextmanager
    async def open_synthesizer(
        self, options: SynthesizerOptions
    ) -> AsyncGenerator[ScriptedSynthesizer, None]:
        if options.audio_format != "linear16":
            raise ProviderMisconfigured(f"audio_format {options.audio_format} is not linear16")
        async with super().open_synthesizer(options) as synthesizer:
            yield synthesizer


@asynccontextmanager
async def _open_scripted(_: Settings) -> AsyncGenerator[Provider, None]:
    yield _Scripted(voice_ids=["first", "second"], speech=speech_of)


DEEPGRAM_VOICE = SynthesizerOptions(
    "deepgram", model="aura-2-thalia-en", sample_rate=16_000, credentials={"api_key": KEY}
)
DEEPGRAM_EAR = RecognizerOptions("deepgram", model="nova-3", credentials={"api_key": KEY})


async def _deepgram_speech(provider: Provider) -> bytes:
    return await own_speech(provider, DEEPGRAM_VOICE, SENTENCE, 16_000)


@asynccontextmanager
async def _open_emulated_deepgram(_: Settings) -> AsyncGenerator[Provider, None]:
    """Open Deepgram's provider on an emulator that hears what its voice says."""
    async with open_deepgram(pace=Pace(speed=inf)) as vendor:
        endpoints = DeepgramEndpoints(base_url=vendor.http_url, ws_url=vendor.ws_url)
        settings = Settings(
            providers=Providers(deepgram_api_key=SecretStr(KEY), deepgram=endpoints)
        )
        async with open_deepgram_provider(settings) as provider:
            yield provider


CASES = (
    REFERENCE,
    Case(
        "deepgram",
        _open_emulated_deepgram,
        Speaking(DEEPGRAM_VOICE, variation=EXACT, unknown_voice=None, unknown_format=None),
        Hearing(DEEPGRAM_EAR, _deepgram_speech),
        wrong_credentials={"api_key": "not-a-key"},
    ),
    Case(
        "scripted",
        _open_scripted,
        replace(speaking("scripted"), formats=(("linear16", 16_000), ("mp3", 24_000))),
    ),
    Case(
        "local",
        open_local,
        speaking("local"),
        Hearing(RecognizerOptions("local", model="grammar:demo"), own_voice("local")),
    ),
    Case(
        "tones",
        open_tones,
        speaking("tones"),
        Hearing(RecognizerOptions("tones"), own_voice("tones")),
        Settings(providers=Providers(tones=True)),
        faults=tuple(tones_faults()),
    ),
    Case("morse", _open_morse, speaking("morse")),
)


def marks_of(case: Case) -> Sequence[pytest.MarkDecorator]:
    """Mark what starts real engines."""
    if case.name != "local":
        return ()
    reason = "pip install 'sayna[local]'"
    return (pytest.mark.slow, pytest.mark.skipif(not HAS_LOCAL, reason=reason))
