"""An engine's name finds its adapter, and the adapter loads its package."""

from pathlib import Path
from types import ModuleType

import pytest

from sayna.providers.local.engines import load_recognizer, load_synthesizer
from sayna.providers.local.models import RECOGNIZERS, SYNTHESIZERS
from tests.providers.local.engine_fixtures import stand_ins
from tests.providers.local.models_folder import write_models

__all__ = ["stand_ins"]

NAMES = {
    "vosk": "small", "sherpa": "transducer", "whisper": "tiny", "piper": "amy",
    "kokoro": "af_heart",
}  # fmt: skip


@pytest.mark.parametrize("engine", RECOGNIZERS, ids=lambda engine: engine.prefix)
def test_every_recognizer_engine_loads_what_its_finder_found(
    engine: object, tmp_path: Path, stand_ins: dict[str, ModuleType]
) -> None:
    (kind,) = (each for each in RECOGNIZERS if each is engine)
    files = dict(kind.find_files(write_models(tmp_path), NAMES[kind.prefix]))
    stream = load_recognizer(kind.prefix, files, 1).open_stream("en-US")
    assert list(stream.finalize()) == []


@pytest.mark.parametrize("engine", SYNTHESIZERS, ids=lambda engine: engine.prefix)
def test_every_synthesizer_engine_loads_what_its_finder_found(
    engine: object, tmp_path: Path, stand_ins: dict[str, ModuleType]
) -> None:
    (kind,) = (each for each in SYNTHESIZERS if each is engine)
    files = dict(kind.find_files(write_models(tmp_path), NAMES[kind.prefix]))
    model = load_synthesizer(kind.prefix, files, 1)
    assert model.sample_rate >= 16_000
    assert len(b"".join(model.say("Hello.", NAMES[kind.prefix], 1.0))) > 100


def test_a_name_without_an_adapter_cannot_be_loaded() -> None:
    with pytest.raises(ModuleNotFoundError):
        load_recognizer("nobody", {}, 1)
