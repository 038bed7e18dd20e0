from dataclasses import asdict

from sayna.speech.protocols import Voice


def test_a_voice_says_unknown_where_nothing_is_known_and_never_null() -> None:
    assert asdict(Voice("en-us", "English")) == {
        "id": "en-us",
        "name": "English",
        "language": "Unknown",
        "accent": "Unknown",
        "gender": "Unknown",
        "sample": "",
    }
