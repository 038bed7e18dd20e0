"""The loop a caller hears while the client thinks: the clip that a config brings along.

`read_clip` checks and decodes it. Every text it raises is part of the public API.
"""

import base64
import binascii
import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sayna.errors import InvalidRequest

MAX_AUDIO_BYTES = 1_920_000  # 10 s of 48 kHz stereo
MAX_PAYLOAD_BYTES = MAX_AUDIO_BYTES + 4096
RATES_HZ = range(8_000, 48_001)
MIN_MS, MAX_MS = 250, 10_000

_PCM, _EXTENSIBLE = 1, 0xFFFE


class ClipRefused(InvalidRequest):
    """The clip cannot be used; the text is what the client reads."""

    code = "LOADING_AUDIO_REFUSED"


@dataclass(frozen=True, slots=True)
class ClipRequest:
    """A clip as the config brings it."""

    data: str
    """Base64, standard and padded: a WAV file or bare little-endian 16-bit samples."""
    container: str | None = None
    """`wav` or `pcm`; None: told by the first bytes."""
    sample_rate: int | None = None
    """Hz; for bare samples only."""
    channels: int | None = None
    """For bare samples only; None means 1."""
    volume: float | None = None
    """0 to 1, clamped; None means 1."""


@dataclass(frozen=True, slots=True)
class Clip:
    """A clip ready to be played."""

    sample_rate: int
    """Hz."""
    samples: NDArray[np.int16]
    """Shape (n, channels), volume applied."""


@dataclass(frozen=True, slots=True)
class _Pcm:
    body: bytes
    sample_rate: int
    channels: int


def read_clip(request: ClipRequest) -> Clip:
    """Decode and check a clip.

    Raises:
        ClipRefused: with the first of the reasons, in the order of the public documentation.
    """
    pcm = _unpack(_decode(request.data), request)
    if pcm.channels > 2:
        raise ClipRefused("loading_audio supports mono or stereo only")
    if pcm.sample_rate not in RATES_HZ:
        raise ClipRefused(
            f"loading_audio sample rate must be between {RATES_HZ[0]} Hz and {RATES_HZ[-1]} Hz"
        )
    duration_ms = len(pcm.body) // (2 * pcm.channels) * 1000 // pcm.sample_rate
    if duration_ms < MIN_MS:
        raise ClipRefused(f"loading_audio is too short; the minimum duration is {MIN_MS} ms")
    if duration_ms > MAX_MS:
        raise ClipRefused(f"loading_audio is too long; the maximum duration is {MAX_MS} ms")
    samples = np.frombuffer(pcm.body, "<i2").reshape(-1, pcm.channels)
    volume = 1.0 if request.volume is None else min(max(request.volume, 0.0), 1.0)
    return Clip(pcm.sample_rate, np.rint(samples * volume).astype(np.int16))


def _decode(data: str) -> bytes:
    # The estimate counts padding as data: cheap, and known to be this strict by clients.
    if len(data) // 4 * 3 > MAX_PAYLOAD_BYTES:
        raise ClipRefused(
            "loading_audio.data decoded audio would exceed the maximum size of"
            f" {MAX_PAYLOAD_BYTES} bytes"
        )
    try:
        audio = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError) as error:
        raise _not_base64() from error
    # The decoder overlooks padding behind whole groups, and bits that stand for no byte.
    if base64.b64encode(audio[(len(audio) - 1) // 3 * 3 :]).decode() != data[-4:]:
        raise _not_base64()
    if len(audio) > MAX_PAYLOAD_BYTES:
        raise _too_big(MAX_PAYLOAD_BYTES)
    return audio


def _not_base64() -> ClipRefused:
    return ClipRefused("loading_audio.data is not valid base64")


def _too_big(limit_bytes: int) -> ClipRefused:
    return ClipRefused(
        f"loading_audio.data decoded audio exceeds the maximum size of {limit_bytes} bytes"
    )


def _unpack(audio: bytes, request: ClipRequest) -> _Pcm:
    if request.container is None:
        container = "wav" if audio[:4] == b"RIFF" and audio[8:12] == b"WAVE" else "pcm"
    else:
        container = request.container.strip().lower()
    match container:
        case "wav":
            return _parse_wav(audio)
        case "pcm":
            return _check_raw(audio, request.sample_rate, request.channels)
        case _:
            raise ClipRefused('loading_audio.format must be "wav" or "pcm"')


def _check_raw(audio: bytes, sample_rate: int | None, channels: int | None) -> _Pcm:
    if sample_rate is None:
        raise ClipRefused("sample_rate is required for raw PCM loading_audio")
    channels = 1 if channels is None else channels
    if channels == 0 or len(audio) % (2 * channels):
        raise ClipRefused("loading_audio raw PCM length is not frame-aligned")
    return _Pcm(audio, sample_rate, channels)


def _not_wav(detail: str) -> ClipRefused:
    return ClipRefused(f"loading_audio is not a valid WAV file: {detail}")


def _parse_wav(file: bytes) -> _Pcm:
    """Read a WAV file of 16-bit samples; stricter than `sayna.audio.wav`, which mends and converts.

    Source: Microsoft's RIFF and WAVEFORMATEXTENSIBLE descriptions.
    """
    if file[:4] != b"RIFF" or file[8:12] != b"WAVE":
        raise _not_wav("it does not start with RIFF and WAVE")
    layout: tuple[int, int] | None = None
    at = 12
    while at + 8 <= len(file):
        name, size = file[at : at + 4], int.from_bytes(file[at + 4 : at + 8], "little")
        if name == b"fmt ":
            layout = _parse_layout(file[at + 8 : at + 8 + size])
        elif name == b"data":
            if layout is None:
                raise _not_wav("its samples come before their format")
            return _read_samples(file[at + 8 :], size, *layout)
        at += 8 + size + size % 2  # chunks start at even places
    raise _not_wav("it ends before its samples")


def _parse_layout(body: bytes) -> tuple[int, int]:
    """Return channels and Hz."""
    if len(body) < 16:
        raise _not_wav("its format chunk is too short")
    code, channels, sample_rate, _, frame_bytes, bits = struct.unpack("<HHIIHH", body[:16])
    if code == _EXTENSIBLE and len(body) >= 26:
        code = int.from_bytes(body[24:26], "little")  # the GUID of a format opens with its code
    if code != _PCM or bits != 16:
        raise ClipRefused(
            "loading_audio: only 16-bit PCM is supported; please provide 16-bit PCM audio"
        )
    if channels == 0 or frame_bytes != 2 * channels:
        raise _not_wav("its format chunk contradicts itself")
    return channels, sample_rate


def _read_samples(rest: bytes, size: int, channels: int, sample_rate: int) -> _Pcm:
    if size > MAX_AUDIO_BYTES:
        raise _too_big(MAX_AUDIO_BYTES)
    if size % (2 * channels):
        raise _not_wav("its samples are not a whole number of audio frames")
    if len(rest) < size:
        raise ClipRefused("loading_audio could not be read as 16-bit PCM: it ends too early")
    return _Pcm(rest[:size], sample_rate, channels)
