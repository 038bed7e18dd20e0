"""How a text is cut for voices that speak sentence by sentence."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sayna.providers.local.sentences import MAX_SENTENCE_CHARS, sentences


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello.", ["Hello."]),
        ("Hello. How are you?  Fine!", ["Hello.", "How are you?", "Fine!"]),
        ('He said "Stop." Then he left.', ['He said "Stop."', "Then he left."]),
        ("It costs 3.50 dollars.", ["It costs 3.50 dollars."]),
        ("One line\nanother line", ["One line", "another line"]),
        ("\u4f60\u597d\u3002\u518d\u89c1\u3002", ["\u4f60\u597d\u3002", "\u518d\u89c1\u3002"]),
        ("... !? -", []),
        ("", []),
    ],
)
def test_a_text_is_cut_at_its_sentences(text: str, expected: list[str]) -> None:
    assert list(sentences(text)) == expected


def test_a_long_sentence_is_cut_at_a_pause() -> None:
    text = ", ".join(["a clause of some words"] * 40)
    pieces = list(sentences(text))
    assert len(pieces) > 1
    assert all(piece.endswith(",") for piece in pieces[:-1])
    assert " ".join(pieces) == text


def test_a_word_without_end_is_cut_anywhere() -> None:
    assert [len(piece) for piece in sentences("a" * 700)] == [300, 300, 100]


@given(st.text(alphabet="ab .,!?\n;\u3002", max_size=2_000))
def test_no_letter_is_lost_and_no_piece_is_too_long(text: str) -> None:
    pieces = list(sentences(text))
    assert [char for piece in pieces for char in piece if char.isalpha()] == [
        char for char in text if char.isalpha()
    ]
    assert all(0 < len(piece) <= MAX_SENTENCE_CHARS for piece in pieces)
