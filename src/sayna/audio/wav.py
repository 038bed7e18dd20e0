"""WAV files as bytes: read any that holds PCM, float or G.711; write the header of ours.

Source: Microsoft's RIFF and WAVEFORMATEXTENSIBLE descriptions.
"""

import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sayna.audio import g711

HEADER_BYTES = 44
UNKNOWN_SIZE = 0xFFFF_FFFF
"""What a header says while the length of its stream is not known yet."""

_PCM, _EXTENSIBLE = 1, 0xFFFE


class NotWav(ValueError):
    """The bytes are not a WAV file that we can read; the text says why."""


@dataclass(frozen=True, slots=True)
class Wav:
    """What a WAV file sounds like."""

    sample_rate: int
    """Hz."""
    samples: NDArray[np.int16]
    """Shape (n, channels)."""

    @property
    def channels(self) -> int:
        """How many channels there are."""
        return int(self.samples.shape[1])

    @property
    def linear16(self) -> bytes:
        """The samples as s16le, channels interleaved."""
        return self.samples.astype("<i2", copy=False).tobytes()


@dataclass(frozen=True, slots=True)
class _Layout:
    """The `fmt ` chunk."""

    code: int
    channels: int
    sample_rate: int
    frame_bytes: int
    bits: int


def render_header(sample_rate: int, *, channels: int = 1, data_bytes: int | None = None) -> bytes:
    """Return the 44 bytes before 16-bit PCM; without `data_bytes` for a stream of unknown length.

    Args:
        sample_rate: Hz.
        channels: interleaved.
        data_bytes: length of the samples that follow.
    """
    frame = 2 * channels
    size = UNKNOWN_SIZE if data_bytes is None else data_bytes
    riff = UNKNOWN_SIZE if data_bytes is None else data_bytes + HEADER_BYTES - 8
    fields = (b"RIFF", riff, b"WAVE", b"fmt ", 16, _PCM, channels, sample_rate)
    return struct.pack("<4sI4s4sIHHIIHH4sI", *fields, sample_rate * frame, frame, 16, b"data", size)


def settle_header(audio: bytes) -> bytes:
    """Return one of our streamed files with its real length in the header; others unchanged."""
    ours = audio[:4] == b"RIFF" and audio[36:44] == b"data" + struct.pack("<I", UNKNOWN_SIZE)
    if not ours:
        return audio
    size = len(audio) - HEADER_BYTES
    riff, data = struct.pack("<I", size + HEADER_BYTES - 8), struct.pack("<I", size)
    return b"".join((audio[:4], riff, audio[8:40], data, audio[HEADER_BYTES:]))


def parse_wav(file: bytes) -> Wav:
    """Read a WAV file: PCM of 8 to 32 bits, float, mu-law or A-law, any chunks around it.

    A length that is wrong or unknown, as in streamed files, means "to the end".

    Raises:
        NotWav: it is something else or damaged.
    """
    if len(file) < 12 or file[:4] != b"RIFF" or file[8:12] != b"WAVE":
        raise NotWav("this is not a WAV file (it does not start with RIFF....WAVE)")
    layout: _Layout | None = None
    at = 12
    while at + 8 <= len(file):
        name, size = file[at : at + 4], int.from_bytes(file[at + 4 : at + 8], "little")
        body = file[at + 8 : at + 8 + size]
        if name == b"fmt ":
            layout = _parse_layout(body)
        elif name == b"data":
            if layout is None:
                raise NotWav("the WAV file has samples before its format")
            return Wav(layout.sample_rate, _parse_samples(layout, body))
        at += 8 + size + size % 2  # chunks start at even places
    raise NotWav("the WAV file has no samples (no data chunk)")


def _parse_layout(body: bytes) -> _Layout:
    if len(body) < 16:
        raise NotWav("the WAV file's format chunk is too short")
    code, channels, rate, _, frame_bytes, bits = struct.unpack("<HHIIHH", body[:16])
    if code == _EXTENSIBLE and len(body) >= 26:
        code = int.from_bytes(body[24:26], "little")  # the GUID of a format opens with its code
    if not (channels and rate and frame_bytes and frame_bytes % channels == 0):
        raise NotWav("the WAV file's format chunk makes no sense")
    return _Layout(code, channels, rate, frame_bytes, bits)


def _parse_samples(layout: _Layout, body: bytes) -> NDArray[np.int16]:
    body = body[: len(body) - len(body) % layout.frame_bytes]
    match layout.code, layout.frame_bytes // layout.channels:
        case (1, 1):
            flat = (np.frombuffer(body, np.uint8).astype(np.int16) - 128) << 8
        case (1, 2):
            flat = np.frombuffer(body, "<i2")
        case (1, 3 | 4 as width):  # the two highest bytes of each sample
            flat = np.frombuffer(body, np.uint8).reshape(-1, width)[:, -2:].copy().view("<i2")
        case (3, 4 | 8 as width):
            wide = np.nan_to_num(np.frombuffer(body, f"<f{width}"))
            flat = (np.clip(wide, -1.0, 1.0) * 32_767).astype(np.int16)
        case (6, 1):
            flat = g711.decode_alaw(body)
        case (7, 1):
            flat = g711.decode_mulaw(body)
        case _:
            raise NotWav(f"the WAV file holds format {layout.code} of {layout.bits} bits")
    return flat.astype(np.int16, copy=False).reshape(-1, layout.channels)
