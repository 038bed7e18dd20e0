"""The voices that the operator's Piper and Kokoro files hold, for `GET /voices`.

Read from the files' own descriptions; no engine is imported. Damaged files are left out: the
error is told when somebody asks for the voice.
"""

import zipfile
from collections.abc import Iterator
from pathlib import Path

import msgspec

from sayna.errors import ProviderMisconfigured
from sayna.providers.local.kokoro import LANGUAGES
from sayna.providers.local.model_files import find_kokoro
from sayna.providers.local.models import find_synthesizer_engine
from sayna.settings.tree import Settings
from sayna.speech.protocols import Voice

GENDERS = {"f": "Female", "m": "Male"}
"""Second letter of a Kokoro voice's name."""


class _Language(msgspec.Struct, frozen=True):
    code: str = ""


class _Espeak(msgspec.Struct, frozen=True):
    voice: str = ""


class _PiperConfig(msgspec.Struct, frozen=True):
    """The fields of a Piper voice's description that tell its language."""

    language: _Language = _Language()
    espeak: _Espeak = _Espeak()


def list_model_voices(settings: Settings) -> list[Voice]:
    """Return what may follow `piper:` and `kokoro:` here; none when their package is missing."""
    folder = settings.providers.local.models_path
    if folder is None or not folder.is_dir():
        return []
    voices: list[Voice] = []
    if _is_installed("piper"):
        voices += piper_voices(folder)
    if _is_installed("kokoro"):
        voices += kokoro_voices(folder)
    return voices


def piper_voices(folder: Path) -> Iterator[Voice]:
    """Yield a voice for each `NAME.onnx.json` beside its `NAME.onnx`, by name."""
    beside = folder.glob("*.onnx.json")
    within = (path for path in folder.glob("*/*.onnx.json") if path.parent.name == _stem(path))
    for path in sorted((*beside, *within), key=_stem):
        if not path.with_suffix("").is_file():
            continue
        try:
            config = msgspec.json.decode(path.read_bytes(), type=_PiperConfig)
        except (OSError, msgspec.MsgspecError):
            continue
        language = config.language.code or config.espeak.voice or "Unknown"
        yield Voice(f"piper:{_stem(path)}", _stem(path), language.replace("_", "-"))


def kokoro_voices(folder: Path) -> Iterator[Voice]:
    """Yield a voice for each style in the voices file."""
    try:
        styles = dict(find_kokoro(folder, "any"))["voices"]
        with zipfile.ZipFile(styles) as archive:
            names = sorted(name.removesuffix(".npy") for name in archive.namelist())
    except (ProviderMisconfigured, OSError, zipfile.BadZipFile):
        return
    for name in names:
        language = LANGUAGES.get(name[:1], "Unknown")
        yield Voice(f"kokoro:{name}", name, language, gender=GENDERS.get(name[1:2], "Unknown"))


def _is_installed(prefix: str) -> bool:
    engine = find_synthesizer_engine(prefix)
    return engine is not None and engine.is_installed


def _stem(config: Path) -> str:
    return config.name.removesuffix(".onnx.json")
