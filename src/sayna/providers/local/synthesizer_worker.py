"""A process that holds one text-to-speech voice and speaks for several sessions with it.

Runs as `python -m sayna.providers.local.synthesizer_worker`, started by `model_hosts`. Utterances
take turns, a sentence each, and none is more than `AHEAD` chunks ahead of its listener.
"""

import queue
import threading
from collections.abc import Callable, Iterator

import msgspec

from sayna.providers.local.engines import Files, SynthesizerModel, load_synthesizer
from sayna.providers.local.model_messages import (
    Broken,
    Close,
    Finished,
    Load,
    Loaded,
    More,
    Sound,
    Speak,
    ToSynthesizer,
    Unloadable,
)
from sayna.providers.local.pipes import WorkerPipe, take_pipe
from sayna.providers.local.sentences import sentences

AHEAD = 2
"""Chunks that may be on their way to a listener."""
MAX_ORDERS = 10_000
"""Orders that may wait while a sentence is made; the pipe holds back what comes after."""

LoadVoice = Callable[[str, Files, int], SynthesizerModel]


class Utterance:
    """One text on its way to one listener."""

    def __init__(self, model: SynthesizerModel, order: Speak) -> None:
        self.credit = AHEAD
        self._chunks = self._say(model, order)

    def next_chunk(self) -> bytes | None:
        """Make some more audio; None at the end. Raises whatever the engine raises."""
        return next(self._chunks, None)

    @staticmethod
    def _say(model: SynthesizerModel, order: Speak) -> Iterator[bytes]:
        for sentence in sentences(order.text):
            yield from model.say(sentence, order.voice, order.speaking_rate)


class SynthesizerWorker:
    """Answers the server's messages with one voice."""

    def __init__(self, pipe: WorkerPipe[ToSynthesizer], load: LoadVoice = load_synthesizer) -> None:
        self._pipe = pipe
        self._load = load
        self._model: SynthesizerModel | None = None
        self._orders: queue.Queue[ToSynthesizer | None] = queue.Queue(MAX_ORDERS)
        self._utterances: dict[int, Utterance] = {}

    def run(self) -> None:
        """Work until the server closes the pipe or the voice cannot be loaded."""
        threading.Thread(target=self._read, name="orders", daemon=True).start()
        while self._obey_all():
            if (lane := self._next_lane()) is not None:
                self._advance(lane)

    def _read(self) -> None:
        try:
            for message in self._pipe.messages():
                self._orders.put(message)
        finally:
            self._orders.put(None)

    def _obey_all(self) -> bool:
        """Take every order that is there; wait for one when there is nothing to say."""
        while True:
            try:
                order = self._orders.get(block=self._next_lane() is None)
            except queue.Empty:
                return True
            if order is None or not self._obey(order):
                return False

    def _obey(self, order: ToSynthesizer) -> bool:
        match order:
            case Load():
                return self._load_voice(order)
            case Speak(lane):
                if self._model is not None:
                    self._utterances[lane] = Utterance(self._model, order)
            case More(lane):
                if (utterance := self._utterances.get(lane)) is not None:
                    utterance.credit += 1
            case Close(lane):
                self._utterances.pop(lane, None)
        return True

    def _load_voice(self, order: Load) -> bool:
        try:
            self._model = self._load(order.engine, order.files, order.threads)
        except Exception as error:  # noqa: BLE001 - engines raise what they like
            self._pipe.send(Unloadable(type(error).__name__))
            return False
        self._pipe.send(Loaded(self._model.sample_rate, self._model.voices))
        return True

    def _next_lane(self) -> int | None:
        return next((lane for lane, said in self._utterances.items() if said.credit > 0), None)

    def _advance(self, lane: int) -> None:
        """Say one chunk of one utterance, which then queues up behind the others."""
        utterance = self._utterances.pop(lane)
        try:
            chunk = utterance.next_chunk()
        except Exception as error:  # noqa: BLE001 - one session's trouble is not the others'
            self._pipe.send(Broken(lane, type(error).__name__))
            return
        if chunk is None:
            self._pipe.send(Finished(lane))
            return
        self._pipe.send(Sound(lane, chunk))
        utterance.credit -= 1
        self._utterances[lane] = utterance


def main() -> None:
    """Serve the pipe of this process."""
    decoder = msgspec.msgpack.Decoder[ToSynthesizer](ToSynthesizer)
    SynthesizerWorker(take_pipe(decoder)).run()


if __name__ == "__main__":
    main()
