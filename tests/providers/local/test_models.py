"""From a prefix and a name to an open engine, or to the one thing that is missing."""

import asyncio
from pathlib import Path
from types import ModuleType

import pytest

from sayna.errors import ProviderMisconfigured
from sayna.providers.local.model_hosts import open_hosts
from sayna.providers.local.models import (
    RECOGNIZERS,
    SYNTHESIZERS,
    RecognizerEngine,
    SynthesizerEngine,
    find_recognizer_engine,
    find_synthesizer_engine,
)
from sayna.settings.tree import Settings
from sayna.speech.events import Transcript
from sayna.speech.options import RecognizerOptions, SynthesizerOptions
from tests.providers.local.engine_fixtures import pcm, stand_ins
from tests.providers.local.models_folder import write_models
from tests.providers.local.test_segment import silence, speech

__all__ = ["stand_ins"]

LISTEN = RecognizerOptions("local")
SPEAK = SynthesizerOptions("local", sample_rate=8_000)


def settings_with(models_path: Path | None, **local: int) -> Settings:
    return Settings.model_validate({"providers": {"local": {"models_path": models_path, **local}}})


def recognizer_engine(prefix: str) -> RecognizerEngine:
    engine = find_recognizer_engine(prefix)
    assert engine is not None
    return engine


def synthesizer_engine(prefix: str) -> SynthesizerEngine:
    engine = find_synthesizer_engine(prefix)
    assert engine is not None
    return engine


@pytest.fixture
def settings(tmp_path: Path, stand_ins: dict[str, ModuleType]) -> Settings:
    return settings_with(write_models(tmp_path))


def test_every_prefix_finds_its_engine() -> None:
    assert [engine.prefix for engine in RECOGNIZERS] == ["vosk", "sherpa", "whisper"]
    assert [engine.prefix for engine in SYNTHESIZERS] == ["piper", "kokoro"]
    for engine in RECOGNIZERS:
        assert find_recognizer_engine(engine.prefix) is engine
        assert find_synthesizer_engine(engine.prefix) is None


def test_other_prefixes_find_none() -> None:
    assert find_recognizer_engine("pocketsphinx") is None
    assert find_synthesizer_engine("espeak") is None


@pytest.mark.parametrize(
    ("prefix", "name", "audio", "text"),
    [
        ("vosk", "small", pcm(5), "word1"),
        ("sherpa", "transducer", pcm(5), "transducer"),
        ("whisper", "tiny", speech(500) + silence(700), "11 tenths in en"),
    ],
)
async def test_every_recognizer_listens(
    prefix: str, name: str, audio: bytes, text: str, settings: Settings
) -> None:
    engine = recognizer_engine(prefix)
    async with engine.open_recognizer(LISTEN, name, settings) as recognizer, asyncio.timeout(20):
        recognizer.send_audio(audio)
        recognizer.finish()
        finals = [
            event.text
            async for event in recognizer.events()
            if isinstance(event, Transcript) and event.is_final
        ]
    assert finals == [text]


@pytest.mark.parametrize(("prefix", "name"), [("piper", "amy"), ("kokoro", "af_heart")])
async def test_every_synthesizer_speaks(prefix: str, name: str, settings: Settings) -> None:
    engine = synthesizer_engine(prefix)
    async with engine.open_synthesizer(SPEAK, name, settings) as voice, asyncio.timeout(20):
        sound = b"".join([chunk async for chunk in voice.speak("Hello there.")])
    assert len(sound) >= 2 * 8_000 // 10


@pytest.mark.parametrize("engine", [*RECOGNIZERS, *SYNTHESIZERS], ids=lambda engine: engine.prefix)
async def test_a_missing_package_is_answered_with_the_extra(
    engine: RecognizerEngine | SynthesizerEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sayna.providers.local.models.find_spec", lambda name: None)
    with pytest.raises(ProviderMisconfigured) as caught:
        await _open(engine, "any", settings_with(write_models(tmp_path)))
    assert f"pip install 'sayna[{engine.prefix}]'" in str(caught.value)


@pytest.mark.parametrize("engine", [*RECOGNIZERS, *SYNTHESIZERS], ids=lambda engine: engine.prefix)
async def test_a_missing_folder_is_answered_with_the_setting(
    engine: RecognizerEngine | SynthesizerEngine, stand_ins: dict[str, ModuleType]
) -> None:
    with pytest.raises(ProviderMisconfigured, match=r"set providers\.local\.models_path"):
        await _open(engine, "any", settings_with(None))


async def _open(
    engine: RecognizerEngine | SynthesizerEngine, name: str, settings: Settings
) -> None:
    if isinstance(engine, RecognizerEngine):
        async with engine.open_recognizer(LISTEN, name, settings):
            pass
    else:
        async with engine.open_synthesizer(SPEAK, name, settings):
            pass


async def test_a_kokoro_voice_that_is_not_there_is_answered_with_those_that_are(
    settings: Settings,
) -> None:
    with pytest.raises(ProviderMisconfigured, match=r"no voice 'af_none'.*af_heart, bm_george"):
        await _open(synthesizer_engine("kokoro"), "af_none", settings)


async def test_all_kokoro_voices_share_one_process(settings: Settings) -> None:
    engine = synthesizer_engine("kokoro")
    async with (
        open_hosts() as hosts,
        engine.open_synthesizer(SPEAK, "af_heart", settings, hosts=hosts),
    ):
        launch = hosts.hosts[0].launch
        assert engine.plan("synthesizer_worker", "kokoro", "bm_george", settings) == launch


async def test_the_settings_bound_the_places(
    tmp_path: Path, stand_ins: dict[str, ModuleType]
) -> None:
    settings = settings_with(
        write_models(tmp_path), recognizer_processes=1, max_recognizers_per_process=3
    )
    launch = recognizer_engine("vosk").plan("recognizer_worker", "vosk:small", "small", settings)
    assert (launch.processes, launch.lanes_per_process) == (1, 3)
    assert launch.threads >= 1
