"""The Piper adapter against a stand-in for its package."""

from pathlib import Path
from types import ModuleType

import pytest

from sayna.providers.local.piper import PiperModel, load
from tests.providers.local.engine_fixtures import stand_ins
from tests.providers.local.models_folder import piper_config, write_files

__all__ = ["stand_ins"]


@pytest.fixture
def voice(tmp_path: Path, stand_ins: dict[str, ModuleType]) -> PiperModel:
    write_files(tmp_path, {"v.onnx": "", "v.onnx.json": piper_config(16_000, 2.0)})
    return load({"model": str(tmp_path / "v.onnx"), "config": str(tmp_path / "v.onnx.json")}, 1)


def test_the_rate_is_the_voices_own(voice: PiperModel) -> None:
    assert voice.sample_rate == 16_000
    assert voice.voices == ()


@pytest.mark.parametrize(
    ("speaking_rate", "samples"),
    [(1.0, 1_600), (2.0, 800), (0.5, 3_200), (100.0, 400), (0.001, 6_400)],
)
def test_speed_shortens_what_the_voice_itself_would_take(
    voice: PiperModel, speaking_rate: float, samples: int
) -> None:
    (chunk,) = voice.say("Hello.", "", speaking_rate)
    assert len(chunk) / 2 == samples


def test_brackets_in_a_text_are_text(voice: PiperModel) -> None:
    assert list(voice.say("an [[odd]] text", "", 1.0))
