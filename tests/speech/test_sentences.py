import random
import time

import pytest

from sayna.speech.sentences import MAX_SENTENCE_CHARS, SentenceCutter


def sentences(*pieces: str, finish: bool = True) -> list[str]:
    cutter = SentenceCutter()
    found: list[str] = []
    for piece in pieces:
        cutter.feed(piece)
        found += iter(cutter.next_sentence, None)
    if finish:
        cutter.finish()
        found += iter(cutter.next_sentence, None)
    return found


def test_a_sentence_is_complete_once_a_blank_follows_it() -> None:
    assert sentences("It is so.", finish=False) == []
    assert sentences("It is so.", " ", finish=False) == ["It is so."]
    assert sentences("It is", " so. Is it", " not?\nYes", finish=False) == [
        "It is so.",
        "Is it not?",
    ]


def test_what_is_left_at_the_end_is_complete() -> None:
    assert sentences("One. T", "wo") == ["One.", "Two"]
    assert sentences(" \n ") == sentences() == []


@pytest.mark.parametrize(
    "sentence",
    [
        "It is 3.14 metres.",
        "Bring fruit, e.g. apples!",
        "The U.S. team and J. Smith won.",
        "Ask Dr. Who (and Mrs. Who) about it…",
        "1. Wash it.",
        "z. B. so?",
        "... And then it rained.",
        "He said “It is so.”",
    ],
)
def test_a_sentence_is_not_torn(sentence: str) -> None:
    assert sentences(f"{sentence} Then he left.") == [sentence, "Then he left."]


def test_a_year_or_a_number_ends_a_sentence_that_it_does_not_begin() -> None:
    assert sentences("It was 1999. Then") == ["It was 1999.", "Then"]


def test_letters_that_are_spelled_end_a_sentence() -> None:
    assert sentences("They use A I. Then") == ["They use A I.", "Then"]


def test_full_stops_that_need_no_blank_end_sentences_at_once() -> None:
    assert sentences("文です。長い", finish=False) == ["文です。"]


def test_marks_without_a_word_are_said_with_what_follows_or_alone_or_not_at_all() -> None:
    assert sentences("! Yes. ") == ["! Yes."]
    assert sentences("?!") == ["?!"]
    assert sentences("Yes. ...") == ["Yes."]


def test_a_text_without_an_end_is_cut_at_a_clause_else_between_words() -> None:
    words = "word " * 50
    clause = f"{words}and, "
    assert sentences(clause + "more " * 20, finish=False) == [clause.strip()]
    [cut] = sentences("word " * 70, finish=False)
    assert MAX_SENTENCE_CHARS - 5 <= len(cut) <= MAX_SENTENCE_CHARS
    assert [len(one) for one in sentences("x" * 650)] == [300, 300, 50]


def test_no_text_is_lost_wherever_the_pieces_are_cut() -> None:
    chance = random.Random(4)  # noqa: S311 - no secret
    for _ in range(500):
        text = "".join(chance.choices("ab1 .,!?\n\"'。é", k=chance.randrange(900)))
        pieces: list[str] = []
        at = 0
        while at < len(text):
            pieces.append(text[at : (at := at + chance.randint(1, 40))])
        found = sentences(*pieces)
        assert found == sentences(text)
        assert all(one == one.strip() and len(one) <= MAX_SENTENCE_CHARS + 1 for one in found)
        said, asked = "".join("".join(found).split()), "".join(text.split())
        assert asked.startswith(said)
        assert not any(char.isalnum() for char in asked[len(said) :])


def test_a_text_made_to_be_slow_to_cut_is_not() -> None:
    began = time.process_time()
    for text in ("." * 20_000, "a. " * 7_000, ". " * 10_000, '."' + '"' * 20_000):
        sentences(text)
        sentences(*text)
        sentences(*(text[at : at + 20] for at in range(0, len(text), 20)))
    assert time.process_time() - began < 2
