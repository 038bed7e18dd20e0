"""Ears: scripted and real."""

from itertools import pairwise

import numpy as np
import pytest

from tests.emulators.hearing import Deaf, Ear, Line, Script, Scripts, TonesEar, Word
from tests.emulators.speech import Song, encode


def _heard(ear: Ear, audio: bytes, step: int) -> list[Word]:
    words: list[Word] = []
    for start in range(0, len(audio), step):
        words += ear.hear(audio[start : start + step])
    return words + ear.finish()


@pytest.mark.parametrize("step", [1, 7, 320, 100_000])
def test_a_script_counts_bytes_however_they_are_cut(step: int) -> None:
    ear = Script([Line("one two"), Line("three", at_s=3.0)], bytes_per_s=1000)
    words = _heard(ear, bytes(4000), step)
    assert [(word.text, round(word.start_s, 3)) for word in words] == [
        ("one", 0.6),
        ("two", 0.9),
        ("three", 3.0),
    ]
    assert ear.heard_s == 4


def test_a_script_is_settled_up_to_the_word_that_is_being_said() -> None:
    ear = Script([Line("one", at_s=1.0, word_s=1.0)], bytes_per_s=100)
    ear.hear(bytes(150))
    assert (ear.heard_s, ear.settled_s) == (1.5, 1.0)
    assert ear.flush() == [Word("one", 1.0, 2.0)]
    assert ear.flush() == []
    assert ear.settled_s == 1.5


@pytest.mark.parametrize(
    ("encoding", "rate"), [("linear16", 16_000), ("mulaw", 8_000), ("alaw", 8_000)]
)
def test_the_real_ear_hears_what_the_song_said(encoding: str, rate: int) -> None:
    text = "every word survives, Ünïcode too"
    audio = encode(Song().render(text, rate, 1.0, 0), encoding)
    words = _heard(TonesEar(encoding, rate, 1), audio, 333)
    assert " ".join(word.text for word in words) == text
    assert all(before.end_s <= after.start_s for before, after in pairwise(words))


def test_the_real_ear_listens_to_two_channels() -> None:
    mono = Song().render("left and right", 16_000, 1.0, 0)
    stereo = np.repeat(mono, 2)
    words = _heard(TonesEar("linear16", 16_000, 2), encode(stereo, "linear16"), 1280)
    assert [word.text for word in words] == ["left", "and", "right"]


def test_an_impossible_rate_is_refused() -> None:
    with pytest.raises(ValueError, match="sample_rate"):
        TonesEar("linear16", 100, 1)


def test_a_deaf_ear_only_counts() -> None:
    ear = Deaf(100)
    assert _heard(ear, bytes(250), 50) == []
    assert (ear.heard_s, ear.settled_s, ear.flush()) == (2.5, 2.5, [])


def test_scripts_are_taken_in_order_and_by_key() -> None:
    scripts = Scripts()
    scripts.add("for b", key="b")
    scripts.add("for anybody", Line("second", at_s=9))
    scripts.add("else", always=True)
    taken = [[line.text for line in scripts.take(key)] for key in ("a", "b", "a", "c")]
    assert taken == [["for anybody", "second"], ["for b"], ["else"], ["else"]]
