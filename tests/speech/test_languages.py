import pytest

from sayna.speech.languages import accent_name, language_name


@pytest.mark.parametrize(
    ("code", "language", "accent"),
    [
        ("en-US", "English", "American"),
        ("en_gb", "English", "British"),
        ("nb-NO", "Norwegian Bokmål", "Norwegian"),
        ("cmn-CN", "Chinese", "Mainland China"),
        ("de", "German", "Standard"),
        ("en-029", "English", "029"),
        ("en-gb-scotland", "English", "British"),
        ("tlh-XX", "tlh-XX", "XX"),
    ],
)
def test_a_code_has_a_language_and_an_accent(code: str, language: str, accent: str) -> None:
    assert (language_name(code), accent_name(code)) == (language, accent)
