"""The synthesizer worker's loop in this process: who speaks when, and how far ahead."""

import io
import queue
import threading
from collections.abc import Iterator

import msgspec

from sayna.providers.local.engines import Files
from sayna.providers.local.model_messages import (
    Broken,
    Close,
    Finished,
    FromWorker,
    Load,
    Loaded,
    More,
    Sound,
    Speak,
    ToSynthesizer,
    Unloadable,
)
from sayna.providers.local.pipes import WorkerPipe, render_frame
from sayna.providers.local.synthesizer_worker import AHEAD, SynthesizerWorker

LOAD = Load("parrot", {}, 1)


class Parrot:
    """A voice that gives a text's bytes as sound."""

    sample_rate = 16_000
    voices = ("polly",)

    def say(self, sentence: str, voice: str, speaking_rate: float) -> Iterator[bytes]:
        if "bad" in sentence:
            raise ZeroDivisionError("a secret")
        yield f"{voice} {speaking_rate:g} {sentence}".encode()


class Line:
    """A pipe's server side that gives an order only when the worker has said enough."""

    def __init__(self, *orders: ToSynthesizer | int) -> None:
        self._orders = list(orders)
        self._said: queue.Queue[FromWorker] = queue.Queue()
        self.said: list[FromWorker] = []
        self._decoder = msgspec.msgpack.Decoder[FromWorker](FromWorker)

    def messages(self) -> Iterator[ToSynthesizer]:
        """Give the orders; a number waits until so much was said in all."""
        for order in self._orders:
            if isinstance(order, int):
                while len(self.said) < order:
                    self.said.append(self._said.get(timeout=10))
            else:
                yield order
        self.settle()

    def settle(self) -> None:
        while not self._said.empty():
            self.said.append(self._said.get())

    def send(self, message: object) -> None:
        self._said.put(self._decoder.decode(msgspec.msgpack.encode(message)))


def converse(*orders: ToSynthesizer | int) -> list[FromWorker]:
    """Run a worker on these orders, return what it said."""
    line = Line(*orders)

    def load(engine: str, files: Files, threads: int) -> Parrot:
        if engine == "broken":
            raise ValueError("/a/secret/path")
        return Parrot()

    SynthesizerWorker(line, load).run()  # type: ignore[arg-type]  # a pipe's two methods
    line.settle()
    return line.said


def test_a_text_is_spoken_sentence_by_sentence() -> None:
    said = converse(LOAD, Speak(1, "One. Two.", "polly", 1.5), 3, More(1), 4)
    assert said == [
        Loaded(16_000, ("polly",)),
        Sound(1, b"polly 1.5 One."),
        Sound(1, b"polly 1.5 Two."),
        Finished(1),
    ]


def test_no_utterance_runs_far_ahead_of_its_listener() -> None:
    text = " ".join(f"Sentence {n}." for n in range(50))
    said = converse(LOAD, Speak(1, text, "", 1), 1 + AHEAD, More(1), 2 + AHEAD)
    assert len(said) == 2 + AHEAD


def test_a_slow_listener_does_not_hold_up_another() -> None:
    text = " ".join(f"Sentence {n}." for n in range(50))
    said = converse(LOAD, Speak(1, text, "", 1), 3, Speak(2, "Hello.", "", 1), 5)
    assert said[-2:] == [Sound(2, b" 1 Hello."), Finished(2)]


def test_utterances_take_turns() -> None:
    said = converse(LOAD, Speak(1, "A. B.", "", 1), Speak(2, "C. D.", "", 1), 5)
    lanes = [message.lane for message in said if isinstance(message, Sound)]
    assert sorted(lanes) == [1, 1, 2, 2]


def test_a_closed_utterance_is_not_spoken_on() -> None:
    said = converse(
        LOAD, Speak(1, "A. B. C. D.", "", 1), 3, Close(1), More(1), Speak(2, "E.", "", 1), 5
    )
    assert [message for message in said if isinstance(message, Sound)][2:] == [Sound(2, b" 1 E.")]


def test_a_text_without_sound_ends_at_once() -> None:
    assert converse(LOAD, Speak(1, "...", "", 1), 2)[-1] == Finished(1)


def test_an_engine_that_raises_breaks_one_utterance() -> None:
    said = converse(LOAD, Speak(1, "bad", "", 1), 2, Speak(2, "good", "", 1), 4)
    assert said[1:] == [Broken(1, "ZeroDivisionError"), Sound(2, b" 1 good"), Finished(2)]


def test_a_voice_that_cannot_be_loaded_is_told_without_paths() -> None:
    assert converse(Load("broken", {}, 1), Speak(1, "hello", "", 1)) == [Unloadable("ValueError")]


def test_the_end_of_the_pipe_ends_the_worker() -> None:
    sink = io.BytesIO()
    decoder = msgspec.msgpack.Decoder[ToSynthesizer](ToSynthesizer)
    pipe = WorkerPipe(io.BytesIO(render_frame(More(7))), sink, decoder)
    SynthesizerWorker(pipe).run()
    assert sink.getvalue() == b""
    assert not [thread for thread in threading.enumerate() if thread.name == "orders"]
