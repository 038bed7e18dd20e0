import numpy as np
import pytest

from sayna.providers.tones.alphabet import spell
from sayna.providers.tones.chords import (
    BYTE_HZ,
    CHORD_S,
    FIRST_HZ,
    SECOND_HZ,
    render_piece,
)
from tests.providers.tones.singing import level_db, sentences, sing

RATES_HZ = [8_000, 11_025, 16_000, 22_050, 24_000, 44_100, 48_000]


def test_every_frequency_is_within_a_telephones_and_used_once() -> None:
    every = np.concatenate((FIRST_HZ, SECOND_HZ, BYTE_HZ.reshape(-1)))
    assert len(set(every.tolist())) == every.size == 20
    assert every.min() >= 300
    assert every.max() <= 3_400


@pytest.mark.parametrize("rate", RATES_HZ)
def test_a_piece_lasts_as_long_at_every_rate(rate: int) -> None:
    piece = spell("hello")[0]
    chords = 2 + len(piece)
    assert render_piece(piece, rate, 0.06).size == round((chords * CHORD_S + 0.06) * rate)


@pytest.mark.parametrize("rate", RATES_HZ)
def test_nearly_all_power_is_where_a_telephone_carries_it(rate: int) -> None:
    samples = sing(" ".join(sentences(5, seed=1)), rate).astype(np.float64)
    power = np.abs(np.fft.rfft(samples)) ** 2
    hz = np.fft.rfftfreq(samples.size, 1 / rate)
    assert power[(hz >= 300) & (hz <= 3_400)].sum() > 0.995 * power.sum()


def test_it_is_as_loud_as_speech_and_never_clips() -> None:
    samples = sing(" ".join(sentences(20, seed=2)))
    assert -20 < level_db(samples) < -14
    assert np.abs(samples.astype(np.int32)).max() < 0.5 * 32_768


def test_the_gap_is_silent() -> None:
    samples = render_piece(spell("hello")[0], 16_000, 0.2)
    assert not samples[-int(0.2 * 16_000) + 1 :].any()
    assert samples[: int(-0.25 * 16_000)].any()
