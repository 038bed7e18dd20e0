import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sayna.audio.resample import Resampler

RATES_HZ = (8_000, 16_000, 22_050, 24_000, 44_100, 48_000)


def tone(rate: int, hertz: float = 440.0, seconds: float = 1.0) -> NDArray[np.int16]:
    time = np.arange(int(rate * seconds)) / rate
    return (np.sin(2 * np.pi * hertz * time) * 12_000).astype(np.int16)


def loudest_hz(samples: NDArray[np.int16], rate: int) -> float:
    spectrum = np.abs(np.fft.rfft(samples.astype(np.float64)))
    return float(np.argmax(spectrum)) * rate / samples.size


def resampled(samples: NDArray[np.int16], from_rate: int, to_rate: int) -> NDArray[np.int16]:
    resampler = Resampler(from_rate, to_rate)
    return np.concatenate([resampler.feed(samples), resampler.finish()])


@pytest.mark.parametrize("from_rate", RATES_HZ)
@pytest.mark.parametrize("to_rate", RATES_HZ)
def test_a_tone_keeps_its_length_and_its_pitch(from_rate: int, to_rate: int) -> None:
    out = resampled(tone(from_rate), from_rate, to_rate)
    assert abs(out.size - to_rate) <= 1
    assert abs(loudest_hz(out, to_rate) - 440.0) < 1.5


def test_equal_rates_change_nothing() -> None:
    samples = tone(16_000)
    assert np.array_equal(resampled(samples, 16_000, 16_000), samples)


def test_what_is_above_the_new_limit_is_gone() -> None:
    out = resampled(tone(48_000, hertz=6_000.0), 48_000, 8_000)
    assert int(np.max(np.abs(out[400:-400]))) < 100


@settings(max_examples=40, deadline=None)
@given(cuts=st.lists(st.integers(0, 8_000), max_size=12))
def test_how_the_input_is_cut_is_not_heard(cuts: list[int]) -> None:
    samples = tone(8_000)
    resampler = Resampler(8_000, 16_000)
    pieces = [resampler.feed(piece) for piece in np.split(samples, sorted(cuts))]
    out = np.concatenate([*pieces, resampler.finish()])
    whole = resampled(samples, 8_000, 16_000)
    assert out.size == whole.size
    assert int(np.max(np.abs(out.astype(int) - whole))) <= 2  # the filter dithers the last bit
