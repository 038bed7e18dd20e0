import numpy as np
import pytest
from numpy.typing import NDArray

from sayna.providers.local.masking import LEVEL, NOISE, Masking

FRAME_SAMPLES = 480


def level(pcm: bytes) -> float:
    samples = np.frombuffer(pcm, np.int16).astype(float)
    return float(np.sqrt(np.mean(samples * samples)))


def speech(loudness: float, frames: int = 1) -> bytes:
    time = np.arange(FRAME_SAMPLES * frames) / 16_000
    wave: NDArray[np.int16] = (np.sin(2 * np.pi * 300 * time) * loudness * 2**0.5).astype(np.int16)
    return wave.tobytes()


def settled(loudness: float) -> bytes:
    """Return the last frame of a few seconds of speech."""
    masking = Masking()
    for _ in range(400):
        last = masking.apply(speech(loudness))
    return last


def test_silence_gets_a_whisper() -> None:
    assert 0.8 * NOISE < level(Masking().apply(bytes(960))) < 1.2 * NOISE


@pytest.mark.parametrize("loudness", [200.0, 1_000.0, 8_000.0, 20_000.0])
def test_loud_and_soft_speakers_are_brought_to_one_level(loudness: float) -> None:
    assert 0.9 * LEVEL < level(settled(loudness)) < 1.1 * LEVEL


def test_a_loud_word_is_tamed_at_once() -> None:
    assert level(Masking().apply(speech(10_000.0))) < 1.1 * LEVEL


def test_a_murmur_is_not_raised_without_bounds() -> None:
    assert level(settled(5.0)) < 3 * NOISE


def test_what_is_heard_twice_sounds_alike() -> None:
    assert Masking().apply(speech(900.0)) == Masking().apply(speech(900.0))


def test_nothing_stays_nothing() -> None:
    assert Masking().apply(b"") == b""
