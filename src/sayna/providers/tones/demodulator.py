"""Samples in, words out: finds announced pieces in a stream and reads their chords.

The stream is looked at in windows of one chord, every 5 ms, for the two announcing chords; where
they stand best, a piece begins, and the chord of each byte follows at a known place. Everything is
decided by positions in the stream, so how it was cut changes nothing.

A piece that is much softer than the voice that was just heard is somebody in the background and
is not read.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sayna.providers.tones.alphabet import CHECKSUM_BYTES, Piece, parse_piece, piece_bytes
from sayna.providers.tones.chords import ANNOUNCING_CHORDS, BYTE_HZ, CHORD_S, FIRST_HZ, SECOND_HZ

Floats = NDArray[np.float32]

RATE_HZ = 8_000
CHORD = round(CHORD_S * RATE_HZ)
"""Samples of a chord, and of a window."""
_STEP = CHORD // 5
_AROUND = 3  # windows on each side that must be no better
_APART = CHORD // _STEP  # windows between the two announcing chords
_KEPT = _APART + 2 * _AROUND  # windows that later ones are compared with
_BATCH = 8  # windows worth the trouble of looking
_BLOCK = RATE_HZ  # samples looked at together: what a look takes is bounded

_MIN_SHARE = 0.5  # of a window's power, in the two tones of an announcing chord
_MIN_TONE_SHARE = 0.06  # in the weaker of the two
_FLOOR = 10.0 ** (-55 / 10)  # of full scale squared: what is softer is not listened to
_FLOOR_PEAK = 10.0 ** (-55 / 20)
_BACKGROUND = 10.0 ** (-15 / 10)  # below the voice, in power
_FADED = 10.0 ** (-14 / 10)  # a chord this far below its announcement is none
_DOUBTS = 8  # pairs of bits tried anew; each try errs once in 65 536
_VOICE_KEPT = 2 * RATE_HZ  # samples for which the loudness of the voice is remembered
_WORD_PIECES_APART = RATE_HZ // 8  # samples at most between two pieces of one word

_WINDOWS = np.arange(0, _BLOCK + _BATCH * _STEP, _STEP)[:, None] + np.arange(CHORD)
"""Where the samples of each window of a block are."""


def _detector(frequencies_hz: NDArray[np.int64]) -> Floats:
    """Return a matrix (samples, 2 n) that a window is multiplied with: cosines, then sines."""
    at_s = np.arange(CHORD) / RATE_HZ
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(CHORD) + 0.5) / CHORD)
    angles = 2 * np.pi * np.outer(at_s, frequencies_hz.reshape(-1))
    waves = np.concatenate((np.cos(angles), np.sin(angles)), axis=1)
    matrix: Floats = (waves * hann[:, None] * np.sqrt(2) / hann.sum()).astype(np.float32)
    return matrix


def _power_weights() -> Floats:
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(CHORD) + 0.5) / CHORD)
    weights: Floats = (hann**2 / np.sum(hann**2)).astype(np.float32)
    return weights


_ANNOUNCEMENT = _detector(np.concatenate((FIRST_HZ, SECOND_HZ)))
_BYTES = _detector(BYTE_HZ)
_POWER = _power_weights()
_PLACES = np.array([1, 4, 16, 64])


class Word(NamedTuple):
    """A word, and where in the stream it was."""

    text: str
    starts_at: int
    """Samples of 8 kHz since the stream began."""
    ends_at: int


class _Announced(NamedTuple):
    """Where a piece begins, and how loud."""

    starts_at: int
    sure_at: int
    power: float


class _Reading:
    """A piece that is being read."""

    __slots__ = ("at", "codes", "length", "power", "starts_at", "tones")

    def __init__(self, announced: _Announced) -> None:
        self.starts_at = announced.starts_at
        self.power = announced.power
        self.at = announced.starts_at + ANNOUNCING_CHORDS * CHORD
        self.codes = bytearray()
        self.tones: list[Floats] = []  # power by chord, pair of bits, and value of the pair
        self.length = 1  # until the first byte tells

    @property
    def is_whole(self) -> bool:
        return len(self.codes) == self.length > CHECKSUM_BYTES

    def parse(self) -> Piece | None:
        """Understand the codes; if the checksum denies them, with any one doubtful pair changed."""
        piece = parse_piece(bytes(self.codes))
        return self._parse_doubtful() if piece is None else piece

    def _parse_doubtful(self) -> Piece | None:
        tones = np.concatenate(self.tones).reshape(-1, 4)
        ranked = tones.argsort(axis=1)
        best, second = ranked[:, 3], ranked[:, 2]
        rows = np.arange(len(tones))
        doubt = tones[rows, second] / tones[rows, best]
        for row in doubt.argsort()[: -_DOUBTS - 1 : -1].tolist():
            codes = bytearray(self.codes)
            codes[row // 4] ^= int(best[row] ^ second[row]) << 2 * (row % 4)
            if piece_bytes(codes[0]) != self.length:
                continue
            if (piece := parse_piece(bytes(codes))) is not None:
                return piece
        return None


class Demodulator:
    """One stream of 8 kHz samples."""

    def __init__(self) -> None:
        self._samples: Floats = np.zeros(0, np.float32)
        self._begins = 0  # position of the first of them
        self._next_window = 0  # position of the window to be looked at next
        self._windows: Floats = np.zeros((_KEPT, 4), np.float32)
        self._reading: _Reading | None = None
        self._last_announced = -ANNOUNCING_CHORDS * CHORD
        self._voice = (0.0, 0)  # power of the last word read, and until when it counts
        self._part: tuple[str, int, int] | None = None  # of a word that goes on
        self._words: list[Word] = []

    @property
    def settled_at(self) -> int:
        """Position up to which every word that began has been told."""
        settled = self._next_window - (_APART + _AROUND) * _STEP - _STEP // 2
        if self._reading is not None:
            settled = self._reading.starts_at
        if self._part is not None and settled - self._part[2] <= _WORD_PIECES_APART:
            settled = self._part[1]
        return max(0, settled)

    def feed(self, samples: NDArray[np.int16], *, now: bool = False) -> list[Word]:
        """Take the next samples, return the words that are complete.

        Args:
            samples: mono at 8 kHz.
            now: look at once, however few they are.
        """
        for at in range(0, samples.size, _BLOCK):
            fresh = samples[at : at + _BLOCK].astype(np.float32)
            fresh *= np.float32(1 / 32_768)
            self._samples = np.concatenate((self._samples, fresh))
            self._look(_BATCH)
        if now:
            self._look(1)
        words, self._words = self._words, []
        return words

    def finish(self) -> list[Word]:
        """Return what the last samples held."""
        silence = CHORD + (_APART + _AROUND) * _STEP
        return self.feed(np.zeros(silence, np.int16), now=True)

    @property
    def _end(self) -> int:
        return self._begins + self._samples.size

    def _look(self, at_least: int) -> None:
        """Look at the windows that are there, then read what they announced."""
        ready = (self._end - self._next_window - CHORD) // _STEP + 1
        if ready < at_least:
            return
        for announced in self._announced(ready):
            self._read(announced.sure_at)
            if self._is_background(announced):
                continue
            self._last_announced = announced.starts_at
            self._reading = _Reading(announced)
        self._read(self._end)
        self._forget()

    def _forget(self) -> None:
        """Let go of the samples that nobody will look at again."""
        # a piece that begins in a window not yet sure has its first byte behind that window
        needed = self._next_window
        if self._reading is not None:
            needed = min(needed, self._reading.at)
        if needed > self._begins:
            self._samples = self._samples[needed - self._begins :]
            self._begins = needed

    def _announced(self, ready: int) -> list[_Announced]:
        """Find the announcements that have become sure with these windows."""
        first = self._next_window
        rows = np.concatenate((self._windows, self._measure(first - self._begins, ready)))
        self._next_window += ready * _STEP
        self._windows = rows[-_KEPT:]
        sure = (rows[:-_APART, 2] > 0) & (rows[_APART:, 3] > 0)
        if not sure.any():
            return []
        power = np.minimum(rows[:-_APART, 0], rows[_APART:, 1])
        around = np.lib.stride_tricks.sliding_window_view(power, 2 * _AROUND + 1)
        middle = slice(_AROUND, power.size - _AROUND)
        peaks = np.flatnonzero(sure[middle] & (power[middle] >= around.max(axis=1))) + _AROUND
        origin = first - _KEPT * _STEP
        found: list[_Announced] = []
        for peak in peaks.tolist():
            at = origin + round((peak + _between(power[peak - 1 : peak + 2])) * _STEP)
            sure_at = origin + (peak + _APART + _AROUND) * _STEP + CHORD
            found.append(_Announced(at, sure_at, float(power[peak])))
        return found

    def _measure(self, offset: int, count: int) -> Floats:
        """Return for each window: power in the first chord, in the second, and which stands out."""
        span = self._samples[offset : offset + (count - 1) * _STEP + CHORD]
        measured = np.zeros((count, 4), np.float32)
        if max(float(span.max()), -float(span.min())) < _FLOOR_PEAK:
            return measured
        windows = span.take(_WINDOWS[:count])
        waves = windows @ _ANNOUNCEMENT
        waves *= waves
        tones = waves[:, :4] + waves[:, 4:]
        windows *= windows
        total = windows @ _POWER
        for chord in range(2):
            one, other = tones[:, 2 * chord], tones[:, 2 * chord + 1]
            both = one + other
            measured[:, chord] = both
            measured[:, 2 + chord] = (
                (both > np.maximum(_FLOOR, _MIN_SHARE * total))
                & (one > _MIN_TONE_SHARE * total)
                & (other > _MIN_TONE_SHARE * total)
            )
        return measured

    def _is_background(self, announced: _Announced) -> bool:
        """Tell whether it is nothing new, or much softer than who is being listened to."""
        if announced.starts_at < self._last_announced + ANNOUNCING_CHORDS * CHORD:
            return True
        power, until = self._voice
        loudest = power if announced.starts_at < until else 0.0
        if self._reading is not None:
            loudest = max(loudest, self._reading.power)
        return announced.power < loudest * _BACKGROUND

    def _read(self, until: int) -> None:
        """Read the chords that end before a position."""
        while (reading := self._reading) is not None:
            wanted = reading.length - len(reading.codes)
            there = min((until - reading.at) // CHORD, wanted)
            if there <= 0:
                return
            offset = reading.at - self._begins
            chords = self._samples[offset : offset + there * CHORD].reshape(there, CHORD)
            if not self._take(reading, chords):
                self._reading = None

    def _take(self, reading: _Reading, chords: Floats) -> bool:
        """Add chords to a piece; False when the reading is over, well or badly."""
        waves: Floats = chords @ _BYTES
        waves *= waves
        tones: Floats = (waves[:, :16] + waves[:, 16:]).reshape(-1, 4, 4)
        if float(tones.max(axis=2).sum(axis=1).min()) < reading.power * _FADED:
            return False
        reading.tones.append(tones)
        reading.codes += (tones.argmax(axis=2) @ _PLACES).astype(np.uint8).tobytes()
        reading.at += len(chords) * CHORD
        if len(reading.codes) == 1:
            length = piece_bytes(reading.codes[0])
            if length is None:
                return False
            reading.length = length
        if not reading.is_whole:
            return True
        if (piece := reading.parse()) is not None:
            self._tell(piece, reading)
        return False

    def _tell(self, piece: Piece, reading: _Reading) -> None:
        """Add a piece to its word."""
        ends_at = reading.at
        self._voice = (reading.power, ends_at + _VOICE_KEPT)
        text, starts_at = piece.text, reading.starts_at
        if self._part is not None and starts_at - self._part[2] <= _WORD_PIECES_APART:
            text, starts_at = self._part[0] + text, self._part[1]
        self._part = None
        if piece.goes_on:
            self._part = (text, starts_at, ends_at)
        else:
            self._words.append(Word(text, starts_at, ends_at))


def _between(three: NDArray[np.float32]) -> float:
    """Return where a parabola through three points is highest: -0.5 to 0.5 from the middle one."""
    before, here, after = three.tolist()
    bend = before - 2 * here + after
    return min(0.5, max(-0.5, 0.5 * (before - after) / bend)) if bend < 0 else 0.0
