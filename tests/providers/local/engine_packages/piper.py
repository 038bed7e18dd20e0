"""Stands in for the package `piper`: 10 ms of a constant level for each letter of a sentence.

The text `die` ends the process, `boom` raises, `hang` never returns.
"""

import json
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from numpy.typing import NDArray

LEVEL = 8_000


@dataclass
class SynthesisConfig:
    """How to speak."""

    length_scale: float | None = None


@dataclass
class AudioChunk:
    """Some sound."""

    samples: NDArray[np.int16]

    @property
    def audio_int16_bytes(self) -> bytes:
        return self.samples.tobytes()


class PiperVoice:
    """A voice whose description gives rate and pace."""

    def __init__(self, sample_rate: int, length_scale: float) -> None:
        self.config = SimpleNamespace(sample_rate=sample_rate, length_scale=length_scale)

    @staticmethod
    def load(model_path: str, config_path: str) -> "PiperVoice":
        assert Path(model_path).is_file()
        described = json.loads(Path(config_path).read_text("utf-8"))
        return PiperVoice(described["audio"]["sample_rate"], described["inference"]["length_scale"])

    def synthesize(self, text: str, syn_config: SynthesisConfig) -> Iterator[AudioChunk]:
        if "die" in text:
            os._exit(1)
        if "boom" in text:
            raise ValueError(text)
        if "hang" in text:
            threading.Event().wait()
        assert "[[" not in text
        assert syn_config.length_scale is not None
        letters = sum(char.isalpha() for char in text)
        size = round(letters * self.config.sample_rate / 100 * syn_config.length_scale)
        yield AudioChunk(np.full(size, LEVEL, np.int16))
