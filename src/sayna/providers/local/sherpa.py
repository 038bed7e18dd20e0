"""Sherpa-onnx models: streaming recognition by transducer, paraformer or CTC (Apache-2.0).

Runs in `recognizer_worker` only: it imports the engine, which blocks.
Source: the `sherpa-onnx` package 1.12 to 2.0 itself, `OnlineRecognizer`, `OnlineStream`.
"""

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sayna.providers.local.engines import Files
from sayna.providers.local.onnx_metadata import read_metadata
from sayna.speech.events import Transcript

RATE_HZ = 16_000
ENDPOINTS: dict[str, Any] = {
    "enable_endpoint_detection": True,
    "rule1_min_trailing_silence": 2.4,  # seconds, when nothing was recognised
    "rule2_min_trailing_silence": 0.8,  # seconds, behind words
    "rule3_min_utterance_length": 20.0,  # seconds
}
TAIL = np.zeros(RATE_HZ * 6 // 10, np.float32)
"""Silence that pushes the last words through the model's look-ahead."""

CTC_KINDS = {
    "frame_length_ms": "from_t_one_ctc",
    "cache_last_channel_dim1": "from_nemo_ctc",
    "cnn_module_kernel": "from_wenet_ctc",
}
"""A metadata key that only one family has, to the constructor of that family."""
ZIPFORMER = "from_zipformer2_ctc"


class SherpaStream:
    """One caller. `engine` is a `sherpa_onnx.OnlineRecognizer`."""

    def __init__(self, engine: Any) -> None:  # noqa: ANN401 - the package has no types
        self._engine = engine
        self._stream = engine.create_stream()
        self._interim = ""

    def accept(self, pcm: bytes, backlog_ms: float) -> Iterator[Transcript]:
        """Yield a final where the engine hears an end, else an interim if the text has changed."""
        text = self._decode(np.frombuffer(pcm, "<i2").astype(np.float32) / np.float32(32_768.0))
        if self._engine.is_endpoint(self._stream):
            yield from self._close(text)
        elif text and text != self._interim:
            self._interim = text
            yield Transcript(text)

    def finalize(self) -> Iterator[Transcript]:
        """Yield what is left, then listen on."""
        yield from self._close(self._decode(TAIL))

    def _decode(self, samples: NDArray[np.float32]) -> str:
        self._stream.accept_waveform(RATE_HZ, samples)
        while self._engine.is_ready(self._stream):
            self._engine.decode_stream(self._stream)
        return str(self._engine.get_result(self._stream)).strip()

    def _close(self, text: str) -> Iterator[Transcript]:
        self._interim = ""
        self._engine.reset(self._stream)
        if text:
            yield Transcript(text, True, True, 1.0)


class SherpaModel:
    """A loaded model. `engine` is a `sherpa_onnx.OnlineRecognizer`."""

    def __init__(self, engine: Any) -> None:  # noqa: ANN401 - the package has no types
        self._engine = engine

    def open_stream(self, language: str) -> SherpaStream:
        """Begin to listen; a model knows its languages, so `language` changes nothing."""
        return SherpaStream(self._engine)


def load(files: Files, threads: int) -> SherpaModel:
    """Load what `files` describe: their names tell a transducer, a paraformer or a CTC model."""
    recognizer = import_module("sherpa_onnx").OnlineRecognizer
    if "joiner" in files:
        build = recognizer.from_transducer
    elif "encoder" in files:
        build = recognizer.from_paraformer
    else:
        build = getattr(recognizer, ctc_constructor(Path(files["model"])))
    return SherpaModel(build(**files, num_threads=threads, **ENDPOINTS))


def ctc_constructor(model: Path) -> str:
    """Return the name of the constructor for a CTC model, by the file's metadata."""
    keys = read_metadata(model)
    return next((name for key, name in CTC_KINDS.items() if key in keys), ZIPFORMER)
