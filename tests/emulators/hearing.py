"""What an emulator hears: audio becomes words with their places, by a script or for real.

Nothing here has a clock: places are durations of audio, so how fast audio is sent changes nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import numpy as np

from sayna.audio.convert import Inbound
from sayna.providers.tones.demodulator import RATE_HZ, Demodulator
from sayna.providers.tones.demodulator import Word as Sung

WORD_S = 0.3
GAP_S = 1.2


class Word(NamedTuple):
    """A word and where in the stream it is, in seconds of audio."""

    text: str
    start_s: float
    end_s: float


class Ear(Protocol):
    """Bytes in, words out."""

    def hear(self, audio: bytes) -> list[Word]:
        """Take the next bytes, return the words that end in them."""
        ...

    def flush(self) -> list[Word]:
        """Return the words that are complete but for what would still come."""
        ...

    def finish(self) -> list[Word]:
        """Return the last words: nothing follows."""
        ...

    @property
    def heard_s(self) -> float:
        """Seconds of audio so far."""
        ...

    @property
    def settled_s(self) -> float:
        """Up to here every word that began has been returned."""
        ...


@dataclass(frozen=True, slots=True)
class Line:
    """An utterance of a script."""

    text: str
    at_s: float | None = None
    """Where it begins; None is a while after the one before."""
    word_s: float = WORD_S

    def words(self, at_s: float) -> list[Word]:
        """Return its words, evenly spaced."""
        return [
            Word(text, at_s + number * self.word_s, at_s + (number + 1) * self.word_s)
            for number, text in enumerate(self.text.split())
        ]


class Script:
    """What will be heard, whatever the audio: the places count the bytes received.

    Args:
        bytes_per_s: of the audio that will come.
    """

    def __init__(self, lines: Sequence[Line], bytes_per_s: float) -> None:
        self._bytes_per_s = bytes_per_s
        self._heard = 0
        self._ahead: list[Word] = []
        end_s = -GAP_S / 2
        for line in lines:
            words = line.words(end_s + GAP_S if line.at_s is None else line.at_s)
            self._ahead += words
            end_s = words[-1].end_s if words else end_s
        self._ahead.reverse()

    @property
    def heard_s(self) -> float:
        return self._heard / self._bytes_per_s

    @property
    def settled_s(self) -> float:
        """The word that is being said counts as begun."""
        ahead = self._ahead[-1].start_s if self._ahead else self.heard_s
        return min(self.heard_s, ahead)

    def hear(self, audio: bytes) -> list[Word]:
        self._heard += len(audio)
        return self._take(self.heard_s)

    def flush(self) -> list[Word]:
        """Return the word that is being said, too."""
        if self._ahead and self._ahead[-1].start_s < self.heard_s:
            return [self._ahead.pop()]
        return []

    def finish(self) -> list[Word]:
        return self.flush()

    def _take(self, until_s: float) -> list[Word]:
        words: list[Word] = []
        while self._ahead and self._ahead[-1].end_s <= until_s + 1e-9:
            words.append(self._ahead.pop())
        return words


class TonesEar:
    """Reads what the voice of `tones` sang.

    Raises:
        ValueError: the encoding, rate or channels cannot be listened to.
    """

    def __init__(self, encoding: str, rate: int, channels: int) -> None:
        self._inbound = Inbound(encoding, rate, channels, RATE_HZ)
        self._demodulator = Demodulator()
        self._heard = 0

    @property
    def heard_s(self) -> float:
        return self._heard / self._inbound.bytes_per_s

    @property
    def settled_s(self) -> float:
        return self._demodulator.settled_at / RATE_HZ

    def hear(self, audio: bytes) -> list[Word]:
        self._heard += len(audio)
        return self._read(self._inbound.feed(audio))

    def flush(self) -> list[Word]:
        return self._read(self._inbound.flush(), now=True)

    def finish(self) -> list[Word]:
        words = self._read(self._inbound.finish(), now=True)
        return words + _placed(self._demodulator.finish())

    def _read(self, audio: bytes, *, now: bool = False) -> list[Word]:
        samples = np.frombuffer(audio, "<i2").astype(np.int16, copy=False)
        return _placed(self._demodulator.feed(samples, now=now))


def _placed(words: Sequence[Sung]) -> list[Word]:
    return [Word(word.text, word.starts_at / RATE_HZ, word.ends_at / RATE_HZ) for word in words]


class Deaf:
    """Counts audio and hears nothing.

    Args:
        bytes_per_s: nominal, where the audio is compressed.
    """

    def __init__(self, bytes_per_s: float) -> None:
        self._script = Script((), bytes_per_s)

    @property
    def heard_s(self) -> float:
        return self._script.heard_s

    @property
    def settled_s(self) -> float:
        return self._script.heard_s

    def hear(self, audio: bytes) -> list[Word]:
        return self._script.hear(audio)

    def flush(self) -> list[Word]:
        return []

    def finish(self) -> list[Word]:
        return []


@dataclass(slots=True)
class Scripts:
    """The scripts of an emulator, one for each stream; without one there is nothing to hear."""

    _waiting: list[tuple[str | None, Sequence[Line]]] = field(
        default_factory=list[tuple[str | None, Sequence[Line]]]
    )
    _always: Sequence[Line] = ()

    def add(self, *lines: Line | str, key: str | None = None, always: bool = False) -> None:
        """Let the next stream, of a key, hear these lines; or every stream that has no other."""
        said = [Line(line) if isinstance(line, str) else line for line in lines]
        if always:
            self._always = said
        else:
            self._waiting.append((key, said))

    def take(self, key: str | None) -> Sequence[Line]:
        """Return the lines for a stream that begins."""
        for waiting in self._waiting:
            if waiting[0] in {None, key}:
                self._waiting.remove(waiting)
                return waiting[1]
        return self._always
