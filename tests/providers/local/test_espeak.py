"""espeak-ng itself, in its worker process."""

import asyncio
import os
import signal
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path

import numpy as np
import pytest

from sayna.audio.wav import parse_wav
from sayna.errors import NetworkFailed, ProviderError, ProviderMisconfigured
from sayna.providers.local.espeak import list_voices, open_espeak
from sayna.providers.local.espeak_worker import AHEAD, CHUNK_BYTES
from sayna.providers.local.hosted_synthesizer import Utterance
from sayna.providers.local.model_hosts import ModelHosts, open_hosts
from sayna.speech.options import SynthesizerOptions
from sayna.speech.protocols import Synthesizer

pytestmark = pytest.mark.slow
pytest.importorskip("espeakng_loader")

PATIENCE_S = 20.0
SENTENCE = "The quick brown fox jumps over the lazy dog."


@pytest.fixture
async def hosts() -> AsyncGenerator[ModelHosts, None]:
    async with asyncio.timeout(PATIENCE_S), open_hosts() as opened:
        yield opened


def options(**chosen: object) -> SynthesizerOptions:
    return SynthesizerOptions("local", **chosen)  # type: ignore[arg-type]


async def spoken(synthesizer: Synthesizer, text: str = SENTENCE) -> bytes:
    return b"".join([chunk async for chunk in synthesizer.speak(text)])


def is_alike(audio: bytes, other: bytes) -> bool:
    """Tell whether both are the same utterance: espeak-ng varies a few samples each time."""
    return abs(len(audio) - len(other)) < 0.01 * len(other)


async def spoken_with(hosts: ModelHosts, **chosen: object) -> bytes:
    async with open_espeak(hosts, options(**chosen)) as synthesizer:
        return await spoken(synthesizer)


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 24_000, 44_100, 48_000])
async def test_a_sentence_lasts_as_long_at_every_rate(hosts: ModelHosts, rate: int) -> None:
    seconds = len(await spoken_with(hosts, sample_rate=rate)) / 2 / rate
    assert 2.3 < seconds < 3.2


@pytest.mark.parametrize("audio_format", ["mulaw", "ulaw", "alaw"])
async def test_telephone_audio_has_a_byte_for_each_sample(
    hosts: ModelHosts, audio_format: str
) -> None:
    audio = await spoken_with(hosts, audio_format=audio_format, sample_rate=8_000)
    plain = await spoken_with(hosts, sample_rate=8_000)
    assert is_alike(audio * 2, plain)


async def test_a_wav_is_a_file_with_speech_in_it(hosts: ModelHosts) -> None:
    wav = parse_wav(await spoken_with(hosts, audio_format="wav", sample_rate=24_000))
    assert wav.sample_rate == 24_000
    assert float(np.std(wav.samples.astype(float))) > 500


async def test_a_faster_voice_takes_less_time(hosts: ModelHosts) -> None:
    slow, usual, fast = [
        len(await spoken_with(hosts, speaking_rate=rate)) for rate in (0.5, 1.0, 2.0)
    ]
    assert slow > 1.7 * usual
    assert usual > 1.7 * fast


async def test_voices_sound_different(hosts: ModelHosts) -> None:
    names = (None, "en-gb", "en-us+f3", "espeak:de")
    assert len({len(await spoken_with(hosts, voice_id=name)) for name in names}) == len(names)


@pytest.mark.parametrize(
    ("field", "chosen"),
    [
        ("quenglish", {"voice_id": "quenglish"}),
        ("nobody", {"voice_id": "en-us+nobody"}),
        ("tts_config.sample_rate", {"sample_rate": 0}),
        ("8000 to 48000", {"sample_rate": 4_294_967_295}),
        ("tts_config.audio_format", {"audio_format": "mp3"}),
    ],
)
async def test_what_cannot_be_is_refused_at_once_and_named(
    hosts: ModelHosts, field: str, chosen: dict[str, object]
) -> None:
    with pytest.raises(ProviderMisconfigured, match=field):
        await spoken_with(hosts, **chosen)


