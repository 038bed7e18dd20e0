import asyncio
from typing import cast

import pytest

from sayna.audio.wav import render_header
from sayna.errors import NetworkFailed, ProviderMisconfigured
from sayna.providers.cached import SpeechMemory
from sayna.providers.registry import Registry
from sayna.session.synthesis import SynthesisFailed, synthesize
from sayna.settings.tree import Settings
from sayna.speech.options import SynthesizerOptions
from sayna.storage.speech_cache import SpeechCache
from tests.api.asgi import Shelf
from tests.fakes.scripted import ScriptedProvider, speech_of

OPTIONS = SynthesizerOptions("scripted", connection_timeout_s=5, request_timeout_s=5)
SHORT = SynthesizerOptions("scripted", connection_timeout_s=0.01, request_timeout_s=0.01)


def shelf(provider: ScriptedProvider) -> Registry:
    return cast("Registry", Shelf([provider]))


async def test_a_text_becomes_audio_with_its_format() -> None:
    provider = ScriptedProvider()
    speech = await synthesize(shelf(provider), OPTIONS, "hello there")
    assert speech.audio == speech_of("hello there")
    assert speech.audio_format.sample_rate == 24_000
    assert provider.synthesizers[0].closed


async def test_a_whole_file_has_its_length_in_its_header() -> None:
    provider = ScriptedProvider(speech=lambda _: render_header(24_000) + b"\1\2\3\4")
    speech = await synthesize(shelf(provider), OPTIONS, "a")
    assert speech.audio == render_header(24_000, data_bytes=4) + b"\1\2\3\4"


async def test_a_provider_that_cannot_be_opened_is_told_from_one_that_cannot_speak() -> None:
    provider = ScriptedProvider()
    provider.open_synthesizer_error = ProviderMisconfigured("no such voice")
    with pytest.raises(SynthesisFailed) as failed:
        await synthesize(shelf(provider), OPTIONS, "a")
    told = "Failed to create TTS provider: Invalid configuration: no such voice"
    assert str(failed.value) == told
    provider.open_synthesizer_error = None
    provider.speak_error = NetworkFailed("cut")
    with pytest.raises(SynthesisFailed) as failed:
        await synthesize(shelf(provider), OPTIONS, "a")
    assert str(failed.value) == "TTS synthesis error: Network error: cut"


@pytest.mark.parametrize("gate", ["open_gate", "speak_gate"])
async def test_a_provider_that_takes_too_long_is_given_up(gate: str) -> None:
    provider = ScriptedProvider()
    setattr(provider, gate, asyncio.Event())
    with pytest.raises(SynthesisFailed, match=r"Timeout error: no complete audio within 0\.02 s"):
        await synthesize(shelf(provider), SHORT, "a")
    assert all(synthesizer.closed for synthesizer in provider.synthesizers)


async def test_what_was_said_before_is_told_as_such() -> None:
    provider = ScriptedProvider()
    cache = SpeechCache(memory_bytes=100_000, memory_entries=10, ttl_s=60)
    memory = SpeechMemory(cache, Settings())
    first = await synthesize(shelf(provider), OPTIONS, "hello", memory=memory)
    again = await synthesize(shelf(provider), OPTIONS, "hello", memory=memory)
    assert (first.cached, again.cached) == (False, True)
    assert again.audio == first.audio == speech_of("hello")
    assert again.audio_format == first.audio_format
    assert provider.synthesizers[1].spoken == []
    assert not (await synthesize(shelf(provider), OPTIONS, "hello")).cached


async def test_a_text_too_long_for_the_engine_is_said_in_parts_and_remembered_whole() -> None:
    provider = ScriptedProvider()
    provider.max_text_chars = 9
    cache = SpeechCache(memory_bytes=100_000, memory_entries=10, ttl_s=60)
    memory = SpeechMemory(cache, Settings())
    first = await synthesize(shelf(provider), OPTIONS, "Good day. How are you", memory=memory)
    again = await synthesize(shelf(provider), OPTIONS, "Good day. How are you", memory=memory)
    assert provider.synthesizers[0].spoken == ["Good day.", "How are", "you"]
    assert first.audio == again.audio == speech_of("Good day. How are you")
    assert again.cached
    assert provider.synthesizers[1].spoken == []
