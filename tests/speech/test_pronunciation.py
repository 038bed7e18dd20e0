import random
import time
import tracemalloc
from itertools import pairwise

import pytest

from sayna.speech.options import Pronunciation
from sayna.speech.pronunciation import (
    MAX_RULE_CHARS,
    MAX_RULES,
    Pronouncer,
    PronunciationsRefused,
)


def said(text: str, *rules: tuple[str, str]) -> str:
    return Pronouncer([Pronunciation(word, spoken) for word, spoken in rules]).apply(text)


@pytest.mark.parametrize(
    ("text", "rule", "spoken"),
    [
        ("an API call", ("API", "A P I"), "an A P I call"),
        ("API, API.", ("API", "A P I"), "A P I, A P I."),
        ("APIs and xAPI", ("API", "A P I"), "APIs and xAPI"),
        ("an api call", ("API", "A P I"), "an api call"),
        ("I use C++ daily", ("C++", "see plus plus"), "I use see plus plus daily"),
        ("C++20", ("C++", "see plus plus "), "see plus plus 20"),
        ("ABC++", ("C++", "see plus plus"), "ABC++"),
        ("on .NET and ASP.NET", (".NET", " dot net"), "on  dot net and ASP dot net"),
        (".NETs", (".NET", "dot net"), ".NETs"),
        ("New York", ("New York", "the big apple"), "the big apple"),
        ("naïve Ünal", ("Ünal", "oo-nahl"), "naïve oo-nahl"),
        ("a_b", ("a", "x"), "a_b"),
    ],
)
def test_a_word_is_replaced_where_it_is_whole(
    text: str, rule: tuple[str, str], spoken: str
) -> None:
    assert said(text, rule) == spoken


@pytest.mark.parametrize("spoken", ["$5", r"\1", r"\g<0>", "$1.00 \\"])
def test_a_replacement_is_taken_literally(spoken: str) -> None:
    assert said("it costs X", ("X", spoken)) == f"it costs {spoken}"


def test_what_a_rule_says_is_pronounced_by_the_rules_behind_it() -> None:
    assert said("a b", ("a", "b"), ("b", "c")) == "c c"
    assert said("AI and I", ("AI", "A I"), ("I", "eye")) == "A eye and eye"


def test_what_a_rule_says_is_not_pronounced_by_itself_or_the_rules_before_it() -> None:
    assert said("a b", ("b", "c"), ("a", "b a")) == "b a c"


def test_rules_that_multiply_each_other_are_refused() -> None:
    rules = [Pronunciation(f"w{n}", f"w{n + 1} " * 30) for n in range(4)]
    with pytest.raises(PronunciationsRefused, match="grow to"):
        Pronouncer(rules)


def test_the_longest_word_wins_wherever_it_is_listed() -> None:
    rules = (("New", "old"), ("New York", "NYC"))
    assert said("New York, New Jersey", *rules) == "NYC, old Jersey"
    assert said("New York, New Jersey", *reversed(rules)) == "NYC, old Jersey"


def test_the_first_of_equal_words_wins() -> None:
    assert said("SQL", ("SQL", "sequel"), ("SQL", "S Q L")) == "sequel"


def test_an_empty_word_is_ignored() -> None:
    assert said("hello", ("", "x")) == "hello"


def test_a_word_may_be_made_silent() -> None:
    assert said("well um yes", ("um", "")) == "well  yes"


def test_without_rules_the_text_is_the_same() -> None:
    assert said("hello $1 \\") == "hello $1 \\"


def test_words_and_marks_are_found_side_by_side() -> None:
    rules = (("C", "sea"), ("C++", "see plus plus"), (".NET", "dot net"), ("+", "and"))
    assert said("C++ C + .NET", *rules) == "see plus plus sea and dot net"


