"""Kokoro voices through kokoro-onnx (MIT; its phonemiser is espeak-ng, GPL-3.0-or-later).

Runs in `synthesizer_worker` only: it imports the engine, which blocks.
Source: the `kokoro-onnx` package 0.6 itself, `Kokoro.create`, `Kokoro.get_voices`.
"""

from collections.abc import Iterator
from importlib import import_module
from typing import Any

import numpy as np

from sayna.providers.local.engines import Files

RATE_HZ = 24_000
SLOWEST, FASTEST = 0.5, 2.0
PAUSE_MS = 250
"""Behind each sentence: the engine trims the silence that the model puts there."""

LANGUAGES = {
    "a": "en-us",
    "b": "en-gb",
    "e": "es",
    "f": "fr-fr",
    "h": "hi",
    "i": "it",
    "j": "ja",
    "p": "pt-br",
    "z": "cmn",
}
"""First letter of a voice's name, to the name of the language in espeak-ng."""


class KokoroModel:
    """A loaded model. `engine` is a `kokoro_onnx.Kokoro`."""

    def __init__(self, engine: Any) -> None:  # noqa: ANN401 - the package is optional
        self._engine = engine
        self._voices = tuple(str(name) for name in engine.get_voices())

    @property
    def sample_rate(self) -> int:
        """Hz, of every Kokoro model."""
        return RATE_HZ

    @property
    def voices(self) -> tuple[str, ...]:
        """Such as `af_heart`."""
        return self._voices

    def say(self, sentence: str, voice: str, speaking_rate: float) -> Iterator[bytes]:
        """Yield s16le mono. The engine takes speeds of 0.5 to 2; others are brought into it."""
        samples, _ = self._engine.create(
            sentence,
            voice=voice,
            speed=min(FASTEST, max(SLOWEST, speaking_rate)),
            lang=LANGUAGES.get(voice[:1], "en-us"),
        )
        loud = np.clip(np.asarray(samples, dtype=np.float32), -1.0, 1.0) * np.float32(32_767.0)
        yield loud.astype("<i2").tobytes() + bytes(RATE_HZ * PAUSE_MS // 1000 * 2)


def load(files: Files, threads: int) -> KokoroModel:
    """Load `files["model"]` with the styles of `files["voices"]`."""
    package = import_module("kokoro_onnx")
    return KokoroModel(package.Kokoro(files["model"], files["voices"]))
