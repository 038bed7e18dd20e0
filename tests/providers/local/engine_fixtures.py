"""What tests of engines share: the stand-in packages in reach, here and in worker processes."""

import importlib
import sys
from collections.abc import Iterator
from types import ModuleType

import pytest

from tests.providers.local.models_folder import PACKAGES

STAND_INS = ("vosk", "sherpa_onnx", "faster_whisper", "piper", "kokoro_onnx")


@pytest.fixture
def stand_ins(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, ModuleType]]:
    """Import the stand-ins by the packages' own names; forget them afterwards."""
    monkeypatch.setenv("PYTHONPATH", str(PACKAGES))
    monkeypatch.syspath_prepend(str(PACKAGES))
    for name in STAND_INS:
        monkeypatch.delitem(sys.modules, name, raising=False)
    yield {name: importlib.import_module(name) for name in STAND_INS}
    for name in STAND_INS:
        sys.modules.pop(name, None)


def pcm(level: int, ms: int = 100) -> bytes:
    """Return s16le mono at 16 kHz of one level."""
    return level.to_bytes(2, "little", signed=True) * (16 * ms)
