import pytest

from sayna.speech.events import Transcript
from sayna.turns.open_turn import MAX_TURN_CHARS, OpenTurn, TurnEnd, TurnLimits

FORCED = Transcript("", is_final=True, is_speech_final=True, confidence=1.0)


def interim(text: str) -> Transcript:
    return Transcript(text, confidence=0.5)


def final(text: str) -> Transcript:
    return Transcript(text, is_final=True, confidence=0.9)


def speech_final(text: str) -> Transcript:
    return Transcript(text, is_final=True, is_speech_final=True, confidence=0.9)


def test_interims_and_finals_are_told_as_they_came() -> None:
    turn = OpenTurn(TurnLimits())
    assert turn.take(interim("a"), 0.0) == interim("a")
    assert turn.take(final("a b"), 0.1) == final("a b")


def test_a_final_without_text_says_nothing_and_starts_no_wait() -> None:
    turn = OpenTurn(TurnLimits())
    assert turn.take(final("  "), 0.0) is None
    assert turn.due_at() is None


def test_a_final_without_text_does_not_prolong_a_wait() -> None:
    turn = OpenTurn(TurnLimits())
    turn.take(final("a"), 0.0)
    turn.take(final(""), 1.0)
    assert turn.due_at() == 1.8


def test_a_speech_final_tells_the_text_of_the_whole_turn_joined_with_single_blanks() -> None:
    turn = OpenTurn(TurnLimits())
    turn.take(final(" book a "), 0.0)
    turn.take(final("table"), 1.0)
    ended = turn.take(speech_final("for two"), 1.5)
    assert ended == TurnEnd(speech_final("for two"), "book a table for two")
    assert turn.due_at() is None


def test_a_speech_final_without_text_ends_the_turn_all_the_same() -> None:
    turn = OpenTurn(TurnLimits())
    turn.take(final("yes"), 0.0)
    assert turn.take(speech_final(""), 0.4) == TurnEnd(speech_final(""), "yes")
    assert turn.due_at() is None


def test_the_next_turn_starts_without_the_text_of_the_last_one() -> None:
    turn = OpenTurn(TurnLimits())
    turn.take(speech_final("one"), 0.0)
    assert turn.take(speech_final("two"), 1.0) == TurnEnd(speech_final("two"), "two")


def test_an_end_that_is_not_final_counts_as_an_end() -> None:
    turn = OpenTurn(TurnLimits())
    ended = turn.take(Transcript("x", is_speech_final=True), 0.0)
    assert ended == TurnEnd(Transcript("x", is_speech_final=True), "x")


def test_each_final_starts_the_wait_again() -> None:
    turn = OpenTurn(TurnLimits())
    turn.take(final("a"), 0.0)
    turn.take(final("b"), 1.0)
    assert turn.due_at() == 2.8


def test_an_interim_with_new_words_starts_the_wait_again() -> None:
    turn = OpenTurn(TurnLimits())
    turn.take(final("a"), 0.0)
    turn.take(interim("b"), 1.7)
    assert turn.due_at() == 3.5


@pytest.mark.parametrize("text", ["", "  ", "b", " b "])
def test_an_interim_that_says_nothing_new_does_not(text: str) -> None:
    turn = OpenTurn(TurnLimits())
    turn.take(final("a"), 0.0)
    turn.take(interim("b"), 0.5)
    turn.take(interim(text), 1.5)
    assert turn.due_at() == 2.3


def test_interims_alone_wait_for_nothing() -> None:
    turn = OpenTurn(TurnLimits())
    turn.take(interim("a"), 0.0)
    assert turn.due_at() is None


def test_the_shorter_of_both_waits_counts() -> None:
    turn = OpenTurn(TurnLimits(provider_wait_ms=9000, hard_limit_ms=5000))
    turn.take(final("a"), 1.0)
    assert turn.due_at() == 6.0


def test_a_forced_end_has_no_text_but_tells_the_turn() -> None:
    turn = OpenTurn(TurnLimits())
    turn.take(final("a"), 0.0)
    turn.take(final("b"), 0.2)
    assert turn.force(2.0) == TurnEnd(FORCED, "a b")
    assert turn.due_at() is None


def test_a_forced_end_has_the_text_twice_when_it_is_wished_so() -> None:
    turn = OpenTurn(TurnLimits(), fill_forced=True)
    turn.take(final("a"), 0.0)
    assert turn.force(1.8) == TurnEnd(FORCED._replace(text="a"), "a")


@pytest.mark.parametrize("text", ["b", "a b", "ab", "", " b "])
@pytest.mark.parametrize(("after_s", "repeats"), [(0.0, True), (0.499, True), (0.5, False)])
def test_the_recognizers_own_end_repeats_a_forced_one(
    text: str, after_s: float, repeats: bool
) -> None:
    turn = OpenTurn(TurnLimits())
    turn.take(final("a"), 0.0)
    turn.take(final("b"), 0.0)
    turn.force(2.0)
    assert (turn.take(speech_final(text), 2.0 + after_s) is None) is repeats


def test_a_repetition_may_come_twice() -> None:
    turn = OpenTurn(TurnLimits())
    turn.take(final("a"), 0.0)
    turn.force(1.8)
    assert turn.take(speech_final("a"), 1.95) is None
    assert turn.take(speech_final("a"), 2.05) is None


def test_an_end_with_other_words_is_no_repetition() -> None:
    turn = OpenTurn(TurnLimits())
    turn.take(final("one"), 0.0)
    turn.force(1.8)
    assert turn.take(speech_final("two"), 2.0) == TurnEnd(speech_final("two"), "two")


def test_an_end_behind_a_new_final_is_no_repetition() -> None:
    turn = OpenTurn(TurnLimits())
    turn.take(final("a"), 0.0)
    turn.force(1.8)
    turn.take(final("b"), 1.9)
    assert turn.take(speech_final(""), 2.0) == TurnEnd(speech_final(""), "b")


def test_words_after_a_forced_end_wait_anew() -> None:
    turn = OpenTurn(TurnLimits())
    turn.take(final("same"), 0.0)
    turn.force(1.8)
    turn.take(speech_final("same"), 2.0)
    turn.take(final("same"), 2.2)
    assert turn.due_at() == 4.0
    assert turn.force(4.0).turn_text == "same"


def test_a_turn_without_an_end_keeps_its_latest_words_only() -> None:
    turn = OpenTurn(TurnLimits())
    for number in range(30):
        turn.take(final(f"{number:05d}" * 1000), float(number))
    text = turn.force(40.0).turn_text
    assert text is not None
    assert MAX_TURN_CHARS <= len(text) <= MAX_TURN_CHARS + 20
    assert text.endswith("00029")
