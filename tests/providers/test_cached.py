import asyncio
import hashlib
import json
from contextlib import aclosing
from dataclasses import dataclass, replace

import pytest
from typing_extensions import override

from sayna import __version__
from sayna.errors import NetworkFailed
from sayna.providers.cached import CachedSynthesizer, SpeechMemory
from sayna.providers.credentials import fingerprint
from sayna.settings.tree import Settings
from sayna.speech.options import SynthesizerOptions
from sayna.speech.protocols import AudioFormat, Synthesizer, Watched
from sayna.storage.speech_cache import SpeechCache
from tests.fakes.scripted import ScriptedProvider, ScriptedSynthesizer, speech_of

OPTIONS = SynthesizerOptions(
    "deepgram", model="m", voice_id="v", sample_rate=16_000, credentials={"api_key": "K"}
)


def new_cache(memory_bytes: int = 10_000_000) -> SpeechCache:
    return SpeechCache(memory_bytes=memory_bytes, memory_entries=100, ttl_s=600)


@dataclass
class Voice:
    """A scripted synthesizer behind a memory."""

    provider: ScriptedProvider
    scripted: ScriptedSynthesizer
    cached: CachedSynthesizer

    @property
    def outcome(self) -> str:
        return self.cached.last_outcome

    async def say(self, text: str) -> bytes:
        return b"".join([chunk async for chunk in self.cached.speak(text)])


def voice_of(
    cache: SpeechCache,
    options: SynthesizerOptions = OPTIONS,
    *,
    tenant: str | None = None,
    settings: Settings | None = None,
) -> Voice:
    provider = ScriptedProvider()
    scripted = ScriptedSynthesizer(provider, options)
    cached = SpeechMemory(cache, settings or Settings(), tenant).wrap(scripted, options)
    assert isinstance(cached, CachedSynthesizer)
    return Voice(provider, scripted, cached)


async def test_the_second_time_the_engine_is_not_asked() -> None:
    cache = new_cache()
    voice = voice_of(cache)
    assert await voice.say("hello there") == speech_of("hello there")
    assert voice.outcome == "MISS"
    assert await voice.say("hello there") == speech_of("hello there")
    assert voice.outcome == "HIT"
    assert await voice.say("hello you") == speech_of("hello you")
    assert voice.outcome == "MISS"
    assert voice.scripted.spoken == ["hello there", "hello you"]


async def test_a_whole_utterance_is_remembered_for_both_ways_of_asking() -> None:
    voice = voice_of(new_cache())
    assert await voice.cached.speak_whole("hello there") == speech_of("hello there")
    assert voice.outcome == "MISS"
    whole = await voice.cached.speak_whole("hello there")
    assert whole == speech_of("hello there")
    assert voice.outcome == "HIT"
    assert await voice.cached.speak_whole("hello there") is whole  # not copied
    assert await voice.say("hello there") == whole
    assert voice.scripted.spoken == ["hello there"]


async def test_a_whole_utterance_that_fails_is_not_remembered() -> None:
    voice = voice_of(new_cache())
    voice.provider.speak_error = NetworkFailed("gone")
    with pytest.raises(NetworkFailed):
        await voice.cached.speak_whole("hello there")
    voice.provider.speak_error = None
    assert await voice.cached.speak_whole("hello there") == speech_of("hello there")
    assert voice.outcome == "MISS"


@pytest.mark.parametrize("limit_s", [None, 1.5])
def test_a_voice_that_remembers_is_watched_as_the_one_within(limit_s: float | None) -> None:
    provider = ScriptedProvider()
    provider.stall_limit_s = limit_s
    inner = ScriptedSynthesizer(provider, SynthesizerOptions("scripted"))
    voice = CachedSynthesizer(inner, new_cache(), {})
    assert isinstance(voice, Watched)
    assert (voice.stall_limit_s, voice.signs_of_life) == (limit_s, 0)


async def test_another_session_hears_it_again_too() -> None:
    cache = new_cache()
    await voice_of(cache).say("a")
    again = voice_of(cache, replace(OPTIONS, connection_timeout_s=1, request_timeout_s=2))
    assert await again.say("a") == speech_of("a")
    assert again.scripted.spoken == []


