"""The voices that the operator's files hold, read without any engine."""

import zipfile
from pathlib import Path
from types import ModuleType

import pytest

from sayna.providers.local.model_voices import kokoro_voices, list_model_voices, piper_voices
from sayna.speech.protocols import Voice
from tests.providers.local.engine_fixtures import stand_ins
from tests.providers.local.models_folder import piper_config, write_files, write_models
from tests.providers.local.test_models import settings_with

__all__ = ["stand_ins"]


def write_styles(path: Path, *names: str) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(f"{name}.npy", b"")


def test_piper_voices_are_found_in_the_folder_and_in_folders_of_their_own(tmp_path: Path) -> None:
    write_files(tmp_path, {"amy.onnx": "", "amy.onnx.json": piper_config()})
    write_files(tmp_path / "bob", {"bob.onnx": "", "bob.onnx.json": '{"espeak": {"voice": "de"}}'})
    assert list(piper_voices(tmp_path)) == [
        Voice("piper:amy", "amy", "en-US"),
        Voice("piper:bob", "bob", "de"),
    ]


def test_files_that_cannot_be_used_are_left_out(tmp_path: Path) -> None:
    write_files(tmp_path, {"lonely.onnx.json": piper_config()})
    write_files(tmp_path, {"odd.onnx": "", "odd.onnx.json": "not JSON"})
    write_files(tmp_path, {"kokoro.onnx": "", "voices.bin": "not an archive"})
    assert list(piper_voices(tmp_path)) == []
    assert list(kokoro_voices(tmp_path)) == []


def test_kokoro_voices_tell_language_and_gender_by_their_names(tmp_path: Path) -> None:
    write_files(tmp_path, {"kokoro.onnx": ""})
    write_styles(tmp_path / "voices.bin", "bm_george", "af_heart", "xx")
    assert list(kokoro_voices(tmp_path)) == [
        Voice("kokoro:af_heart", "af_heart", "en-us", gender="Female"),
        Voice("kokoro:bm_george", "bm_george", "en-gb", gender="Male"),
        Voice("kokoro:xx", "xx"),
    ]


def test_both_are_listed_when_their_packages_are_there(
    tmp_path: Path, stand_ins: dict[str, ModuleType]
) -> None:
    write_styles(write_models(tmp_path) / "kokoro/voices-v1.bin", "af_heart")
    assert [voice.id for voice in list_model_voices(settings_with(tmp_path))] == [
        "piper:amy",
        "kokoro:af_heart",
    ]


def test_nothing_is_listed_without_packages_or_without_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_models(tmp_path)
    assert list_model_voices(settings_with(None)) == []
    assert list_model_voices(settings_with(tmp_path / "absent")) == []
    monkeypatch.setattr("sayna.providers.local.models.find_spec", lambda name: None)
    assert list_model_voices(settings_with(tmp_path)) == []
