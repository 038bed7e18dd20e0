"""Known values: ITU-T G.711, tables 1a to 2b, scaled to 16 bits."""

import numpy as np
import pytest

from sayna.audio.g711 import decode_alaw, decode_mulaw, encode_alaw, encode_mulaw

EVERY_CODE = bytes(range(256))


@pytest.mark.parametrize(
    ("code", "value"),
    [
        (0x80, 32_124),
        (0x00, -32_124),
        (0x8F, 16_764),
        (0xF0, 120),
        (0xFE, 8),
        (0xFF, 0),
        (0x7E, -8),
    ],
)
def test_mulaw_codes_have_the_values_of_the_table(code: int, value: int) -> None:
    assert decode_mulaw(bytes([code]))[0] == value


@pytest.mark.parametrize(
    ("code", "value"),
    [(0xAA, 32_256), (0x2A, -32_256), (0xD5, 8), (0x55, -8), (0xC5, 264), (0xA5, 16_896)],
)
def test_alaw_codes_have_the_values_of_the_table(code: int, value: int) -> None:
    assert decode_alaw(bytes([code]))[0] == value


def test_every_mulaw_code_survives_a_round_trip_but_negative_zero() -> None:
    back = encode_mulaw(decode_mulaw(EVERY_CODE))
    assert [code for code in EVERY_CODE if back[code] != code] == [0x7F]
    assert back[0x7F] == 0xFF


def test_every_alaw_code_survives_a_round_trip() -> None:
    assert encode_alaw(decode_alaw(EVERY_CODE)) == EVERY_CODE


@pytest.mark.parametrize("sample", [-32_768, -1, 0, 1, 32_767])
def test_the_loudest_and_the_softest_samples_keep_their_sign(sample: int) -> None:
    samples = np.array([sample], np.int16)
    for there, back in ((encode_mulaw, decode_mulaw), (encode_alaw, decode_alaw)):
        value = int(back(there(samples))[0])
        assert abs(value - sample) <= 644  # half a step of the coarsest segment, plus clipping
        assert value * sample >= 0


def test_every_sample_comes_back_within_half_a_step() -> None:
    every = np.arange(-32_768, 32_768, dtype=np.int32).astype(np.int16)
    sizes = np.abs(every.astype(np.int32))
    for there, back in ((encode_mulaw, decode_mulaw), (encode_alaw, decode_alaw)):
        error = np.abs(back(there(every)).astype(np.int32) - every)
        heard = sizes < 32_000  # what is louder is clipped
        assert int(np.max(error[heard] - sizes[heard] // 32)) <= 8


def test_a_larger_sample_never_gets_a_smaller_value() -> None:
    every = np.arange(-32_768, 32_768, dtype=np.int32).astype(np.int16)
    for there, back in ((encode_mulaw, decode_mulaw), (encode_alaw, decode_alaw)):
        assert np.all(np.diff(back(there(every)).astype(np.int32)) >= 0)
