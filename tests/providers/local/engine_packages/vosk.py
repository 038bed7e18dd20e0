"""Stands in for the package `vosk`: hears a word in each loud chunk, an end in a silent one.

The first sample of a chunk may be an order: 666 ends the process, 667 raises, 668 never returns.
"""

import json
import os
import threading
from array import array
from pathlib import Path


def SetLogLevel(level: int) -> None:  # noqa: N802 - the package's own name
    assert level == -1


class Model:
    """A folder; a file `am/final.mdl` that says `damaged` cannot be loaded."""

    def __init__(self, model_path: str) -> None:
        said = Path(model_path, "am/final.mdl").read_text("utf-8")
        if said == "damaged":
            raise ValueError("Failed to create a model")
        if said == "deadly":
            os._exit(1)


class KaldiRecognizer:
    """Counts what it hears."""

    def __init__(self, model: Model, rate: float) -> None:
        assert isinstance(model, Model)
        assert rate == 16_000
        self._words: list[str] = []
        self._count = 0

    def SetWords(self, enabled: bool) -> None:  # noqa: N802 - the package's own name
        assert enabled

    def AcceptWaveform(self, data: bytes) -> int:  # noqa: N802
        samples = array("h", data)
        if samples[0] == 666:
            os._exit(1)
        if samples[0] == 667:
            raise ValueError("Failed to process waveform")
        if samples[0] == 668:
            threading.Event().wait()
        if any(samples):
            self._count += 1
            self._words.append(f"word{self._count}")
            return 0
        return 1 if self._words else 0

    def PartialResult(self) -> str:  # noqa: N802
        return json.dumps({"partial": " ".join(self._words)})

    def Result(self) -> str:  # noqa: N802
        words, self._words = self._words, []
        result = [{"word": word, "conf": 0.5 + 0.1 * (at % 2)} for at, word in enumerate(words)]
        return json.dumps({"text": " ".join(words)} | ({"result": result} if result else {}))

    def FinalResult(self) -> str:  # noqa: N802
        return self.Result()
