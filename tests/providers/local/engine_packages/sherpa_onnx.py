"""Stands in for the package `sherpa_onnx`: 100 ms of sound is a word, 1 s of silence an end."""

from collections.abc import Sequence


class OnlineStream:
    """What one caller said."""

    def __init__(self) -> None:
        self.waiting: list[float] = []
        self.words: list[str] = []
        self.silent = 0

    def accept_waveform(self, sample_rate: float, waveform: Sequence[float]) -> None:
        assert sample_rate == 16_000
        assert all(-1.0 <= sample <= 1.0 for sample in waveform)
        self.waiting.extend(waveform)


class OnlineRecognizer:
    """Remembers how it was built."""

    def __init__(self, family: str, options: dict[str, object]) -> None:
        self.family, self.options = family, options

    @classmethod
    def from_transducer(
        cls, *, tokens: str, encoder: str, decoder: str, joiner: str, **options: object
    ) -> "OnlineRecognizer":
        return cls("transducer", options)

    @classmethod
    def from_paraformer(
        cls, *, tokens: str, encoder: str, decoder: str, **options: object
    ) -> "OnlineRecognizer":
        return cls("paraformer", options)

    @classmethod
    def from_zipformer2_ctc(
        cls, *, tokens: str, model: str, **options: object
    ) -> "OnlineRecognizer":
        return cls("zipformer", options)

    @classmethod
    def from_nemo_ctc(cls, *, tokens: str, model: str, **options: object) -> "OnlineRecognizer":
        return cls("nemo", options)

    def create_stream(self) -> OnlineStream:
        return OnlineStream()

    def is_ready(self, stream: OnlineStream) -> bool:
        return len(stream.waiting) >= 1_600

    def decode_stream(self, stream: OnlineStream) -> None:
        frame, stream.waiting = stream.waiting[:1_600], stream.waiting[1_600:]
        if any(frame):
            stream.words.append(self.family)
            stream.silent = 0
        else:
            stream.silent += 1

    def get_result(self, stream: OnlineStream) -> str:
        return " ".join(stream.words)

    def is_endpoint(self, stream: OnlineStream) -> bool:
        return self.options["enable_endpoint_detection"] is True and stream.silent >= 10

    def reset(self, stream: OnlineStream) -> None:
        stream.words, stream.silent = [], 0
