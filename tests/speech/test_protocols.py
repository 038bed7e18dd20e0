from dataclasses import asdict

from sayna.speech.options import SynthesizerOptions
from sayna.speech.protocols import Versioned, Voice, max_text_chars_of, speech_version_of
from tests.fakes.scripted import ScriptedProvider, ScriptedSynthesizer

OPTIONS = SynthesizerOptions("scripted")


def test_a_voice_says_unknown_where_nothing_is_known_and_never_null() -> None:
    assert asdict(Voice("en-us", "English")) == {
        "id": "en-us",
        "name": "English",
        "language": "Unknown",
        "accent": "Unknown",
        "gender": "Unknown",
        "sample": "",
    }


class Dated(ScriptedSynthesizer):
    def __init__(self, version: str | None) -> None:
        super().__init__(ScriptedProvider(), OPTIONS)
        self.speech_version = version


def test_a_synthesizer_may_but_need_not_know_its_version() -> None:
    plain = ScriptedSynthesizer(ScriptedProvider(), OPTIONS)
    assert isinstance(Dated("2026"), Versioned)
    assert not isinstance(plain, Versioned)
    versions = [speech_version_of(one) for one in (Dated("2026"), Dated(None), plain)]
    assert versions == ["2026", None, ""]


def test_a_synthesizer_may_but_need_not_say_how_much_text_it_takes() -> None:
    limited = ScriptedSynthesizer(ScriptedProvider(), OPTIONS)
    assert max_text_chars_of(limited) is None
    limited._provider.max_text_chars = 7
    assert max_text_chars_of(limited) == 7

    class Plain:
        audio_format = limited.audio_format
        speak = limited.speak

    assert max_text_chars_of(Plain()) is None
