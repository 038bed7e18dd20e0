from hypothesis import given
from hypothesis import strategies as st

from sayna.providers.tones.demodulator import Word
from sayna.providers.tones.phrase import MAX_WORDS, Phrase
from sayna.speech.events import Transcript

MS = 8


def interim(text: str) -> Transcript:
    return Transcript(text, confidence=1.0)


def final(text: str, *, speech: bool = False) -> Transcript:
    return Transcript(text, True, speech, 1.0)


def test_each_word_is_an_interim_of_the_segment() -> None:
    phrase = Phrase(300, 800)
    assert phrase.hear(Word("open", 0, 100)) == [interim("open")]
    assert phrase.hear(Word("the", 200, 300)) == [interim("open the")]


def test_a_gap_makes_it_final_and_a_longer_one_ends_the_speech() -> None:
    phrase = Phrase(300, 800)
    phrase.hear(Word("open", 0, 100 * MS))
    assert phrase.be_quiet(399 * MS) == []
    assert phrase.be_quiet(400 * MS) == [final("open")]
    assert phrase.be_quiet(899 * MS) == []
    assert phrase.be_quiet(900 * MS) == [final("", speech=True)]
    assert phrase.be_quiet(99_000 * MS) == []


def test_the_next_word_brings_what_the_gap_before_it_means() -> None:
    phrase = Phrase(300, 800)
    phrase.hear(Word("one", 0, 0))
    assert phrase.hear(Word("two", 300 * MS, 310 * MS)) == [final("one"), interim("two")]
    assert phrase.hear(Word("three", 1_110 * MS, 1_120 * MS)) == [
        final("two"),
        final("", speech=True),
        interim("three"),
    ]


def test_equal_gaps_make_one_result() -> None:
    phrase = Phrase(500, 500)
    phrase.hear(Word("one", 0, 0))
    assert phrase.be_quiet(500 * MS) == [final("one", speech=True)]


def test_the_end_closes_what_is_open_and_only_that() -> None:
    phrase = Phrase(300, 800)
    assert phrase.end() == []
    phrase.hear(Word("one", 0, 0))
    assert phrase.end() == [final("one", speech=True)]
    assert phrase.end() == []
    phrase.hear(Word("two", 8_000, 8_100))
    phrase.be_quiet(8_100 + 300 * MS)
    assert phrase.end() == [final("", speech=True)]


def test_nothing_heard_ends_no_speech() -> None:
    assert Phrase(300, 800).be_quiet(10_000 * MS) == []


def test_a_segment_has_a_limit() -> None:
    phrase = Phrase(300, 800)
    told = [phrase.hear(Word("a", at, at)) for at in range(MAX_WORDS + 1)]
    assert told[MAX_WORDS - 1] == [final(" ".join("a" * MAX_WORDS))]
    assert told[MAX_WORDS] == [interim("a")]


@given(st.lists(st.integers(0, 2_000), min_size=1, max_size=30), st.integers(1, 500))
def test_looking_more_often_changes_nothing(gaps: list[int], every: int) -> None:
    def told(step: int | None) -> list[Transcript]:
        phrase, results, at = Phrase(300, 800), [], 0
        for number, gap in enumerate(gaps):
            if step:
                for looked in range(at, at + gap, step):
                    results += phrase.be_quiet(looked * MS)
            at += gap
            results += phrase.hear(Word(f"w{number}", at * MS, at * MS))
        return results + phrase.be_quiet((at + 2_000) * MS)

    assert told(every) == told(None)
