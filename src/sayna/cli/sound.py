"""A sound as the command line handles it: read from a WAV file, written to one, cut into frames."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from sayna.audio.wav import parse_wav, render_header

SAMPLE_BYTES = 2


@dataclass(frozen=True, slots=True)
class Sound:
    """Signed 16-bit little-endian samples, channels interleaved."""

    pcm: bytes
    sample_rate: int
    """Hz."""
    channels: int = 1

    encoding = "linear16"
    """What `stt_config` calls these samples."""

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a WAV file of any common kind.

        Raises:
            OSError: it cannot be read.
            NotWav: it is something else.
        """
        wav = parse_wav(path.read_bytes())
        return cls(wav.linear16, wav.sample_rate, wav.channels)

    @property
    def duration_s(self) -> float:
        """How long it lasts."""
        return len(self.pcm) / (SAMPLE_BYTES * self.channels * self.sample_rate)

    def to_wav(self) -> bytes:
        """Render a WAV file."""
        header = render_header(self.sample_rate, channels=self.channels, data_bytes=len(self.pcm))
        return header + self.pcm

    def frames(self, frame_ms: int, *, tail_ms: int = 0) -> Iterator[bytes]:
        """Yield the samples in frames of `frame_ms`, then `tail_ms` of silence; all full frames."""
        size = self.sample_rate * frame_ms // 1000 * SAMPLE_BYTES * self.channels
        silence = bytes(size * (tail_ms // frame_ms))
        padded = self.pcm + bytes(-len(self.pcm) % size) + silence
        for start in range(0, len(padded), size):
            yield padded[start : start + size]
