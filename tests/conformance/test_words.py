import pytest

from sayna.conformance.words import count_errors, is_heard, words_of


def test_case_and_punctuation_do_not_count() -> None:
    assert words_of("  Please, OPEN the door! It\u2019s late. ") == [
        *("please", "open", "the", "door", "it's", "late")
    ]


@pytest.mark.parametrize(
    ("heard", "errors"),
    [
        ("open the front door", 0),
        ("open the door", 1),
        ("open the the front door", 1),
        ("open a front door", 1),
        ("front door open the", 4),
        ("", 4),
        ("something else", 4),
    ],
)
def test_each_word_missing_wrong_or_too_many_is_an_error(heard: str, errors: int) -> None:
    assert count_errors(["open", "the", "front", "door"], heard.split()) == errors


def test_the_allowed_share_decides() -> None:
    assert is_heard("open the front door", "Open the door.", 0.25)
    assert not is_heard("open the front door", "Open the door.", 0.2)
