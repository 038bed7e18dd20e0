"""G.711, the two companding laws of telephony: 8 bits for each 16-bit sample.

Everything is a table: 256 entries to decode, 65 536 to encode, made once at import.
Source: ITU-T G.711 (11/88), tables 1a to 2b; negative numbers by one's complement as in the
software tool library G.191.
"""

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.int16]
Codes = NDArray[np.uint8]


def _mulaw_values() -> Samples:
    codes = ~np.arange(256, dtype=np.uint8)
    segment = (codes >> 4 & 7).astype(np.int32)
    step = (codes & 15).astype(np.int32)
    size = ((step << 3) + 132 << segment) - 132
    return np.where(codes & 0x80, -size, size).astype(np.int16)


def _alaw_values() -> Samples:
    codes = np.arange(256, dtype=np.uint8) ^ 0x55
    segment = (codes >> 4 & 7).astype(np.int32)
    step = (codes & 15).astype(np.int32)
    size = np.where(segment == 0, (step << 4) + 8, (step << 4) + 264 << np.maximum(segment - 1, 0))
    return np.where(codes & 0x80, size, -size).astype(np.int16)


def _magnitudes() -> tuple[NDArray[np.bool_], NDArray[np.int32]]:
    """Sign and one's complement size of each 16-bit pattern, by its unsigned value."""
    every = np.arange(65_536, dtype=np.uint16).view(np.int16).astype(np.int32)
    return every < 0, np.where(every < 0, ~every, every)


def _mulaw_codes() -> Codes:
    negative, size = _magnitudes()
    biased = np.minimum((size >> 2) + 33, 0x1FFF)
    segment = np.floor(np.log2(biased)).astype(np.int32) - 5
    code = segment << 4 | biased >> segment + 1 & 15
    codes: Codes = (~np.where(negative, code | 0x80, code)).astype(np.uint8)
    return codes


def _alaw_codes() -> Codes:
    negative, size = _magnitudes()
    short = size >> 4
    segment = np.maximum(np.floor(np.log2(np.maximum(short, 1))).astype(np.int32) - 3, 0)
    code = np.where(segment == 0, short, segment << 4 | short >> np.maximum(segment - 1, 0) & 15)
    codes: Codes = (np.where(negative, code, code | 0x80) ^ 0x55).astype(np.uint8)
    return codes


_MULAW_VALUES, _ALAW_VALUES = _mulaw_values(), _alaw_values()
_MULAW_CODES, _ALAW_CODES = _mulaw_codes(), _alaw_codes()


def decode_mulaw(codes: bytes) -> Samples:
    """Return one int16 sample for each byte of mu-law."""
    return _MULAW_VALUES[np.frombuffer(codes, np.uint8)]


def decode_alaw(codes: bytes) -> Samples:
    """Return one int16 sample for each byte of A-law."""
    return _ALAW_VALUES[np.frombuffer(codes, np.uint8)]


def encode_mulaw(samples: Samples) -> bytes:
    """Return one byte of mu-law for each int16 sample."""
    return _MULAW_CODES[samples.view(np.uint16)].tobytes()


def encode_alaw(samples: Samples) -> bytes:
    """Return one byte of A-law for each int16 sample."""
    return _ALAW_CODES[samples.view(np.uint16)].tobytes()