def test_a_thousand_rules_are_enough() -> None:
    rules = [(f"word{number}", str(number)) for number in range(MAX_RULES)]
    assert said("word7 word999 word1000", *rules) == "7 999 word1000"
    with pytest.raises(PronunciationsRefused, match="at most 1000 pronunciations fit, not 1001"):
        said("x", *rules, ("one", "more"))


@pytest.mark.parametrize("rule", [("x" * 201, "y"), ("x", "y" * 201)])
def test_a_rule_of_endless_length_is_refused(rule: tuple[str, str]) -> None:
    assert said("x", ("x" * MAX_RULE_CHARS, "y" * MAX_RULE_CHARS)) == "x"
    with pytest.raises(PronunciationsRefused, match="not 201"):
        said("x", rule)


def test_rules_and_a_text_made_to_be_slow_together_are_not() -> None:
    words = [f"{'+' * (number % 190 + 1)}!{number}" for number in range(MAX_RULES)]
    text = "+" * 20_000
    began = time.process_time()
    pronouncer = Pronouncer([Pronunciation(word, "+" * MAX_RULE_CHARS) for word in words])
    assert pronouncer.apply(text) == text
    assert "".join(said_in_pieces(pronouncer, *text)) == text
    assert time.process_time() - began < 2


def test_rules_leave_nothing_behind() -> None:
    def endless_words(start: str) -> list[Pronunciation]:
        return [Pronunciation(f"{start}{number:0>190}", "x") for number in range(MAX_RULES)]

    Pronouncer(endless_words("a"))
    other = endless_words("b")
    tracemalloc.start()
    try:
        Pronouncer(other)
        kept, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 10_000
    assert peak < 1_000_000


def said_in_pieces(pronouncer: Pronouncer, *pieces: str) -> list[str]:
    piecewise = pronouncer.apply_to_pieces()
    return [piecewise.feed(piece) for piece in pieces] + [piecewise.finish()]


RULES = Pronouncer(
    [
        Pronunciation("AI", "A I"),
        Pronunciation("New York", "NYC"),
        Pronunciation("C", "sea"),
        Pronunciation("C++", "see plus plus"),
    ]
)


@pytest.mark.parametrize(
    ("pieces", "said"),
    [
        (("ask A", "I", " now"), ["ask ", "", "A I now", ""]),
        (("ask AI", "M now"), ["ask ", "AIM now", ""]),
        (("ask AI",), ["ask ", "A I"]),
        (("x", "AI", "."), ["x", "AI", ".", ""]),
        (("New", " ", "York", ","), ["", "", "", "NYC,", ""]),
        (("New", " Jersey"), ["", "New Jersey", ""]),
        (("C", "+", "+", "!"), ["", "", "see plus plus", "!", ""]),
        (("C", "+", "1"), ["", "", "sea+1", ""]),
    ],
)
def test_a_word_is_found_over_the_edges_of_pieces(pieces: tuple[str, ...], said: list[str]) -> None:
    assert said_in_pieces(RULES, *pieces) == said


def test_only_what_may_be_part_of_a_word_is_held_back() -> None:
    assert said_in_pieces(RULES, "some", "thing wor", "ld") == ["some", "thing wor", "ld", ""]
    assert said_in_pieces(Pronouncer([]), "A", "I") == ["A", "I", ""]


def test_pieces_sound_like_the_whole_text_wherever_they_are_cut() -> None:
    chance = random.Random(9)  # noqa: S311 - no secret
    for _ in range(2000):
        words = ["".join(chance.choices("ab+. ", k=chance.randint(1, 4))) for _ in range(4)]
        pronouncer = Pronouncer([Pronunciation(word, f"<{word}>") for word in words])
        text = "".join(chance.choices("ab+. ", k=chance.randrange(30)))
        cuts = [0, *sorted(chance.choices(range(len(text) + 1), k=4)), len(text)]
        pieces = [text[start:end] for start, end in pairwise(cuts)]
        assert "".join(said_in_pieces(pronouncer, *pieces)) == pronouncer.apply(text)
