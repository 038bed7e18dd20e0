import io
import struct
import wave

import numpy as np
import pytest

from sayna.audio import g711
from sayna.audio.wav import NotWav, parse_wav, render_header, settle_header

SAMPLES = np.array([[0, 1], [-32_768, 32_767], [1_000, -1_000]], np.int16)


def riff(*chunks: tuple[bytes, bytes]) -> bytes:
    body = b"".join(
        name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)
        for name, data in chunks
    )
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WAVE" + body


def layout(code: int, channels: int, rate: int, width: int) -> bytes:
    frame = channels * width
    return struct.pack("<HHIIHH", code, channels, rate, rate * frame, frame, 8 * width)


def test_a_file_of_the_standard_library_is_read() -> None:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(2)
        writer.setsampwidth(2)
        writer.setframerate(44_100)
        writer.writeframes(SAMPLES.tobytes())
    wav = parse_wav(file.getvalue())
    assert (wav.sample_rate, wav.channels) == (44_100, 2)
    assert np.array_equal(wav.samples, SAMPLES)
    assert wav.linear16 == SAMPLES.tobytes()


def test_our_header_is_read_by_the_standard_library() -> None:
    file = render_header(24_000, channels=2, data_bytes=12) + SAMPLES.tobytes()
    with wave.open(io.BytesIO(file)) as reader:
        assert (reader.getframerate(), reader.getnchannels(), reader.getnframes()) == (24_000, 2, 3)


def test_chunks_around_the_samples_are_passed_over_even_odd_ones() -> None:
    file = riff(
        (b"LIST", b"odd"),
        (b"fmt ", layout(1, 1, 8_000, 2)),
        (b"fact", b"12345"),
        (b"data", b"\1\0"),
    )
    assert parse_wav(file).samples.tolist() == [[1]]


def test_an_extensible_header_tells_its_real_format() -> None:
    guid = struct.pack("<H", 3) + bytes.fromhex("000000001000800000aa00389b71")
    fmt = layout(0xFFFE, 1, 48_000, 4) + struct.pack("<HHI", 22, 32, 4) + guid
    file = riff((b"fmt ", fmt), (b"data", struct.pack("<2f", 0.5, -2.0)))
    assert parse_wav(file).samples.tolist() == [[16_383], [-32_767]]


@pytest.mark.parametrize(
    ("code", "width", "data", "samples"),
    [
        (1, 1, b"\x00\x80\xff", [-32_768, 0, 32_512]),
        (1, 3, b"\xff\x01\x00\x00\x00\x80", [1, -32_768]),
        (1, 4, b"\xff\xff\x02\x00", [2]),
        (3, 8, struct.pack("<d", 1.0), [32_767]),
        (6, 1, b"\xd5\x2a", [8, -32_256]),
        (7, 1, b"\xff\x00", [0, -32_124]),
    ],
)
def test_every_common_kind_of_sample_is_read(
    code: int, width: int, data: bytes, samples: list[int]
) -> None:
    file = riff((b"fmt ", layout(code, 1, 8_000, width)), (b"data", data))
    assert parse_wav(file).samples[:, 0].tolist() == samples


def test_a_streamed_file_is_read_to_its_end() -> None:
    assert parse_wav(render_header(16_000) + bytes(10)).samples.shape == (5, 1)


def test_a_streamed_file_gets_its_length_once_it_is_known() -> None:
    settled = settle_header(render_header(16_000) + b"\1\2\3\4")
    assert settled == render_header(16_000, data_bytes=4) + b"\1\2\3\4"


@pytest.mark.parametrize("audio", [b"", b"ID3 something else", render_header(8_000, data_bytes=0)])
def test_other_audio_keeps_its_bytes(audio: bytes) -> None:
    assert settle_header(audio) == audio


def test_half_a_frame_at_the_end_is_left_out() -> None:
    file = riff((b"fmt ", layout(1, 2, 8_000, 2)), (b"data", bytes(7)))
    assert parse_wav(file).samples.shape == (1, 2)


@pytest.mark.parametrize(
    ("file", "why"),
    [
        (b"", "not a WAV"),
        (b"OggS" + bytes(40), "not a WAV"),
        (riff((b"data", b"\1\0")), "before its format"),
        (riff((b"fmt ", layout(1, 1, 8_000, 2))), "no samples"),
        (riff((b"fmt ", b"short")), "too short"),
        (riff((b"fmt ", layout(1, 0, 8_000, 2)), (b"data", b"")), "no sense"),
        (riff((b"fmt ", layout(0x55, 1, 8_000, 1)), (b"data", b"")), "format 85"),
    ],
)
def test_what_cannot_be_read_says_why(file: bytes, why: str) -> None:
    with pytest.raises(NotWav, match=why):
        parse_wav(file)


def test_the_laws_of_telephony_agree_with_their_module() -> None:
    file = riff((b"fmt ", layout(7, 1, 8_000, 1)), (b"data", bytes(range(256))))
    assert np.array_equal(parse_wav(file).samples[:, 0], g711.decode_mulaw(bytes(range(256))))
