"""What the server and its model workers say to each other, as msgpack structs.

`lane` numbers one stream or one utterance within a worker; a number is never used twice.
Audio is s16le mono: 16 kHz to recognizers, at the voice's own rate from synthesizers.
"""

import msgspec


class Load(msgspec.Struct, frozen=True, tag="load"):
    """First message: load this model."""

    engine: str
    """Name of an engine, such as `vosk`."""
    files: dict[str, str]
    """What each of the model's files is, to its path."""
    threads: int


class Open(msgspec.Struct, frozen=True, tag="open"):
    """A caller starts to listen."""

    lane: int
    language: str


class Audio(msgspec.Struct, frozen=True, tag="audio"):
    """More of what the caller said."""

    lane: int
    pcm: bytes
    backlog_ms: float
    """Audio that waits behind this; an engine in arrears leaves luxuries out."""


class Finalize(msgspec.Struct, frozen=True, tag="finalize"):
    """Close the segment now."""

    lane: int


class Finish(msgspec.Struct, frozen=True, tag="finish"):
    """No audio follows: say the rest, then `Finished`."""

    lane: int


class Speak(msgspec.Struct, frozen=True, tag="speak"):
    """Say a text."""

    lane: int
    text: str
    voice: str
    speaking_rate: float


class More(msgspec.Struct, frozen=True, tag="more"):
    """One chunk was used: one more may be sent."""

    lane: int


class Close(msgspec.Struct, frozen=True, tag="close"):
    """Nobody reads this lane any more."""

    lane: int


ToRecognizer = Load | Open | Audio | Finalize | Finish | Close
ToSynthesizer = Load | Speak | More | Close


class Loaded(msgspec.Struct, frozen=True, tag="loaded"):
    """The model is ready."""

    sample_rate: int
    """Hz, of the audio that the engine takes or makes."""
    voices: tuple[str, ...] = ()
    """Names within the model, if it has several voices."""


class Unloadable(msgspec.Struct, frozen=True, tag="unloadable"):
    """The model cannot be loaded; the worker ends."""

    why: str
    """The kind of exception; its text may hold paths and is not passed on."""


class Heard(msgspec.Struct, frozen=True, tag="heard"):
    """So much audio was worked through."""

    lane: int
    audio_bytes: int


class Result(msgspec.Struct, frozen=True, tag="result"):
    """Text, as `sayna.speech.events.Transcript`."""

    lane: int
    text: str
    is_final: bool
    is_speech_final: bool
    confidence: float


class Finished(msgspec.Struct, frozen=True, tag="finished"):
    """The lane has said all it will say."""

    lane: int


class Sound(msgspec.Struct, frozen=True, tag="sound"):
    """A chunk of an utterance."""

    lane: int
    pcm: bytes


class Broken(msgspec.Struct, frozen=True, tag="broken"):
    """The engine raised on this lane: an utterance is over, a stream was begun anew."""

    lane: int
    why: str


FromWorker = Loaded | Unloadable | Heard | Result | Finished | Sound | Broken
