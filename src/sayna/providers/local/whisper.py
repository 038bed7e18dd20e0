"""Whisper models through faster-whisper: recognition of whole utterances (MIT).

Whisper hears segments, not streams: `segment` decides by loudness where one ends. While somebody
speaks, the segment so far is decoded about once a second as an interim, unless audio waits.
Runs in `recognizer_worker` only: it imports the engine, which blocks.
Source: the `faster-whisper` package 1.2 itself, `WhisperModel`, `transcribe`, `Segment`.
"""

import math
from collections.abc import Iterator
from importlib import import_module
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from sayna.providers.local.engines import Files
from sayna.providers.local.segment import Segment, Segmenter
from sayna.speech.events import Transcript

INTERIM_EVERY_MS = 1_000.0
INTERIM_BEAM, FINAL_BEAM = 1, 5

Samples = NDArray[np.float32]


class Decode(Protocol):
    """From sound to text."""

    def __call__(self, samples: Samples, language: str | None, beam: int) -> tuple[str, float]:
        """Return text and confidence of float samples at 16 kHz."""
        ...


class WhisperStream:
    """One caller."""

    def __init__(self, decode: Decode, language: str | None) -> None:
        self._decode = decode
        self._language = language
        self._segmenter = Segmenter()
        self._decoded_ms = 0.0
        self._interim = ""

    def accept(self, pcm: bytes, backlog_ms: float) -> Iterator[Transcript]:
        """Yield a final for each segment that ends here, or an interim when one is due."""
        for segment in self._segmenter.feed(pcm):
            yield from self._final(segment)
        due = self._segmenter.open_ms - self._decoded_ms >= INTERIM_EVERY_MS
        if due and backlog_ms <= 0:
            yield from self._guess()

    def finalize(self) -> Iterator[Transcript]:
        """Yield the open segment, if somebody is speaking."""
        if (segment := self._segmenter.close()) is not None:
            yield from self._final(segment)

    def _guess(self) -> Iterator[Transcript]:
        self._decoded_ms = self._segmenter.open_ms
        text, _ = self._decode(
            _to_float(self._segmenter.open_segment), self._language, INTERIM_BEAM
        )
        if text and text != self._interim:
            self._interim = text
            yield Transcript(text)

    def _final(self, segment: Segment) -> Iterator[Transcript]:
        self._decoded_ms, self._interim = 0.0, ""
        if not segment.has_speech:  # silence behind a segment that was cut for its length
            yield Transcript("", True, segment.is_speech_final)
            return
        text, confidence = self._decode(_to_float(segment.pcm), self._language, FINAL_BEAM)
        if text:
            yield Transcript(text, True, segment.is_speech_final, confidence)


class WhisperModel:
    """A loaded model. `engine` is a `faster_whisper.WhisperModel`."""

    def __init__(self, engine: Any) -> None:  # noqa: ANN401 - the package is optional
        self._engine = engine
        self._languages = frozenset(engine.supported_languages)

    def open_stream(self, language: str) -> WhisperStream:
        """Begin to listen; a language that the model does not know is detected from the audio."""
        short = language.replace("_", "-").split("-")[0].lower()
        return WhisperStream(self._decode, short if short in self._languages else None)

    def _decode(self, samples: Samples, language: str | None, beam: int) -> tuple[str, float]:
        segments, _ = self._engine.transcribe(
            samples,
            language=language,
            beam_size=beam,
            temperature=0.0,
            condition_on_previous_text=False,
            without_timestamps=True,
        )
        found = list(segments)
        return "".join(part.text for part in found).strip(), _confidence(found)


def load(files: Files, threads: int) -> WhisperModel:
    """Load the converted model in `files["folder"]`, on the CPU in 8-bit integers."""
    package = import_module("faster_whisper")
    return WhisperModel(
        package.WhisperModel(
            files["folder"],
            device="cpu",
            compute_type="int8",
            cpu_threads=threads,
            local_files_only=True,
        )
    )


def _to_float(pcm: bytes) -> Samples:
    return np.frombuffer(pcm, "<i2").astype(np.float32) / np.float32(32_768.0)


def _confidence(segments: list[Any]) -> float:
    """Return the mean probability of a token, segments weighted by their length."""
    weights = [max(0.01, float(part.end) - float(part.start)) for part in segments]
    total = sum(
        weight * math.exp(min(0.0, float(part.avg_logprob)))
        for part, weight in zip(segments, weights, strict=True)
    )
    return total / sum(weights) if weights else 0.0
