"""The names that clients use for kinds of audio, and what a sample of each weighs."""

SPEECH_IN = ("linear16", "pcm", "mulaw", "ulaw", "alaw", "linear32")
"""`stt_config.encoding` names that can be converted here."""

SPEECH_OUT = ("linear16", "pcm", "wav", "mulaw", "ulaw", "alaw")
"""`tts_config.audio_format` names that can be made here."""

_SAMPLE_BYTES = {"linear16": 2, "pcm": 2, "mulaw": 1, "ulaw": 1, "alaw": 1, "linear32": 4}


def sample_bytes(name: str) -> int | None:
    """Return the bytes of one sample of one channel; None when a format has no fixed size."""
    return _SAMPLE_BYTES.get(name)


def is_raw(name: str) -> bool:
    """Tell whether audio of this name is bare samples, without a container or a codec's frames."""
    return name in _SAMPLE_BYTES
