"""A process that holds one speech-to-text model and listens to several callers with it.

Runs as `python -m sayna.providers.local.recognizer_worker`, started by `model_hosts`. Messages are
worked off one by one: the server sends each caller's next audio when the last was `Heard`.
"""

from collections.abc import Callable, Iterator

import msgspec

from sayna.providers.local.engines import Files, RecognizerModel, RecognizerStream, load_recognizer
from sayna.providers.local.model_messages import (
    Audio,
    Broken,
    Close,
    Finalize,
    Finish,
    Finished,
    Heard,
    Load,
    Loaded,
    Open,
    Result,
    ToRecognizer,
    Unloadable,
)
from sayna.providers.local.pipes import WorkerPipe, take_pipe
from sayna.speech.events import Transcript

RATE_HZ = 16_000

LoadModel = Callable[[str, Files, int], RecognizerModel]


class RecognizerWorker:
    """Answers the server's messages with one model."""

    def __init__(self, pipe: WorkerPipe[ToRecognizer], load: LoadModel = load_recognizer) -> None:
        self._pipe = pipe
        self._load = load
        self._model: RecognizerModel | None = None
        self._streams: dict[int, RecognizerStream] = {}
        self._languages: dict[int, str] = {}

    def run(self) -> None:
        """Work until the server closes the pipe or the model cannot be loaded."""
        for message in self._pipe.messages():
            if isinstance(message, Load):
                if not self._load_model(message):
                    return
            else:
                self._attempt(message)

    def _load_model(self, order: Load) -> bool:
        try:
            self._model = self._load(order.engine, order.files, order.threads)
        except Exception as error:  # noqa: BLE001 - engines raise what they like
            self._pipe.send(Unloadable(type(error).__name__))
            return False
        self._pipe.send(Loaded(RATE_HZ))
        return True

    def _attempt(self, message: Open | Audio | Finalize | Finish | Close) -> None:
        try:
            self._answer(message)
        except OSError:
            raise  # the pipe: nobody is left to tell
        except Exception as error:  # noqa: BLE001 - one caller's trouble is not the others'
            self._pipe.send(Broken(message.lane, type(error).__name__))
            self._open(message.lane, self._languages.get(message.lane, ""))
        finally:
            if isinstance(message, Audio):
                self._pipe.send(Heard(message.lane, len(message.pcm)))
            elif isinstance(message, Finish):
                self._pipe.send(Finished(message.lane))

    def _answer(self, message: Open | Audio | Finalize | Finish | Close) -> None:
        match message:
            case Open(lane, language):
                self._open(lane, language)
            case Audio(lane, pcm, backlog_ms):
                self._tell(lane, self._streams[lane].accept(pcm, backlog_ms))
            case Finalize(lane) | Finish(lane):
                self._tell(lane, self._streams[lane].finalize())
            case Close(lane):
                self._streams.pop(lane, None)
                self._languages.pop(lane, None)

    def _open(self, lane: int, language: str) -> None:
        if self._model is None:
            raise RuntimeError("no model was loaded")
        self._languages[lane] = language
        self._streams[lane] = self._model.open_stream(language)

    def _tell(self, lane: int, heard: Iterator[Transcript]) -> None:
        for text, is_final, is_speech_final, confidence in heard:
            self._pipe.send(Result(lane, text, is_final, is_speech_final, confidence))


def main() -> None:
    """Serve the pipe of this process."""
    decoder = msgspec.msgpack.Decoder[ToRecognizer](ToRecognizer)
    RecognizerWorker(take_pipe(decoder)).run()


if __name__ == "__main__":
    main()
