"""What a caller asks of a recognizer or a synthesizer, independent of any vendor."""

from collections.abc import Mapping
from dataclasses import dataclass, field

Credentials = Mapping[str, str]
"""A vendor's credentials, complete: `{"api_key": …}`, `{"credentials": …}` or empty for `local`."""


@dataclass(frozen=True, slots=True)
class Pronunciation:
    """Say `spoken` wherever the text has `word`."""

    word: str
    spoken: str


@dataclass(frozen=True, slots=True)
class RecognizerOptions:
    """One speech-to-text stream, as `stt_config` describes it."""

    provider: str
    """Canonical name, lower case."""
    language: str = "en-US"
    sample_rate: int = 16_000
    """Hz, of the audio that the client sends."""
    channels: int = 1
    encoding: str = "linear16"
    punctuation: bool = True
    model: str = ""
    credentials: Credentials = field(default_factory=dict[str, str], repr=False)


@dataclass(frozen=True, slots=True)
class SynthesizerOptions:
    """One text-to-speech voice, as `tts_config` describes it."""

    provider: str
    """Canonical name, lower case."""
    model: str = ""
    voice_id: str | None = None
    """None: the provider's own default."""
    speaking_rate: float = 1.0
    audio_format: str = "linear16"
    sample_rate: int = 24_000
    """Hz, of the audio that the client wants."""
    connection_timeout_s: float = 30.0
    request_timeout_s: float = 60.0
    credentials: Credentials = field(default_factory=dict[str, str], repr=False)
