import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sayna.providers.tones.alphabet import spell
from sayna.providers.tones.chords import render_piece
from sayna.providers.tones.demodulator import RATE_HZ, Demodulator
from tests.providers.tones.singing import (
    at_telephone_rate,
    level_db,
    louder,
    mixed,
    noise,
    sentences,
    silence,
    sing,
    text_in,
    words_in,
)

TEXT = " ".join(sentences(12, seed=7))
SUNG = sing(TEXT)
OTHER = " ".join(sentences(14, seed=8))
SHORT = sing("short and sweet")


def test_the_words_are_read_and_where_they_are() -> None:
    first, second = words_in(np.concatenate((silence(500), sing("hello there"))))
    assert (first.text, second.text) == ("hello", "there")
    assert first.starts_at == pytest.approx(RATE_HZ // 2, abs=20)
    assert first.ends_at - first.starts_at == 10 * 200  # 2 to announce, length, 5 letters, 2
    assert second.starts_at - first.ends_at == pytest.approx(0.06 * RATE_HZ, abs=20)


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 22_050, 24_000, 44_100, 48_000])
def test_any_rate_it_is_sung_at_is_read(rate: int) -> None:
    assert text_in(at_telephone_rate(sing(TEXT, rate), rate)) == TEXT


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 700), min_size=1))
def test_how_the_stream_is_cut_changes_nothing(sizes: list[int]) -> None:
    demodulator, words, at = Demodulator(), [], 0
    samples = np.concatenate((silence(33), SHORT, silence(300), SHORT))
    for size in (*sizes, samples.size):
        words += demodulator.feed(samples[at : at + size])
        at += size
    assert words + demodulator.finish() == words_in(samples)


@pytest.mark.parametrize("offset", [*range(0, 41, 5), 123, 4_567])
def test_it_may_begin_anywhere(offset: int) -> None:
    assert text_in(np.concatenate((noise(offset, -50), SUNG))) == TEXT


@pytest.mark.parametrize("volume_db", [-20, -14, -6, 0, 5])
def test_the_volume_does_not_matter(volume_db: float) -> None:
    assert text_in(louder(SUNG, volume_db)) == TEXT


@pytest.mark.parametrize("levels", [[0, -7, -14, -20, -12, -3], [0, -14], [-6, -20]])
def test_the_volume_may_change_from_word_to_word(levels: list[float]) -> None:
    words = TEXT.split()
    sung = [louder(sing(word), levels[at % len(levels)]) for at, word in enumerate(words)]
    assert text_in(np.concatenate(sung)) == TEXT


@pytest.mark.parametrize("ratio_db", [20, 10])
def test_noise_does_not_matter(ratio_db: float) -> None:
    hiss = noise(SUNG.size, level_db(SUNG) - ratio_db)
    assert text_in(mixed(SUNG, hiss)) == TEXT


@pytest.mark.parametrize("at_ms", [60, 125, 333])
def test_a_second_voice_that_is_softer_by_20_db_is_not_read(at_ms: int) -> None:
    other = louder(sing(OTHER), -20)[: SUNG.size]
    assert text_in(mixed(SUNG, other, at_ms * 8)) == TEXT


def test_a_soft_voice_is_heard_once_the_loud_one_has_been_silent_for_a_while() -> None:
    soft = louder(SHORT, -20)
    assert text_in(np.concatenate((SUNG, silence(1_000), soft))) == TEXT
    assert text_in(np.concatenate((SUNG, silence(2_100), soft))) == f"{TEXT} short and sweet"


def test_a_loud_voice_is_heard_over_a_soft_one_that_began_before_it() -> None:
    soft = louder(sing("extraordinarily"), -20)
    assert text_in(mixed(soft, SHORT, 1_000)) == "short and sweet"


@pytest.mark.parametrize("lost_ms", [5, 17, 30])
def test_audio_may_be_lost_between_words(lost_ms: int) -> None:
    sung = [sing(word)[: -lost_ms * 8] for word in TEXT.split()]
    assert text_in(np.concatenate(sung)) == TEXT


def test_a_word_that_is_cut_off_is_not_read_and_the_next_one_is() -> None:
    half = sing("interrupted")[:2_000]
    assert text_in(np.concatenate((half, SHORT))) == "short and sweet"
    assert text_in(np.concatenate((half, silence(50), SHORT))) == "short and sweet"
    assert text_in(SHORT[900:]) == "and sweet"


def test_one_tone_that_a_line_made_softer_than_its_neighbour_is_put_right() -> None:
    right = spell("important")[0]
    wrong = bytes((*right[:4], right[4] ^ 0b1000, *right[5:]))
    line = [louder(render_piece(piece, RATE_HZ, 0.06), -6) for piece in (right, wrong)]
    assert text_in(mixed(louder(line[0], -0.5), line[1])) == "important"
    two = bytes((*wrong[:5], right[5] ^ 0b10, *right[6:]))
    other = louder(render_piece(two, RATE_HZ, 0.06), -6)
    assert text_in(mixed(louder(line[0], -0.5), other)) == ""


def test_a_long_word_is_one_word() -> None:
    long = "Donau" * 40
    assert [word.text for word in words_in(sing(f"a {long} b"))] == ["a", long, "b"]


def test_half_of_a_long_word_is_no_word() -> None:
    long = sing("Donau" * 20)
    first_piece = 69 * 200
    assert text_in(np.concatenate((long[:first_piece], silence(400), SHORT))) == "short and sweet"


@pytest.mark.parametrize("level", [-60, -30, -10, 0])
def test_noise_is_not_words(level: float) -> None:
    assert words_in(noise(20 * RATE_HZ, level)) == []


def test_a_thousand_single_tones_are_not_words() -> None:
    chance = np.random.default_rng(3)
    hz = np.repeat(chance.choice(400 + 150 * np.arange(20), (1_000, 2)), 200, axis=0)
    tones = np.sin(np.cumsum(hz * (2 * np.pi / RATE_HZ), axis=0)).sum(axis=1)
    assert words_in((tones * 8_000).astype(np.int16)) == []


def test_it_tells_how_far_every_word_is_known() -> None:
    demodulator = Demodulator()
    demodulator.feed(silence(1_000))
    assert 0.9 * RATE_HZ < demodulator.settled_at < RATE_HZ
    demodulator.feed(sing("hello")[:1_200])
    assert demodulator.settled_at == pytest.approx(RATE_HZ, abs=20)  # a word is being read
    demodulator.feed(silence(1_000))
    assert demodulator.settled_at > 1.9 * RATE_HZ  # it was none


def test_a_word_that_never_went_on_holds_nothing_up() -> None:
    demodulator = Demodulator()
    demodulator.feed(sing("Donau" * 20)[: 69 * 200])
    demodulator.feed(silence(100))
    assert demodulator.settled_at < 100
    demodulator.feed(silence(200))
    assert demodulator.settled_at > 69 * 200


def test_what_it_keeps_does_not_grow() -> None:
    demodulator = Demodulator()
    for _ in range(20):
        demodulator.feed(SUNG)
        demodulator.feed(silence(1_000))
        assert demodulator._samples.size < 1_000
