import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sayna.audio import g711
from sayna.audio.convert import Inbound, Outbound
from sayna.audio.wav import HEADER_BYTES, parse_wav

RAMP = np.arange(-8_000, 8_000, 7, dtype=np.int16)


def converted(inbound: Inbound, audio: bytes) -> bytes:
    return inbound.feed(audio) + inbound.finish()


def test_what_already_fits_comes_back_as_it_is() -> None:
    audio = RAMP.tobytes()
    assert converted(Inbound("linear16", 16_000, 1, 16_000), audio) == audio
    assert converted(Inbound("pcm", 16_000, 1, 16_000), audio) == audio


@pytest.mark.parametrize(
    ("encoding", "code"),
    [("mulaw", g711.encode_mulaw), ("ulaw", g711.encode_mulaw), ("alaw", g711.encode_alaw)],
)
def test_telephone_audio_is_decoded(encoding: str, code: object) -> None:
    assert callable(code)
    audio = code(RAMP)
    decoded = np.frombuffer(converted(Inbound(encoding, 8_000, 1, 8_000), audio), np.int16)
    assert np.max(np.abs(decoded.astype(int) - RAMP)) < 260


def test_floats_are_scaled_clipped_and_never_noise() -> None:
    audio = np.array([0.0, 0.5, -1.0, 9.0, -9.0, np.nan, np.inf], "<f4").tobytes()
    out = np.frombuffer(converted(Inbound("linear32", 16_000, 1, 16_000), audio), np.int16)
    assert out.tolist() == [0, 16_383, -32_767, 32_767, -32_767, 0, 32_767]


@pytest.mark.parametrize("channels", range(1, 9))
def test_channels_are_mixed_to_their_mean(channels: int) -> None:
    frame = np.arange(channels, dtype=np.int16) * 1_000
    audio = np.tile(frame, 50).tobytes()
    out = np.frombuffer(converted(Inbound("linear16", 16_000, channels, 16_000), audio), np.int16)
    assert out.tolist() == [500 * (channels - 1)] * 50


def test_eight_loud_channels_do_not_overflow() -> None:
    audio = np.full(80, -32_768, np.int16).tobytes()
    out = np.frombuffer(converted(Inbound("linear16", 16_000, 8, 16_000), audio), np.int16)
    assert out.tolist() == [-32_768] * 10


@settings(max_examples=60, deadline=None)
@given(
    encoding=st.sampled_from(["linear16", "mulaw", "alaw", "linear32"]),
    channels=st.integers(1, 3),
    rate=st.sampled_from([8_000, 16_000, 44_100]),
    cuts=st.lists(st.integers(0, 4_000), max_size=10),
)
def test_how_the_audio_is_cut_is_not_heard(
    encoding: str, channels: int, rate: int, cuts: list[int]
) -> None:
    audio = np.random.default_rng(3).bytes(4_000)
    inbound = Inbound(encoding, rate, channels, 16_000)
    edges = [0, *sorted(cuts), len(audio)]
    pieces = [inbound.feed(audio[a:b]) for a, b in itertools.pairwise(edges)]
    out = np.frombuffer(b"".join([*pieces, inbound.finish()]), np.int16).astype(int)
    whole = np.frombuffer(converted(Inbound(encoding, rate, channels, 16_000), audio), np.int16)
    assert out.size == whole.size
    dither = 0 if rate == 16_000 else 2
    assert int(np.max(np.abs(out - whole), initial=0)) <= dither


def test_a_flush_brings_out_what_the_filter_held_and_the_stream_goes_on() -> None:
    inbound = Inbound("linear16", 8_000, 1, 16_000)
    first = inbound.feed(bytes(1_600)) + inbound.flush()
    second = inbound.feed(bytes(1_600)) + inbound.flush()
    assert len(first) == len(second) == 3_200


@pytest.mark.parametrize(
    ("encoding", "rate", "channels", "field"),
    [
        ("flac", 16_000, 1, "stt_config.encoding"),
        ("", 16_000, 1, "stt_config.encoding"),
        ("linear16", 0, 1, "stt_config.sample_rate"),
        ("linear16", 7_999, 1, "stt_config.sample_rate"),
        ("linear16", 192_001, 1, "stt_config.sample_rate"),
        ("linear16", 16_000, 0, "stt_config.channels"),
        ("linear16", 16_000, 9, "stt_config.channels"),
    ],
)
def test_the_field_that_cannot_be_is_named(
    encoding: str, rate: int, channels: int, field: str
) -> None:
    with pytest.raises(ValueError, match=field):
        Inbound(encoding, rate, channels, 16_000)


def test_an_unknown_encoding_is_told_the_known_ones() -> None:
    with pytest.raises(ValueError, match="linear16, pcm, mulaw, ulaw, alaw"):
        Inbound("opus", 16_000, 1, 16_000)


@pytest.mark.parametrize(
    ("audio_format", "sample_bytes"),
    [("linear16", 2), ("pcm", 2), ("mulaw", 1), ("ulaw", 1), ("alaw", 1)],
)
@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 24_000, 44_100, 48_000])
def test_a_second_of_speech_stays_a_second(audio_format: str, sample_bytes: int, rate: int) -> None:
    outbound = Outbound(22_050, audio_format, rate)
    audio = outbound.feed(bytes(44_100)) + outbound.finish()
    assert abs(len(audio) // sample_bytes - rate) <= 1


def test_a_wav_is_one_file_however_it_is_fed() -> None:
    outbound = Outbound(22_050, "wav", 24_000)
    speech = bytes(44_100)
    audio = b"".join(outbound.feed(speech[at : at + 999]) for at in range(0, 44_100, 999))
    wav = parse_wav(audio + outbound.finish())
    assert (wav.sample_rate, wav.channels) == (24_000, 1)
    assert abs(wav.samples.shape[0] - 24_000) <= 1


def test_a_wav_without_speech_is_an_empty_file() -> None:
    assert len(Outbound(22_050, "wav", 24_000).finish()) == HEADER_BYTES


@pytest.mark.parametrize(
    ("audio_format", "rate", "field"),
    [
        ("mp3", 24_000, "tts_config.audio_format"),
        ("linear16", 0, "tts_config.sample_rate"),
        ("linear16", 4_000_000_000, "tts_config.sample_rate"),
        ("linear16", 7_999, "8000 to 48000"),
    ],
)
def test_what_cannot_be_made_is_named(audio_format: str, rate: int, field: str) -> None:
    with pytest.raises(ValueError, match=field):
        Outbound(22_050, audio_format, rate)


def test_of_too_much_audio_the_end_is_taken() -> None:
    inbound = Inbound("linear16", 8_000, 1, 8_000)
    second = bytes(8_000) + b"\1\2" * 4_000
    assert inbound.skip(second, 1.0) == second
    assert inbound.feed(inbound.skip(second, 0.5)) == b"\1\2" * 4_000


@pytest.mark.parametrize("carried", [1, 2, 3])
def test_the_end_begins_with_a_whole_frame_whatever_was_carried(carried: int) -> None:
    inbound = Inbound("linear16", 8_000, 2, 8_000)
    stream = b"\1\0\1\0" * 1_000
    assert inbound.feed(stream[:carried]) == b""
    rest = inbound.skip(stream[carried:], 0.01)
    assert len(rest) in range(317, 321)
    assert inbound.feed(rest) == b"\1\0" * (len(rest) // 4)
    assert len(rest) % 4 == 0
