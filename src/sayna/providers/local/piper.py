"""Piper voices (GPL-3.0-or-later, which is why they speak in a process of their own).

Runs in `synthesizer_worker` only: it imports the engine, which blocks.
Source: the `piper-tts` package 1.8 itself, `PiperVoice`, `SynthesisConfig`, `AudioChunk`.
"""

from collections.abc import Iterator
from importlib import import_module
from typing import Any

from sayna.providers.local.engines import Files

SLOWEST, FASTEST = 0.25, 4.0


class PiperModel:
    """A loaded voice. `voice` is a `piper.PiperVoice`, `package` the module `piper`."""

    def __init__(self, package: Any, voice: Any) -> None:  # noqa: ANN401 - optional package
        self._package, self._voice = package, voice

    @property
    def sample_rate(self) -> int:
        """Hz; 16 000 or 22 050 in most voices."""
        return int(self._voice.config.sample_rate)

    @property
    def voices(self) -> tuple[str, ...]:
        """A file is one voice."""
        return ()

    def say(self, sentence: str, voice: str, speaking_rate: float) -> Iterator[bytes]:
        """Yield s16le mono. Speed 2 halves the length of every sound."""
        rate = min(FASTEST, max(SLOWEST, speaking_rate))
        style = self._package.SynthesisConfig(
            length_scale=float(self._voice.config.length_scale) / rate
        )
        plain = sentence.replace("[[", "[ [")  # else Piper reads phonemes between the brackets
        for chunk in self._voice.synthesize(plain, syn_config=style):
            yield bytes(chunk.audio_int16_bytes)


def load(files: Files, threads: int) -> PiperModel:
    """Load `files["model"]` with its `files["config"]`."""
    package = import_module("piper")
    voice = package.PiperVoice.load(files["model"], config_path=files["config"])
    return PiperModel(package, voice)
