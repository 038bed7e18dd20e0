"""What an emulator says: text becomes audio, the same in every run.

`Hum` is cheap and tells utterances apart by their loudness; `Song` is the voice of `tones`, which
the recognizer of `tones` reads back word for word.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from sayna.audio import g711
from sayna.providers.tones.alphabet import spell
from sayna.providers.tones.chords import render_piece
from sayna.providers.tones.synthesizer import GAP_S

MS_PER_CHARACTER = 60
STEPS = 32
"""Loudnesses that utterances are told apart by; then they begin again."""

Samples = NDArray[np.int16]


class Sound(NamedTuple):
    """Raw audio, as a vendor calls it."""

    encoding: str
    """`linear16`, `mulaw` or `alaw`."""
    rate: int
    """Hz."""

    @property
    def bytes_per_s(self) -> int:
        """Mono."""
        return self.rate * (2 if self.encoding == "linear16" else 1)


class Voice(Protocol):
    """Text to samples."""

    def render(self, text: str, rate: int, speed: float, index: int) -> Samples:
        """Return mono samples.

        Args:
            text: one utterance.
            rate: Hz.
            speed: how many times as fast as usual.
            index: the how-manieth utterance of this emulator, from 0.
        """
        ...


class Hum:
    """A steady tone, 60 ms for each character; its loudness is the number of the utterance."""

    def render(self, text: str, rate: int, speed: float, index: int) -> Samples:
        return _hum(round(len(text) * MS_PER_CHARACTER / 1000 / speed * rate), rate, index % STEPS)


class Song:
    """The voice of `tones`: every word can be read back."""

    def render(self, text: str, rate: int, speed: float, index: int) -> Samples:
        del index
        return _song(text, rate, GAP_S / speed)


def loudness_of(index: int) -> int:
    """Return the peak of a hum, by which its utterance is recognized."""
    return 500 * (index % STEPS + 1)


def index_of(samples: Samples) -> int:
    """Return which utterance, of `STEPS`, a piece of hum of 20 ms or more belongs to."""
    return round(int(np.abs(samples.astype(np.int32)).max()) / 500) - 1


def encode(samples: Samples, encoding: str) -> bytes:
    """Return raw audio."""
    return _ENCODERS[encoding](samples)


def _linear16(samples: Samples) -> bytes:
    return samples.astype("<i2", copy=False).tobytes()


_ENCODERS: dict[str, Callable[[Samples], bytes]] = {
    "linear16": _linear16,
    "mulaw": g711.encode_mulaw,
    "alaw": g711.encode_alaw,
}


@lru_cache(maxsize=256)
def _hum(count: int, rate: int, step: int) -> Samples:
    at_s = np.arange(count) / rate
    samples: Samples = np.rint(loudness_of(step) * np.sin(2 * np.pi * 250 * at_s)).astype(np.int16)
    return samples


@lru_cache(maxsize=256)
def _song(text: str, rate: int, gap_s: float) -> Samples:
    pieces = [
        render_piece(piece, rate, gap_s if number == len(spelled) else GAP_S)
        for spelled in map(spell, text.split())
        for number, piece in enumerate(spelled, 1)
    ]
    if not pieces:
        return np.zeros(0, np.int16)
    samples: Samples = np.concatenate(pieces)
    return samples
