from pathlib import Path

import pytest

from sayna.errors import ProviderMisconfigured
from sayna.providers.local.options import (
    BUNDLED_GRAMMARS,
    MAX_NAME_CHARS,
    Listening,
    Mode,
    parse_listening,
    require,
    require_english,
    wanted_voice,
    words_per_minute,
)
from sayna.speech.options import SynthesizerOptions


@pytest.mark.parametrize("model", ["", "pocketsphinx"])
def test_without_a_grammar_everything_is_listened_for(model: str) -> None:
    assert parse_listening(model, None) == Listening(Mode.DICTATION)


@pytest.mark.parametrize("model", ["grammar:demo", "pocketsphinx:grammar:demo"])
def test_the_demo_grammar_is_there_without_any_setting(model: str) -> None:
    assert parse_listening(model, None) == Listening(Mode.GRAMMAR, BUNDLED_GRAMMARS / "demo.gram")


@pytest.mark.parametrize(
    ("model", "file"),
    [
        ("grammar:menu", "menu.jsgf"),
        ("grammar:menu", "menu.gram"),
        ("keyphrases:wake", "wake.kws"),
        ("pocketsphinx:keyphrases:wake", "wake.keyphrases"),
        ("grammar:my menu.v2", "my menu.v2.gram"),
    ],
)
def test_files_are_found_in_the_operators_folder(tmp_path: Path, model: str, file: str) -> None:
    (tmp_path / file).touch()
    assert parse_listening(model, tmp_path).path == tmp_path / file


@pytest.mark.parametrize(
    "name", ["../demo", "a/b", "a\\b", "", ".hidden", "a\0b", "a\nb", "ü" * 61, "x" * 1_000_000]
)
def test_a_name_cannot_leave_the_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(ProviderMisconfigured, match="plain file name"):
        parse_listening(f"grammar:{name}", tmp_path)


def test_a_missing_file_is_named_with_its_cure_and_without_its_path(tmp_path: Path) -> None:
    with pytest.raises(ProviderMisconfigured) as caught:
        parse_listening("grammar:menu", tmp_path)
    assert "menu.gram or menu.jsgf" in caught.value.detail
    assert "LOCAL_GRAMMARS_PATH" in caught.value.detail
    assert str(tmp_path) not in caught.value.detail


@pytest.mark.parametrize("model", ["nova-3", "grammar", "phrases:x", "deepgram:nova"])
def test_an_unknown_model_is_told_the_known_ones(model: str) -> None:
    with pytest.raises(ProviderMisconfigured, match=r"'grammar:NAME'.*'vosk:NAME'"):
        parse_listening(model, None)


@pytest.mark.parametrize("language", ["en", "en-US", "en_GB", "EN-us", ""])
def test_english_is_understood(language: str) -> None:
    require_english(language)


@pytest.mark.parametrize("language", ["de-DE", "es", "enm"])
def test_another_language_is_refused_with_a_way_out(language: str) -> None:
    with pytest.raises(ProviderMisconfigured, match=f"{language}.*vosk:NAME"):
        require_english(language)


@pytest.mark.parametrize(
    ("voice_id", "model", "wanted"),
    [
        (None, "", "en-us"),
        ("", "", "en-us"),
        (None, "espeak", "en-us"),
        ("en-gb+f3", "espeak", "en-gb+f3"),
        (None, "de", "de"),
        ("piper:amy", "", "piper:amy"),
    ],
)
def test_the_voice_is_the_voice_id_or_else_the_model(
    voice_id: str | None, model: str, wanted: str
) -> None:
    assert wanted_voice(SynthesizerOptions("local", model, voice_id)) == wanted


@pytest.mark.parametrize(
    ("rate", "words"),
    [(1.0, 175), (0.5, 88), (2.0, 350), (0.01, 80), (99.0, 450), (0.0, 175), (-3.0, 175)],
)
def test_a_speaking_rate_becomes_words_per_minute(rate: float, words: int) -> None:
    assert words_per_minute(rate) == words


@pytest.mark.parametrize("rate", [float("inf"), 1e300])
def test_no_rate_is_too_large_to_be_clamped(rate: float) -> None:
    assert words_per_minute(rate) == 450


def test_a_missing_package_is_named_with_its_extra() -> None:
    with pytest.raises(
        ProviderMisconfigured, match=r"no_such_engine.*pip install 'sayna\[local\]'"
    ):
        require("no_such_engine", "speech")


def test_the_longest_name_is_one_that_file_systems_take(tmp_path: Path) -> None:
    with pytest.raises(ProviderMisconfigured, match="there is no"):
        parse_listening(f"grammar:{'漢' * MAX_NAME_CHARS}", tmp_path)
