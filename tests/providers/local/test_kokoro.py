"""The Kokoro adapter against a stand-in for its package."""

from types import ModuleType

import pytest

from sayna.providers.local.kokoro import PAUSE_MS, KokoroModel, load
from tests.providers.local.engine_fixtures import stand_ins

__all__ = ["stand_ins"]

PAUSE_BYTES = 24 * PAUSE_MS * 2


@pytest.fixture
def model(stand_ins: dict[str, ModuleType]) -> KokoroModel:
    return load({"model": "kokoro.onnx", "voices": "voices.bin"}, 1)


def test_its_voices_and_rate_are_told(model: KokoroModel) -> None:
    assert model.voices == ("af_heart", "bm_george")
    assert model.sample_rate == 24_000


def test_floats_become_clipped_16_bit_samples_and_a_pause(model: KokoroModel) -> None:
    (chunk,) = model.say("Hello.", "af_heart", 1.0)
    assert chunk[:-PAUSE_BYTES] == (32_767).to_bytes(2, "little") * (5 * 240)
    assert chunk[-PAUSE_BYTES:] == bytes(PAUSE_BYTES)


def test_the_voice_decides_the_language(model: KokoroModel) -> None:
    list(model.say("Hello.", "bm_george", 1.0))
    list(model.say("Hello.", "xx_unknown", 1.0))
    assert [call[2] for call in model._engine.calls] == ["en-gb", "en-us"]


@pytest.mark.parametrize(("asked", "given"), [(0.1, 0.5), (1.3, 1.3), (9.0, 2.0)])
def test_speed_is_brought_into_the_engines_range(
    model: KokoroModel, asked: float, given: float
) -> None:
    list(model.say("Hello.", "af_heart", asked))
    assert model._engine.calls[-1][1] == given
