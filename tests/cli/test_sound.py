"""Sounds are read from WAV files, written to them and cut into equal frames."""

import io
import wave
from pathlib import Path

import pytest

from sayna.audio.wav import NotWav
from sayna.cli.sound import Sound


def test_a_sound_survives_being_written_and_read(tmp_path: Path) -> None:
    sound = Sound(b"\x01\x00\x02\x00\x03\x00\x04\x00", 22_050, 2)
    file = tmp_path / "a.wav"
    file.write_bytes(sound.to_wav())
    assert Sound.read(file) == sound


def test_other_programs_can_read_what_is_written() -> None:
    with wave.open(io.BytesIO(Sound(b"\x01\x00" * 5, 8_000).to_wav())) as other:
        assert (other.getnchannels(), other.getframerate(), other.getsampwidth()) == (1, 8_000, 2)
        assert other.readframes(9) == b"\x01\x00" * 5


def test_a_file_that_is_no_wav_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "a.wav"
    file.write_bytes(b"hello")
    with pytest.raises(NotWav):
        Sound.read(file)


def test_frames_are_all_full_and_end_in_silence() -> None:
    sound = Sound(b"\x01\x00" * 200, 8_000)  # 25 ms
    frames = list(sound.frames(20, tail_ms=40))
    assert [len(frame) for frame in frames] == [320] * 4
    assert b"".join(frames) == sound.pcm + bytes(240 + 640)


def test_without_a_tail_only_the_last_frame_is_filled_up() -> None:
    assert list(Sound(b"\x01\x00" * 160, 8_000).frames(20)) == [b"\x01\x00" * 160]
    assert list(Sound(b"", 8_000).frames(20)) == []


def test_a_sound_knows_how_long_it_lasts() -> None:
    assert Sound(bytes(32_000), 8_000, 2).duration_s == 1.0
