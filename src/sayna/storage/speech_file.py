"""One utterance as a file: a line that vouches for the rest, a line of facts in JSON, the audio.

    SAYNA-SPEECH 1 <CRC-32 of all that follows this line, 8 hex digits>
    {"key", "created_s", "expires_s", "audio_format", "sample_rate", "bytes"}
    <audio>

Bytes in, values out. No I/O happens here.
"""

import zlib
from dataclasses import dataclass

import msgspec

from sayna.speech.protocols import AudioFormat

MAGIC = b"SAYNA-SPEECH 1 "
HEADING_BYTES = len(MAGIC) + 8 + 1
MAX_FACTS_BYTES = 1024


@dataclass(frozen=True, slots=True)
class StoredSpeech:
    """One complete utterance, as a synthesizer delivered it."""

    audio: bytes
    audio_format: AudioFormat
    created_s: float
    """Seconds since 1970."""
    expires_s: float
    """Seconds since 1970 from which on it must not be used."""

    def is_live(self, now_s: float, ttl_s: float) -> bool:
        """Tell whether it may be used: by its own date, and by a limit set since it was made."""
        return now_s < min(self.expires_s, self.created_s + ttl_s)


class UnsoundFile(ValueError):
    """Truncated, corrupted, or never written by us."""


class _Facts(msgspec.Struct, frozen=True):
    key: str
    created_s: float
    expires_s: float
    audio_format: str
    sample_rate: int
    bytes: int


def render_speech(key: str, speech: StoredSpeech) -> bytes:
    """Return the whole file.

    Args:
        key: what the utterance is found by; a file that was renamed is noticed by it.
        speech: what to keep.
    """
    facts = _Facts(
        key=key,
        created_s=speech.created_s,
        expires_s=speech.expires_s,
        audio_format=speech.audio_format.name,
        sample_rate=speech.audio_format.sample_rate,
        bytes=len(speech.audio),
    )
    rest = b"%b\n%b" % (msgspec.json.encode(facts), speech.audio)
    return b"%b%08x\n%b" % (MAGIC, zlib.crc32(rest), rest)


def parse_speech(key: str, file: bytes) -> StoredSpeech:
    """Read a whole file back.

    Args:
        key: what it was looked up by.
        file: all of its bytes.

    Raises:
        UnsoundFile: it is not what `render_speech` made for this key.
    """
    heading, rest = file[:HEADING_BYTES], memoryview(file)[HEADING_BYTES:]
    if heading != b"%b%08x\n" % (MAGIC, zlib.crc32(rest)):
        raise UnsoundFile("the first line does not vouch for the rest")
    end = file.find(b"\n", HEADING_BYTES, HEADING_BYTES + MAX_FACTS_BYTES)
    if end < 0:
        raise UnsoundFile("there is no line of facts")
    try:
        facts = msgspec.json.decode(file[HEADING_BYTES:end], type=_Facts)
    except msgspec.DecodeError as error:
        raise UnsoundFile("the line of facts cannot be read") from error
    audio = file[end + 1 :]
    if facts.key != key or facts.bytes != len(audio) or not audio:
        raise UnsoundFile("the facts are about another file")
    audio_format = AudioFormat(facts.audio_format, facts.sample_rate)
    return StoredSpeech(audio, audio_format, facts.created_s, facts.expires_s)
