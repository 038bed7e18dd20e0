from dataclasses import asdict

from sayna.speech.options import SynthesizerOptions
from sayna.speech.protocols import Versioned, Voice
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


def test_a_synthesizer_may_but_need_not_know_its_version() -> None:
    class Dated:
        speech_version = "2026"

    assert isinstance(Dated(), Versioned)
    assert not isinstance(ScriptedSynthesizer(ScriptedProvider(), OPTIONS), Versioned)
