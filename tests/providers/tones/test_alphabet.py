import pytest
from hypothesis import given
from hypothesis import strategies as st

from sayna.providers.tones.alphabet import (
    MAX_PIECE_BYTES,
    MAX_TEXT_BYTES,
    Piece,
    parse_piece,
    piece_bytes,
    spell,
)


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_every_text_is_spelled_and_read_again(word: str) -> None:
    pieces = [parse_piece(piece) for piece in spell(word)]
    assert "".join(piece.text for piece in pieces if piece) == word
    assert [piece.goes_on for piece in pieces if piece] == [True] * (len(pieces) - 1) + [False]


@given(st.text("aé日🎉", min_size=1, max_size=200))
def test_a_piece_tells_its_length_by_its_first_byte_and_keeps_to_the_limit(word: str) -> None:
    for piece in spell(word):
        assert piece_bytes(piece[0]) == len(piece) <= MAX_PIECE_BYTES


def test_a_long_word_is_cut_between_characters() -> None:
    pieces = [parse_piece(piece) for piece in spell("日" * 30)]
    assert pieces == [Piece("日" * 21, True), Piece("日" * 9, False)]
    assert len("日".encode()) * 21 <= MAX_TEXT_BYTES


@given(st.integers(0, 7), st.data())
def test_any_wrong_bit_is_noticed(bit: int, data: st.DataObject) -> None:
    piece = bytearray(spell("Grüße,")[0])
    piece[data.draw(st.integers(0, len(piece) - 1))] ^= 1 << bit
    assert parse_piece(bytes(piece)) is None


def test_repeated_letters_are_different_bytes() -> None:
    assert len(set(spell("aaaaaaaa")[0][1:9])) > 4


@pytest.mark.parametrize("length", [0, MAX_TEXT_BYTES + 1, 127])
def test_an_impossible_length_begins_no_piece(length: int) -> None:
    one = spell("a")[0][0]  # its text has one byte
    assert piece_bytes(one ^ 1 ^ length) is None


def test_what_utf_8_cannot_say_becomes_a_question_mark() -> None:
    assert parse_piece(spell("a\ud800b")[0]) == Piece("a?b", False)


def test_a_text_that_is_no_utf_8_is_refused_even_with_the_right_checksum() -> None:
    three = zip(spell("é")[0], spell("ab")[0], spell("cd")[0], strict=True)
    together = bytes(one ^ two ^ other for one, two, other in three)  # CRC is linear: it is right
    assert piece_bytes(together[0]) == len(together)
    assert parse_piece(together) is None
    valid = zip(spell("ef")[0], spell("ab")[0], spell("cd")[0], strict=True)
    assert parse_piece(bytes(one ^ two ^ other for one, two, other in valid)) is not None
