"""A process that speaks with espeak-ng for every session of the server.

Runs as `python -m sayna.providers.local.espeak_worker`. The engine is GPL-3.0-or-later: it is
loaded here and nowhere else, and what it says leaves through a pipe.

Utterances take turns, a sentence each. The first 60 ms of a sentence leave while the engine still
works on the rest; what a listener has no room for waits here, at most one sentence.
"""

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import Protocol

import msgspec

from sayna.providers.local.espeak_library import Espeak, TakeAudio
from sayna.providers.local.model_messages import (
    Broken,
    Close,
    Finished,
    Load,
    Loaded,
    More,
    Sound,
    Speak,
    Unloadable,
)
from sayna.providers.local.options import words_per_minute
from sayna.providers.local.pipes import WorkerPipe, take_pipe
from sayna.providers.local.sentences import sentences
from sayna.providers.local.voices import EspeakVoice

AHEAD = 3
"""Chunks that may be on their way to a listener."""
CHUNK_BYTES = 16_384
"""Of every chunk but a sentence's first: 0.37 s of sound."""
MAX_SENTENCE_BYTES = 8_000_000
"""Three minutes: no sentence of 300 characters is that long, and no memory is without end."""
MAX_ORDERS = 10_000
"""Orders that may wait while a sentence is made; the pipe holds back what comes after."""

Order = Load | Speak | More | Close


class Engine(Protocol):
    """What the worker needs of `Espeak`."""

    sample_rate: int
    """Hz."""

    def voices(self) -> Iterator[EspeakVoice]:
        """Yield every voice, then every variant."""
        ...

    def say(
        self, text: str, voice: str, words_per_minute: int, take: TakeAudio, *, pause: bool
    ) -> None:
        """Speak one sentence, calling `take` with the sound as it is made."""
        ...


class Utterance:
    """One text on its way to one listener."""

    def __init__(self, order: Speak) -> None:
        self.lane = order.lane
        self.voice = order.voice
        self.words_per_minute = words_per_minute(order.speaking_rate)
        self._sentences = sentences(order.text)
        self._next = next(self._sentences, None)
        self.credit = AHEAD
        self.closed = False
        self.made: deque[bytes] = deque()
        """Chunks of the present sentence that wait for room."""
        self.is_fresh = True
        """No chunk of the present sentence was cut yet."""
        self.growing = bytearray()
        self.sentence_bytes = 0

    def next_sentence(self) -> str | None:
        """Begin with the next sentence; None when all were spoken."""
        self.is_fresh = True
        self.sentence_bytes = 0
        sentence, self._next = self._next, next(self._sentences, None)
        return sentence

    @property
    def is_last(self) -> bool:
        """Whether no other sentence follows the present one."""
        return self._next is None

    def add(self, audio: bytes) -> None:
        """Take more of the present sentence, cut it into chunks."""
        self.sentence_bytes += len(audio)
        self.growing += audio
        if self.is_fresh or len(self.growing) >= CHUNK_BYTES:
            self.flush()

    def flush(self) -> None:
        """Make a chunk of what there is."""
        if self.growing:
            self.made.append(bytes(self.growing))
            self.growing.clear()
            self.is_fresh = False

    @property
    def is_ready(self) -> bool:
        """Whether its listener has room."""
        return self.credit > 0