async def test_what_is_made_streams_through_as_it_comes() -> None:
    voice = voice_of(new_cache())
    voice.provider.speak_gate = gate = asyncio.Event()
    gate.set()
    async with aclosing(voice.cached.speak("one two three")) as chunks:
        assert await anext(chunks) == speech_of("one")
        gate.clear()
        assert voice.scripted.completed == []
        assert voice.outcome == "MISS"
        gate.set()
        assert b"".join([chunk async for chunk in chunks]) == speech_of("two three")


@pytest.mark.parametrize(
    ("audio_format", "seconds_bytes", "largest"),
    [
        ("linear16", 32_000, 3200),
        ("wav", 32_000, 3200),
        ("mulaw", 16_000, 1600),
        ("mp3", 9000, 4096),
    ],
)
async def test_a_replay_comes_in_chunks_of_normal_size(
    audio_format: str, seconds_bytes: int, largest: int
) -> None:
    voice = voice_of(new_cache(), replace(OPTIONS, audio_format=audio_format))
    audio = bytes(range(256)) * (seconds_bytes * 2 // 256)
    voice.provider.speech = lambda _text: audio
    await voice.say("a")
    chunks = [chunk async for chunk in voice.cached.speak("a")]
    assert b"".join(chunks) == audio
    assert max(map(len, chunks)) == largest
    assert len(chunks) == -(-len(audio) // largest)


async def test_a_replay_begins_at_once_and_lets_others_have_their_turn() -> None:
    voice = voice_of(new_cache())
    voice.provider.speech = lambda _text: bytes(320_000)
    await voice.say("a")
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as tasks:
        counting = tasks.create_task(count())
        async with aclosing(voice.cached.speak("a")) as chunks:
            await anext(chunks)
            assert turns == 0
            rest = [chunk async for chunk in chunks]
        counting.cancel()
    assert len(rest) == 99
    assert turns >= 20


async def test_what_was_cancelled_is_not_remembered() -> None:
    voice = voice_of(new_cache())
    async with aclosing(voice.cached.speak("one two three")) as chunks:
        await anext(chunks)
        await anext(chunks)
    assert voice.scripted.cancelled == ["one two three"]
    await voice.say("one two three")
    assert voice.outcome == "MISS"


async def test_what_was_cancelled_on_the_last_chunk_is_not_remembered() -> None:
    voice = voice_of(new_cache())
    async with aclosing(voice.cached.speak("one")) as chunks:
        assert await anext(chunks) == speech_of("one")
    await voice.say("one")
    assert voice.outcome == "MISS"


async def test_a_speaker_whose_task_is_cancelled_is_not_remembered() -> None:
    voice = voice_of(new_cache())
    voice.provider.speak_gate = asyncio.Event()
    saying = asyncio.ensure_future(voice.say("one two"))
    for _ in range(5):
        await asyncio.sleep(0)
    saying.cancel()
    await asyncio.wait([saying])
    assert voice.scripted.cancelled == ["one two"]
    voice.provider.speak_gate = None
    await voice.say("one two")
    assert voice.outcome == "MISS"


async def test_what_failed_half_way_is_not_remembered() -> None:
    voice = voice_of(new_cache())
    chunks = voice.cached.speak("one two")
    assert await anext(chunks) == speech_of("one")
    voice.provider.speak_error = NetworkFailed("cut")
    with pytest.raises(NetworkFailed):
        await anext(chunks)
    voice.provider.speak_error = None
    assert await voice.say("one two") == speech_of("one two")
    assert voice.outcome == "MISS"


@pytest.mark.parametrize("audio", [b"", bytes(1001)])
async def test_silence_and_what_is_too_long_are_not_remembered(audio: bytes) -> None:
    voice = voice_of(new_cache(8000))
    voice.provider.speech = lambda _text: audio
    for _ in range(2):
        assert await voice.say("a") == audio
        assert voice.outcome == "MISS"


async def test_two_first_times_at_once_are_both_made_and_both_whole() -> None:
    cache = new_cache()
    one, two = voice_of(cache), voice_of(cache)
    said = await asyncio.gather(one.say("a b c"), two.say("a b c"))
    assert list(said) == [speech_of("a b c")] * 2
    assert await one.say("a b c") == speech_of("a b c")
    assert one.outcome == "HIT"


def test_the_key_is_the_hash_of_canonical_json() -> None:
    voice = voice_of(new_cache(), tenant="t")
    text = 'naïve \ud800 "x" \n'
    told = {
        "scope": {
            "provider": "deepgram",
            "model": "m",
            "voice_id": "v",
            "speaking_rate": 1.0,
            "audio_format": "linear16",
            "sample_rate": 16_000,
            "endpoint": {
                "base_url": "https://api.deepgram.com",
                "ws_url": "wss://api.deepgram.com",
            },
            "credentials": fingerprint("deepgram", {"api_key": "K"}),
            "tenant": "t",
            "sayna": __version__,
            "speech_version": "",
        },
        "text": text,
    }
    canonical = json.dumps(told, sort_keys=True, separators=(",", ":"))
    assert voice.cached.key_of(text) == hashlib.sha256(canonical.encode()).hexdigest()


DIFFERENT = [
    replace(OPTIONS, provider="cartesia"),
    replace(OPTIONS, model="n"),
    replace(OPTIONS, voice_id=None),
    replace(OPTIONS, voice_id=""),
    replace(OPTIONS, speaking_rate=1.0001),
    replace(OPTIONS, audio_format="mulaw"),
    replace(OPTIONS, sample_rate=8_000),
    replace(OPTIONS, credentials={"api_key": "L"}),
    replace(OPTIONS, credentials={}),
]


@pytest.mark.parametrize("other", DIFFERENT, ids=str)
def test_whatever_makes_the_sound_differ_makes_the_key_differ(other: SynthesizerOptions) -> None:
    cache = new_cache()
    assert voice_of(cache).cached.key_of("a") != voice_of(cache, other).cached.key_of("a")


def test_tenants_and_endpoints_share_nothing() -> None:
    cache = new_cache()
    elsewhere = Settings.model_validate({"providers": {"deepgram": {"base_url": "http://[::1]:9"}}})
    keys = {
        voice_of(cache).cached.key_of("a"),
        voice_of(cache, tenant="a").cached.key_of("a"),
        voice_of(cache, tenant="b").cached.key_of("a"),
        voice_of(cache, settings=elsewhere).cached.key_of("a"),
    }
    assert len(keys) == 4


def test_models_of_another_folder_are_other_voices() -> None:
    cache, options = new_cache(), SynthesizerOptions("local")
    elsewhere = Settings.model_validate({"providers": {"local": {"models_path": "/m"}}})
    other_load = Settings.model_validate({"providers": {"local": {"recognizer_processes": 7}}})
    keys = [
        voice_of(cache, options, settings=settings).cached.key_of("a")
        for settings in (Settings(), elsewhere, other_load)
    ]
    assert keys[0] != keys[1]
    assert keys[0] == keys[2]


def test_what_is_really_delivered_counts_not_what_was_wished() -> None:
    class Stubborn(ScriptedSynthesizer):
        @property
        @override
        def audio_format(self) -> AudioFormat:
            return AudioFormat("linear16", 22_050)

    memory = SpeechMemory(new_cache(), Settings())
    keys = set[str]()
    for rate in (16_000, 48_000):
        options = replace(OPTIONS, sample_rate=rate)
        cached = memory.wrap(Stubborn(ScriptedProvider(), options), options)
        assert isinstance(cached, CachedSynthesizer)
        assert cached.audio_format.sample_rate == 22_050
        keys.add(cached.key_of("a"))
    assert len(keys) == 1


class Ageing(ScriptedSynthesizer):
    """A synthesizer with a version."""

    speech_version: str | None = "1"


def test_a_new_version_of_a_voice_is_another_voice_and_none_is_never_remembered() -> None:
    memory = SpeechMemory(new_cache(), Settings())
    keys = set[str]()
    synthesizer = Ageing(ScriptedProvider(), OPTIONS)
    for version in ("1", "2"):
        synthesizer.speech_version = version
        cached = memory.wrap(synthesizer, OPTIONS)
        assert isinstance(cached, CachedSynthesizer)
        keys.add(cached.key_of("a"))
    assert len(keys) == 2
    synthesizer.speech_version = None
    assert memory.wrap(synthesizer, OPTIONS) is synthesizer


def test_a_cache_that_is_off_wraps_nothing() -> None:
    synthesizer: Synthesizer = ScriptedSynthesizer(ScriptedProvider(), OPTIONS)
    assert SpeechMemory(new_cache(0), Settings()).wrap(synthesizer, OPTIONS) is synthesizer
