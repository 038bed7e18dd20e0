"""A voice that speaks in a real process, with a stand-in for the engine's package."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from sayna.errors import (
    AudioRejected,
    ConnectionFailed,
    NetworkFailed,
    ProviderMisconfigured,
    ProviderTimeout,
)
from sayna.providers.local import model_hosts
from sayna.providers.local.hosted_synthesizer import HostedSynthesizer, open_hosted_synthesizer
from sayna.providers.local.model_hosts import Host, Launch, open_hosts
from sayna.speech.options import SynthesizerOptions
from sayna.speech.protocols import AudioFormat
from tests.providers.local.engine_fixtures import stand_ins
from tests.providers.local.models_folder import write_models

__all__ = ["stand_ins"]

OPTIONS = SynthesizerOptions("local", sample_rate=22_050)


@pytest.fixture
def launch(tmp_path: Path, stand_ins: dict[str, ModuleType]) -> Launch:
    folder = write_models(tmp_path)
    return Launch(
        "sayna.providers.local.synthesizer_worker", "piper", "piper:amy",
        (("model", str(folder / "amy.onnx")), ("config", str(folder / "amy.onnx.json"))),
    )  # fmt: skip


@asynccontextmanager
async def speaking(
    launch: Launch, options: SynthesizerOptions = OPTIONS, voice: str = ""
) -> AsyncIterator[tuple[HostedSynthesizer, Host]]:
    async with (
        open_hosts() as hosts,
        open_hosted_synthesizer(hosts, launch, voice, options) as synthesizer,
        asyncio.timeout(20),
    ):
        yield synthesizer, hosts.hosts[0]


async def say(synthesizer: HostedSynthesizer, text: str) -> bytes:
    return b"".join([chunk async for chunk in synthesizer.speak(text)])


async def test_a_text_becomes_sound_sentence_by_sentence(launch: Launch) -> None:
    async with speaking(launch) as (synthesizer, _):
        chunks = [chunk async for chunk in synthesizer.speak("Ten letters. And nine more.")]
    sound = np.frombuffer(b"".join(chunks), "<i2")
    assert len(chunks) == 2
    assert len(sound) == round(10 * 220.5) + round(11 * 220.5)
    assert (sound == 8_000).all()


@pytest.mark.parametrize(
    ("audio_format", "rate", "size"),
    [
        ("linear16", 24_000, 2 * 24_000),
        ("pcm", 8_000, 2 * 8_000),
        ("mulaw", 8_000, 8_000),
        ("alaw", 16_000, 16_000),
        ("wav", 48_000, 44 + 2 * 48_000),
    ],
)
async def test_one_second_is_one_second_in_every_format(
    launch: Launch, audio_format: str, rate: int, size: int
) -> None:
    options = SynthesizerOptions("local", audio_format=audio_format, sample_rate=rate)
    async with speaking(launch, options) as (synthesizer, _):
        assert synthesizer.audio_format == AudioFormat(audio_format, rate)
        sound = await say(synthesizer, "a" * 100)
    assert len(sound) == pytest.approx(size, abs=4)


async def test_speed_shortens_the_sound(launch: Launch) -> None:
    options = SynthesizerOptions("local", sample_rate=22_050, speaking_rate=2.0)
    async with speaking(launch, options) as (synthesizer, _):
        assert len(await say(synthesizer, "a" * 100)) == 22_050


@pytest.mark.parametrize(
    ("options", "field"),
    [
        (SynthesizerOptions("local", audio_format="mp3"), "tts_config.audio_format"),
        (SynthesizerOptions("local", sample_rate=1), "tts_config.sample_rate"),
    ],
)
async def test_impossible_audio_is_refused_before_anything_starts(
    launch: Launch, options: SynthesizerOptions, field: str
) -> None:
    with pytest.raises(ProviderMisconfigured, match=field):
        async with speaking(launch, options):
            pass


async def test_a_voice_that_the_model_lacks_is_refused(launch: Launch) -> None:
    with pytest.raises(ProviderMisconfigured, match="piper has no voice 'other'"):
        async with speaking(launch, voice="other"):
            pass


async def test_cancelling_an_utterance_leaves_the_voice_ready(launch: Launch) -> None:
    async with speaking(launch) as (synthesizer, host):
        async with aclosing(synthesizer.speak("A sentence. " * 500)) as utterance:
            await anext(utterance)
        assert await say(synthesizer, "Short.")
        assert host.deaths == 0


async def test_a_text_that_the_engine_refuses_is_an_error_without_the_text(launch: Launch) -> None:
    async with speaking(launch) as (synthesizer, _):
        with pytest.raises(AudioRejected, match="ValueError") as caught:
            await say(synthesizer, "boom: my secret")
        assert "secret" not in str(caught.value)
        assert await say(synthesizer, "Still here.")


async def test_a_worker_that_dies_fails_one_utterance(launch: Launch) -> None:
    async with speaking(launch) as (synthesizer, host):
        async with aclosing(synthesizer.speak("Fine. Then die. Never.")) as utterance:
            assert await anext(utterance)  # what came before stays valid
            with pytest.raises(NetworkFailed, match="being replaced") as caught:
                await anext(utterance)
        assert caught.value.retryable
        assert await say(synthesizer, "Back again.")
        assert host.deaths == 1


async def test_an_engine_that_hangs_runs_into_the_limit(launch: Launch) -> None:
    options = SynthesizerOptions("local", sample_rate=22_050, request_timeout_s=0.2)
    async with speaking(launch, options) as (synthesizer, _):
        with pytest.raises(ProviderTimeout):
            await say(synthesizer, "hang")


async def test_two_sessions_speak_at_once_in_one_process(launch: Launch) -> None:
    async with (
        open_hosts() as hosts,
        open_hosted_synthesizer(hosts, launch, "", OPTIONS) as one,
        open_hosted_synthesizer(hosts, launch, "", OPTIONS) as other,
        asyncio.timeout(20),
    ):
        long, short = await asyncio.gather(say(one, "Words. " * 50), say(other, "Word."))
        assert len(hosts.hosts) == 1
    assert len(long) == 50 * 2 * round(5 * 220.5)
    assert len(short) == 2 * round(4 * 220.5)


async def test_a_voice_whose_worker_kept_dying_speaks_again_after_a_rest(
    launch: Launch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_hosts, "BACKOFF_S", 0.0)
    monkeypatch.setattr(model_hosts, "REST_S", 0.0)
    async with speaking(launch) as (synthesizer, host):
        for deaths in range(model_hosts.MAX_DEATHS):
            with pytest.raises((NetworkFailed, ConnectionFailed)):
                await say(synthesizer, "die")
            assert host.deaths == deaths + 1
        await host._changed.wait()
        assert await say(synthesizer, "Back again.")


async def test_a_voice_whose_files_were_replaced_is_another_version(launch: Launch) -> None:
    model = Path(launch.files[0][1])
    async with speaking(launch) as (synthesizer, _):
        before = synthesizer.speech_version
        assert synthesizer.speech_version == before
        retrain(model)
        assert synthesizer.speech_version not in {before, None}
        lose(model)
        assert synthesizer.speech_version is None


def retrain(model: Path) -> None:
    model.write_bytes(model.read_bytes() + b"retrained")


def lose(model: Path) -> None:
    model.unlink()
