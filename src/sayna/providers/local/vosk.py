"""Vosk models: streaming recognition in many languages (Apache-2.0).

Runs in `recognizer_worker` only: it imports the engine, which blocks.
Source: the `vosk` package 0.3.45 itself, `Model`, `KaldiRecognizer`, `SetLogLevel`.
"""

import json
from collections.abc import Iterator
from importlib import import_module
from typing import Any, cast

from sayna.providers.local.engines import Files
from sayna.speech.events import Transcript

RATE_HZ = 16_000
SILENT = -1
"""Log level at which nothing is printed."""


class VoskStream:
    """One caller. `engine` is a `vosk.KaldiRecognizer`."""

    def __init__(self, engine: Any) -> None:  # noqa: ANN401 - the package has no types
        self._engine = engine
        self._engine.SetWords(True)
        self._interim = ""

    def accept(self, pcm: bytes, backlog_ms: float) -> Iterator[Transcript]:
        """Yield a final where Kaldi hears an end, else an interim when the text has changed."""
        if not pcm:
            return
        if self._engine.AcceptWaveform(pcm):
            yield from self._final(self._engine.Result())
            return
        text = _read(self._engine.PartialResult()).get("partial", "").strip()
        if text and text != self._interim:
            self._interim = text
            yield Transcript(text)

    def finalize(self) -> Iterator[Transcript]:
        """Yield what is left; the engine then starts a new segment."""
        yield from self._final(self._engine.FinalResult())

    def _final(self, rendered: str) -> Iterator[Transcript]:
        self._interim = ""
        result = _read(rendered)
        if text := result.get("text", "").strip():
            yield Transcript(text, True, True, _confidence(result.get("result", [])))


class VoskModel:
    """A loaded model. `engine` is a `vosk.Model`."""

    def __init__(self, package: Any, engine: Any) -> None:  # noqa: ANN401 - no types
        self._package, self._engine = package, engine

    def open_stream(self, language: str) -> VoskStream:
        """Begin to listen; a model has one language, so `language` changes nothing."""
        return VoskStream(self._package.KaldiRecognizer(self._engine, RATE_HZ))


def load(files: Files, threads: int) -> VoskModel:
    """Load the model in `files["folder"]`. Vosk decodes on the calling thread."""
    package = import_module("vosk")
    package.SetLogLevel(SILENT)
    return VoskModel(package, package.Model(model_path=files["folder"]))


def _read(rendered: str) -> dict[str, Any]:
    return cast("dict[str, Any]", json.loads(rendered))


def _confidence(words: list[dict[str, Any]]) -> float:
    """Return the mean of the words' confidences; 1 where the model gives none."""
    known = [float(word["conf"]) for word in words if "conf" in word]
    return min(1.0, max(0.0, sum(known) / len(known))) if known else 1.0
