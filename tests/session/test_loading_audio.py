import base64
import struct

import numpy as np
import pytest

from sayna.session.loading_audio import MAX_PAYLOAD_BYTES, ClipRefused, ClipRequest, read_clip

RATE_HZ = 16_000


def encoded(audio: bytes) -> str:
    return base64.b64encode(audio).decode()


def raw(seconds: float = 0.5, **fields: object) -> ClipRequest:
    given: dict[str, object] = {"sample_rate": RATE_HZ, "channels": 1, **fields}
    return ClipRequest(encoded(bytes(round(seconds * RATE_HZ) * 2)), **given)  # type: ignore[arg-type]  # as the caller says


def wav(
    audio: bytes = bytes(RATE_HZ),
    *,
    code: int = 1,
    channels: int = 1,
    rate: int = RATE_HZ,
    bits: int = 16,
    declared: int | None = None,
) -> bytes:
    frame = channels * bits // 8
    layout = struct.pack("<HHIIHH", code, channels, rate, rate * frame, frame, bits)
    size = len(audio) if declared is None else declared
    return b"".join(
        (
            b"RIFF\xff\xff\xff\xffWAVE",
            b"LIST\x03\x00\x00\x00abc\x00",
            b"fmt " + struct.pack("<I", len(layout)) + layout,
            b"data" + struct.pack("<I", size) + audio,
        )
    )


def test_raw_samples_become_a_clip() -> None:
    clip = read_clip(ClipRequest(encoded(struct.pack("<4h", 1, 2, 3, -4) * 2000), "pcm", 8000, 2))
    assert clip.sample_rate == 8000
    assert clip.samples.shape == (4000, 2)
    assert clip.samples[:2].tolist() == [[1, 2], [3, -4]]


@pytest.mark.parametrize("container", [None, "wav", " WAV "])
def test_a_wav_file_brings_its_own_rate_and_channels(container: str | None) -> None:
    clip = read_clip(ClipRequest(encoded(wav(channels=2)), container, sample_rate=1, channels=9))
    assert clip.sample_rate == RATE_HZ
    assert clip.samples.shape == (4000, 2)


def test_a_wav_file_called_pcm_is_taken_as_samples() -> None:
    assert len(read_clip(ClipRequest(encoded(wav()), "pcm", RATE_HZ)).samples) > RATE_HZ // 2


@pytest.mark.parametrize(
    ("volume", "loudest"), [(None, 1000), (1.0, 1000), (0.5, 500), (0.0, 0), (7.0, 1000), (-1.0, 0)]
)
def test_the_volume_is_clamped_and_applied(volume: float | None, loudest: int) -> None:
    audio = np.full(RATE_HZ, 1000, "<i2").tobytes()
    clip = read_clip(ClipRequest(encoded(audio), sample_rate=RATE_HZ, volume=volume))
    assert clip.samples.max() == loudest


@pytest.mark.parametrize(
    ("request_", "text"),
    [
        (
            ClipRequest("A" * ((MAX_PAYLOAD_BYTES + 2) // 3 * 4)),
            "loading_audio.data decoded audio would exceed the maximum size of 1924096 bytes",
        ),
        (ClipRequest("A==="), "loading_audio.data is not valid base64"),
        (ClipRequest("AA A"), "loading_audio.data is not valid base64"),
        (ClipRequest("AAAA="), "loading_audio.data is not valid base64"),
        (ClipRequest("AAAA===="), "loading_audio.data is not valid base64"),
        (ClipRequest("AB=="), "loading_audio.data is not valid base64"),
        (ClipRequest("AAB="), "loading_audio.data is not valid base64"),
        (ClipRequest("-_AA"), "loading_audio.data is not valid base64"),
        (ClipRequest("é"), "loading_audio.data is not valid base64"),
        (raw(container="mp3"), 'loading_audio.format must be "wav" or "pcm"'),
        (raw(sample_rate=None), "sample_rate is required for raw PCM loading_audio"),
        (raw(channels=0), "loading_audio raw PCM length is not frame-aligned"),
        (raw(0.49994, channels=2), "loading_audio raw PCM length is not frame-aligned"),
        (raw(0.75, channels=3), "loading_audio supports mono or stereo only"),
        (
            raw(sample_rate=7999),
            "loading_audio sample rate must be between 8000 Hz and 48000 Hz",
        ),
        (
            raw(sample_rate=48_001),
            "loading_audio sample rate must be between 8000 Hz and 48000 Hz",
        ),
        (raw(0.2499), "loading_audio is too short; the minimum duration is 250 ms"),
        (raw(0.0), "loading_audio is too short; the minimum duration is 250 ms"),
        (raw(10.001), "loading_audio is too long; the maximum duration is 10000 ms"),
    ],
)
def test_a_clip_is_refused_with_the_documented_text(request_: ClipRequest, text: str) -> None:
    with pytest.raises(ClipRefused) as refused:
        read_clip(request_)
    assert str(refused.value) == text


@pytest.mark.parametrize(
    ("file", "text"),
    [
        (wav()[:20], "loading_audio is not a valid WAV file: "),
        (b"RIFF" + wav()[8:], "loading_audio is not a valid WAV file: "),
        (wav(channels=0), "loading_audio is not a valid WAV file: "),
        (wav(audio=bytes(8001)), "loading_audio is not a valid WAV file: "),
        (
            wav(bits=8),
            "loading_audio: only 16-bit PCM is supported; please provide 16-bit PCM audio",
        ),
        (wav(code=3, bits=32), "loading_audio: only 16-bit PCM is supported"),
        (wav(declared=40_000), "loading_audio could not be read as 16-bit PCM: "),
        (
            wav(declared=1_920_002),
            "loading_audio.data decoded audio exceeds the maximum size of 1920000 bytes",
        ),
        (wav(channels=3, audio=bytes(24_000)), "loading_audio supports mono or stereo only"),
        (wav(rate=96_000), "loading_audio sample rate must be between"),
    ],
)
def test_a_wav_file_is_refused_with_the_documented_text(file: bytes, text: str) -> None:
    with pytest.raises(ClipRefused) as refused:
        read_clip(ClipRequest(encoded(file), "wav"))
    assert str(refused.value).startswith(text)


@pytest.mark.parametrize("milliseconds", [250, 10_000])
def test_the_shortest_and_the_longest_clip_are_accepted(milliseconds: int) -> None:
    clip = read_clip(raw(milliseconds / 1000))
    assert len(clip.samples) == milliseconds * RATE_HZ // 1000
