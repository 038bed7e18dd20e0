import json
import zlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sayna.speech.protocols import AudioFormat
from sayna.storage.speech_file import (
    HEADING_BYTES,
    MAGIC,
    StoredSpeech,
    UnsoundFile,
    parse_speech,
    render_speech,
)

KEY = "ab" * 32
SPEECH = StoredSpeech(b"\0\xff\n" * 100, AudioFormat("linear16", 24_000), 1000.0, 1600.5)
FILE = render_speech(KEY, SPEECH)


def vouched(facts: object, audio: bytes) -> bytes:
    """Write a file whose first line is right whatever the rest says."""
    rest = json.dumps(facts).encode() + b"\n" + audio
    return MAGIC + f"{zlib.crc32(rest):08x}\n".encode() + rest


def facts(**changed: object) -> dict[str, object]:
    line: dict[str, object] = json.loads(FILE[HEADING_BYTES:].partition(b"\n")[0])
    return line | changed


def test_a_file_says_what_it_is() -> None:
    first, second, _ = FILE.split(b"\n", 2)
    assert first.startswith(b"SAYNA-SPEECH 1 ")
    assert json.loads(second) == {
        "key": KEY,
        "created_s": 1000.0,
        "expires_s": 1600.5,
        "audio_format": "linear16",
        "sample_rate": 24_000,
        "bytes": 300,
    }


@given(st.binary(min_size=1, max_size=400), st.text(max_size=20), st.integers(0, 200_000))
def test_what_was_written_is_read(audio: bytes, name: str, rate: int) -> None:
    speech = replace(SPEECH, audio=audio, audio_format=AudioFormat(name, rate))
    assert parse_speech(KEY, render_speech(KEY, speech)) == speech


def test_no_file_cut_short_anywhere_is_taken_for_sound() -> None:
    for end in range(len(FILE)):
        with pytest.raises(UnsoundFile):
            parse_speech(KEY, FILE[:end])


@given(st.integers(0, len(FILE) - 1), st.integers(1, 255))
def test_no_file_with_a_wrong_byte_is_taken_for_sound(at: int, difference: int) -> None:
    wrong = bytearray(FILE)
    wrong[at] ^= difference
    with pytest.raises(UnsoundFile):
        parse_speech(KEY, bytes(wrong))


@pytest.mark.parametrize(
    "file",
    [
        b"",
        b"RIFF....WAVE",
        FILE + b"\0",
        FILE.replace(b"SPEECH 1", b"SPEECH 2"),
        vouched(facts(), SPEECH.audio + b"\0"),
        vouched(facts(bytes=0), b""),
        vouched(facts(key="cd" * 32), SPEECH.audio),
        vouched(facts(expires_s="soon"), SPEECH.audio),
        vouched(["facts"], SPEECH.audio),
        vouched(facts(audio_format="x" * 2000), SPEECH.audio),
    ],
)
def test_a_file_of_somebody_else_is_unsound(file: bytes) -> None:
    with pytest.raises(UnsoundFile):
        parse_speech(KEY, file)


def test_speech_is_live_until_its_date_or_until_a_shorter_limit_of_today() -> None:
    assert SPEECH.is_live(1600.4, 10_000)
    assert not SPEECH.is_live(1600.5, 10_000)
    assert SPEECH.is_live(1099.0, 100)
    assert not SPEECH.is_live(1100.0, 100)
