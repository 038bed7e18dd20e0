"""The shapes that model engines have inside their worker processes; all of it blocks."""

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Protocol, cast

from sayna.speech.events import Transcript

Files = Mapping[str, str]
"""What each of a model's files is, to its path; the engine's module names them."""


class RecognizerStream(Protocol):
    """One caller within a loaded model."""

    def accept(self, pcm: bytes, backlog_ms: float) -> Iterator[Transcript]:
        """Take s16le mono at 16 kHz, yield what became known."""
        ...

    def finalize(self) -> Iterator[Transcript]:
        """Close the segment; the stream goes on."""
        ...


class RecognizerModel(Protocol):
    """A loaded speech-to-text model."""

    def open_stream(self, language: str) -> RecognizerStream:
        """Begin to listen to one caller; the language is as in `stt_config`, such as `en-US`."""
        ...


class SynthesizerModel(Protocol):
    """A loaded text-to-speech model."""

    @property
    def sample_rate(self) -> int:
        """Hz, of what `say` yields."""
        ...

    @property
    def voices(self) -> tuple[str, ...]:
        """Names within the model; empty when it has one voice."""
        ...

    def say(self, sentence: str, voice: str, speaking_rate: float) -> Iterator[bytes]:
        """Yield one sentence as s16le mono, in one or more chunks."""
        ...


class _RecognizerModule(Protocol):
    def load(self, files: Files, threads: int) -> RecognizerModel: ...


class _SynthesizerModule(Protocol):
    def load(self, files: Files, threads: int) -> SynthesizerModel: ...


def load_recognizer(engine: str, files: Files, threads: int) -> RecognizerModel:
    """Import the engine's adapter and load a model with it. Raises whatever the engine raises."""
    module = cast("_RecognizerModule", import_module(f"sayna.providers.local.{engine}"))
    return module.load(files, threads)


def load_synthesizer(engine: str, files: Files, threads: int) -> SynthesizerModel:
    """Import the engine's adapter and load a voice with it. Raises whatever the engine raises."""
    module = cast("_SynthesizerModule", import_module(f"sayna.providers.local.{engine}"))
    return module.load(files, threads)
