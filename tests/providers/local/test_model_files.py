"""Which files make up a model, and what is said when they do not."""

from pathlib import Path

import pytest

from sayna.errors import ProviderMisconfigured
from sayna.providers.local.model_files import (
    SETTING,
    check_name,
    find_kokoro,
    find_piper,
    find_sherpa,
    find_vosk,
    find_whisper,
)
from tests.providers.local.models_folder import write_files, write_models

FINDERS = [find_vosk, find_whisper, find_sherpa, find_piper, find_kokoro]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_models(tmp_path / "models")


def test_complete_models_are_found(folder: Path) -> None:
    assert dict(find_vosk(folder, "small")) == {"folder": str(folder / "small")}
    assert dict(find_whisper(folder, "tiny")) == {"folder": str(folder / "tiny")}
    assert set(dict(find_sherpa(folder, "transducer"))) == {
        "tokens", "encoder", "decoder", "joiner",
    }  # fmt: skip
    assert dict(find_piper(folder, "amy")) == {
        "model": str(folder / "amy.onnx"),
        "config": str(folder / "amy.onnx.json"),
    }
    assert dict(find_kokoro(folder, "af_heart"))["voices"].endswith("kokoro/voices-v1.bin")


@pytest.mark.parametrize("find", FINDERS)
def test_an_unset_folder_is_named(find: object) -> None:
    assert callable(find)
    with pytest.raises(ProviderMisconfigured, match=f"set {SETTING}"):
        find(None, "name")


@pytest.mark.parametrize("find", FINDERS)
def test_a_missing_folder_is_named_by_its_last_parts(find: object, tmp_path: Path) -> None:
    assert callable(find)
    with pytest.raises(ProviderMisconfigured, match="lib/nowhere does not exist") as caught:
        find(tmp_path / "var/lib/nowhere", "name")
    assert str(tmp_path) not in str(caught.value)


@pytest.mark.parametrize("find", FINDERS)
@pytest.mark.parametrize(
    "name", ["", ".", "..", "../small", "a/b", "a\\b", "C:x", ".hidden", "a\0b", "a\nb", "a" * 129]
)
def test_a_name_cannot_reach_elsewhere(find: object, name: str, folder: Path) -> None:
    assert callable(find)
    with pytest.raises(ProviderMisconfigured, match="is not a name"):
        find(folder, name)


@pytest.mark.parametrize(
    ("find", "expected"),
    [
        (find_vosk, "am/final.mdl, conf/, graph/"),
        (find_whisper, "model.bin, config.json, tokenizer.json"),
        (find_sherpa, "tokens.txt"),
        (find_piper, "absent.onnx and absent.onnx.json"),
    ],
)
def test_an_absent_model_is_answered_with_the_files_expected(
    find: object, expected: str, folder: Path
) -> None:
    assert callable(find)
    with pytest.raises(ProviderMisconfigured) as caught:
        find(folder, "absent")
    assert expected in str(caught.value)
    assert "'absent'" in str(caught.value)
    assert SETTING in str(caught.value)


def test_what_an_incomplete_model_lacks_is_listed(folder: Path) -> None:
    (folder / "small/am/final.mdl").unlink()
    with pytest.raises(ProviderMisconfigured, match=r"models/small in .* lacks am/final.mdl"):
        find_vosk(folder, "small")
    (folder / "tiny/tokenizer.json").unlink()
    (folder / "tiny/vocabulary.txt").unlink()
    with pytest.raises(ProviderMisconfigured, match=r"lacks tokenizer.json, vocabulary.json or"):
        find_whisper(folder, "tiny")
    (folder / "transducer/tokens.txt").unlink()
    (folder / "transducer/decoder-1.onnx").unlink()
    with pytest.raises(ProviderMisconfigured, match=r"lacks tokens.txt, decoder\*.onnx"):
        find_sherpa(folder, "transducer")
    (folder / "amy.onnx.json").unlink()
    with pytest.raises(ProviderMisconfigured, match=r"lacks amy.onnx.json"):
        find_piper(folder, "amy")
    (folder / "kokoro/voices-v1.bin").unlink()
    with pytest.raises(ProviderMisconfigured, match=r"kokoro\*.onnx and voices\*.bin"):
        find_kokoro(folder, "af_heart")


def test_a_folder_without_any_onnx_file_is_no_sherpa_model(folder: Path) -> None:
    write_files(folder / "empty", {"tokens.txt": ""})
    with pytest.raises(ProviderMisconfigured, match=r"lacks \*.onnx"):
        find_sherpa(folder, "empty")


def test_the_8_bit_file_is_preferred(folder: Path) -> None:
    write_files(folder / "transducer", {"encoder-1.int8.onnx": ""})
    assert dict(find_sherpa(folder, "transducer"))["encoder"].endswith("encoder-1.int8.onnx")


def test_a_single_onnx_file_with_tokens_is_a_ctc_model(folder: Path) -> None:
    write_files(folder / "ctc", {"tokens.txt": "", "model.onnx": ""})
    assert set(dict(find_sherpa(folder, "ctc"))) == {"tokens", "model"}


def test_a_piper_voice_may_have_a_folder_and_be_named_with_its_suffix(folder: Path) -> None:
    write_files(folder / "bob", {"bob.onnx": "", "bob.onnx.json": ""})
    assert find_piper(folder, "bob") == find_piper(folder, "bob.onnx")


def test_kokoro_files_may_lie_in_the_folder_itself(tmp_path: Path) -> None:
    write_files(tmp_path, {"kokoro.int8.onnx": "", "voices.bin": ""})
    assert dict(find_kokoro(tmp_path, "af_heart"))["model"] == str(tmp_path / "kokoro.int8.onnx")


def test_an_ordinary_name_is_returned_as_it_is() -> None:
    assert check_name("vosk-model-small-en-us-0.15", "a model") == "vosk-model-small-en-us-0.15"