class EspeakWorker:
    """Answers the server's messages with one engine."""

    def __init__(self, pipe: WorkerPipe[Order], start: Callable[[], Engine] = Espeak) -> None:
        self._pipe = pipe
        self._start = start
        self._engine: Engine | None = None
        self._orders: queue.Queue[Order | None] = queue.Queue(MAX_ORDERS)
        self._utterances: dict[int, Utterance] = {}
        self._ending = False

    def run(self) -> None:
        """Work until the server closes the pipe or the engine cannot be started."""
        threading.Thread(target=self._read, name="orders", daemon=True).start()
        while not self._ending:
            self._obey_all()
            ready = next((each for each in self._utterances.values() if each.is_ready), None)
            if ready is not None and not self._ending:
                self._advance(ready)

    def _read(self) -> None:
        try:
            for message in self._pipe.messages():
                self._orders.put(message)
        finally:
            self._orders.put(None)

    def _obey_all(self) -> None:
        """Take every order that is there; wait for one when nobody is ready."""
        while not self._ending:
            idle = not any(each.is_ready for each in self._utterances.values())
            try:
                order = self._orders.get(block=idle)
            except queue.Empty:
                return
            self._obey(order)

    def _obey(self, order: Order | None) -> None:
        match order:
            case None:
                self._ending = True
            case Load():
                self._load()
            case Speak(lane):
                self._utterances[lane] = Utterance(order)
            case More(lane):
                if (utterance := self._utterances.get(lane)) is not None:
                    utterance.credit += 1
            case Close(lane):
                if (utterance := self._utterances.pop(lane, None)) is not None:
                    utterance.closed = True

    def _load(self) -> None:
        try:
            self._engine = self._start()
        except Exception as error:  # noqa: BLE001 - whatever it is, the server must be told
            self._pipe.send(Unloadable(type(error).__name__))
            self._ending = True
            return
        voices = tuple(voice.render() for voice in self._engine.voices())
        self._pipe.send(Loaded(self._engine.sample_rate, voices))

    def _advance(self, utterance: Utterance) -> None:
        """Send or make some more of one utterance, which then queues up behind the others."""
        del self._utterances[utterance.lane]
        if not utterance.made and not self._make_sentence(utterance):
            return
        self._send_made(utterance)
        if not utterance.closed:
            self._utterances[utterance.lane] = utterance

    def _make_sentence(self, utterance: Utterance) -> bool:
        """Speak the next sentence; False when there is none or it could not be spoken."""
        sentence = utterance.next_sentence()
        if sentence is None:
            self._pipe.send(Finished(utterance.lane))
            return False
        self._utterances[utterance.lane] = utterance  # so that orders find it meanwhile
        try:
            self._say(utterance, sentence)
        except OSError:
            raise  # the pipe: nobody is left to tell
        except Exception as error:  # noqa: BLE001 - one session's trouble is not the others'
            self._pipe.send(Broken(utterance.lane, type(error).__name__))
            return False
        finally:
            self._utterances.pop(utterance.lane, None)
        utterance.flush()
        return not utterance.closed

    def _say(self, utterance: Utterance, sentence: str) -> None:
        if self._engine is None:
            raise RuntimeError("the engine was not started")

        broken: list[OSError] = []

        def take(audio: bytes) -> bool:
            utterance.add(audio)
            try:
                self._obey_waiting()
                self._send_made(utterance)
            except OSError as error:  # nothing may be raised through the engine's C frames
                broken.append(error)
            stop = utterance.closed or self._ending or broken
            return not stop and utterance.sentence_bytes < MAX_SENTENCE_BYTES

        speed, pause = utterance.words_per_minute, not utterance.is_last
        self._engine.say(sentence, utterance.voice, speed, take, pause=pause)
        if broken:
            raise broken[0]

    def _obey_waiting(self) -> None:
        """Take the orders that came while the engine works, such as that to be silent."""
        while not self._ending:
            try:
                self._obey(self._orders.get_nowait())
            except queue.Empty:
                return

    def _send_made(self, utterance: Utterance) -> None:
        while utterance.made and utterance.credit > 0 and not utterance.closed:
            self._pipe.send(Sound(utterance.lane, utterance.made.popleft()))
            utterance.credit -= 1


def main() -> None:
    """Serve the pipe of this process."""
    decoder = msgspec.msgpack.Decoder[Order](Order)
    EspeakWorker(take_pipe(decoder)).run()


if __name__ == "__main__":
    main()