async def test_markup_and_control_characters_are_only_text(hosts: ModelHosts) -> None:
    async with open_espeak(hosts, options()) as synthesizer:
        assert await spoken(synthesizer, "<speak>a\0b</speak> [[x]] &amp; \x1b[1m")
        assert await spoken(synthesizer)


async def test_many_sessions_do_not_mix_or_wait_for_a_long_one(hosts: ModelHosts) -> None:
    alone = await spoken_with(hosts)
    async with (
        open_espeak(hosts, options()) as one,
        open_espeak(hosts, options()) as other,
        aclosing(one.speak("A long story. " * 1_000)) as long,
    ):
        await anext(long)
        shorts = await asyncio.gather(*[spoken(other) for _ in range(20)])
    assert all(is_alike(short, alone) for short in shorts)


async def test_a_closed_utterance_makes_room_for_the_next_at_once(hosts: ModelHosts) -> None:
    async with open_espeak(hosts, options()) as synthesizer:
        alone = await spoken(synthesizer)
        for _ in range(10):
            async with aclosing(synthesizer.speak(SENTENCE * 400)) as speech:
                await anext(speech)
        assert is_alike(await spoken(synthesizer), alone)


async def test_an_unread_utterance_keeps_little_in_memory(hosts: ModelHosts) -> None:
    async with (
        open_espeak(hosts, options()) as synthesizer,
        aclosing(synthesizer.speak("A long story. " * 1_400)) as speech,
    ):
        await anext(speech)
        await spoken(synthesizer, "Meanwhile.")  # so the worker had time to run ahead
        (host,) = hosts.hosts
        (lane,) = host._lanes.values()
        assert isinstance(lane, Utterance)
        assert 0 < sum(map(len, lane._chunks)) <= AHEAD * CHUNK_BYTES


async def test_a_dead_worker_costs_the_utterance_in_flight_one_error(hosts: ModelHosts) -> None:
    async with open_espeak(hosts, options()) as synthesizer:
        alone = await spoken(synthesizer)
        for _ in range(2):
            async with aclosing(synthesizer.speak(SENTENCE * 400)) as speech:
                await anext(speech)
                (host,) = hosts.hosts
                assert host.pid is not None
                os.kill(host.pid, signal.SIGKILL)
                with pytest.raises(NetworkFailed):
                    _ = [chunk async for chunk in speech]
            assert is_alike(await spoken(synthesizer), alone)


async def test_the_voices_are_those_that_can_be_spoken_with(hosts: ModelHosts) -> None:
    voices = {voice.id: voice for voice in await list_voices(hosts)}
    assert len(voices) > 100
    assert voices["en-us"].language == "English"
    assert voices["en-us"].accent == "American"
    for name in ("en-us", "de", "fr-fr", "sit/yue-Latn-jyutping"):
        assert await spoken_with(hosts, voice_id=name)
    assert all(all(map(bool, (v.id, v.name, v.language, v.accent))) for v in voices.values())


async def test_the_engine_never_enters_the_server_process(hosts: ModelHosts) -> None:
    await spoken_with(hosts)
    assert not _maps_espeak()


def _maps_espeak() -> bool:
    return "libespeak" in Path("/proc/self/maps").read_text()


async def test_when_the_block_ends_so_has_the_worker() -> None:
    async with open_hosts() as hosts:
        await spoken_with(hosts)
        (host,) = hosts.hosts
        pid = host.pid
    assert pid is not None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_a_server_without_the_extra_says_how_to_get_it(
    hosts: ModelHosts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sayna.providers.local.options.find_spec", lambda _: None)
    with pytest.raises(ProviderError, match=r"espeakng_loader.*pip install 'sayna\[local\]'"):
        await spoken_with(hosts)
    assert hosts.hosts == ()
