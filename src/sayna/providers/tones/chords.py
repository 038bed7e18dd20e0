"""How a piece sounds: two chords that announce it, then one chord for each byte.

A chord lasts 25 ms. Twenty frequencies, 400 to 3250 Hz, lie within what a telephone carries. Four
of them announce only; of the other sixteen, four neighbours each carry two bits of a byte, so a
byte is four tones at a time and a receiver compares neighbours only: what a line does to high or
low frequencies does not matter.
"""

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.int16]
Floats = NDArray[np.float32]

CHORD_S = 0.025
ANNOUNCING_CHORDS = 2

_FREQUENCIES_HZ = 400 + 150 * np.arange(20)
_ANNOUNCING = (2, 7, 12, 17)
FIRST_HZ = _FREQUENCIES_HZ[[_ANNOUNCING[0], _ANNOUNCING[2]]]
"""The chord that begins a piece."""
SECOND_HZ = _FREQUENCIES_HZ[[_ANNOUNCING[1], _ANNOUNCING[3]]]
"""The chord behind it."""
BYTE_HZ = np.delete(_FREQUENCIES_HZ, _ANNOUNCING).reshape(4, 4)
"""By pair of bits, lowest first, and by the value of the pair."""

_PAIRS = np.arange(4, dtype=np.uint8)[:, None]
_TONE = 0.11  # of full scale: four of them stay below half of it
_RAMP = 0.1  # of a chord, at each end: no clicks


class _Waves(NamedTuple):
    """Everything that is ever heard, at one rate."""

    announcement: Floats
    """The two chords, shape (2, n)."""
    pairs: Floats
    """A tone for each pair of bits and value, shape (4, 4, n)."""


def render_piece(piece: bytes, rate: int, gap_s: float) -> Samples:
    """Sing one piece, then be silent.

    Args:
        piece: masked, as `alphabet.spell` returns it.
        rate: Hz.
        gap_s: silence behind it, s.

    Returns:
        Mono int16 samples.
    """
    waves = _waves(rate)
    codes = np.frombuffer(piece, np.uint8)
    chords = waves.pairs[_PAIRS, codes >> 2 * _PAIRS & 3].sum(axis=0)
    sung: Floats = np.concatenate((waves.announcement, chords))
    count, length = len(sung), len(sung[0])
    starts = [round(number * CHORD_S * rate) for number in range(count)]
    audio = np.zeros(round((count * CHORD_S + gap_s) * rate) + 1, np.float32)
    if length * count == starts[-1] + length:  # a chord is a whole number of samples
        audio[: length * count] = sung.reshape(-1)
    else:
        for start, chord in zip(starts, sung, strict=True):
            audio[start : start + length] = chord  # over the last sample before it: a ramp's end
    samples: Samples = np.rint(audio[:-1] * 32_767).astype(np.int16)
    return samples


@lru_cache(maxsize=16)  # the usual rates; 0.1 MB each at most
def _waves(rate: int) -> _Waves:
    at_s: NDArray[np.float64] = np.arange(math.ceil(CHORD_S * rate - 1e-9)) / rate
    ramp = np.clip(np.minimum(at_s, CHORD_S - at_s) / (_RAMP * CHORD_S), 0.0, 1.0)
    envelope = _TONE * np.sin(ramp * np.pi / 2) ** 2
    phases = 2.1 * np.arange(BYTE_HZ.size).reshape(4, 4, 1) ** 2  # spread, so peaks do not meet
    pairs = envelope * np.sin(2 * np.pi * BYTE_HZ[..., None] * at_s + phases)
    first, second = (
        np.sqrt(2) * envelope * np.sin(2 * np.pi * chord[:, None] * at_s).sum(axis=0)
        for chord in (FIRST_HZ, SECOND_HZ)
    )
    return _Waves(np.stack((first, second)).astype(np.float32), pairs.astype(np.float32))
