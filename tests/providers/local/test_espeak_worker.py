"""The worker's turns, with an engine that says three bytes for each letter of a text."""

import queue
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager

import pytest

from sayna.providers.local.espeak_library import TakeAudio
from sayna.providers.local.espeak_worker import AHEAD, CHUNK_BYTES, EspeakWorker, Order
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
from sayna.providers.local.voices import EspeakVoice

PATIENCE_S = 10.0
LOAD = Load("espeak-ng", {}, 1)


class Engine:
    """Makes each sentence in pieces; `gate` holds it between them."""

    sample_rate = 22_050

    def __init__(self, pieces: int = 3) -> None:
        self.pieces = pieces
        self.said: list[tuple[str, str, int, bool]] = []
        self.stopped = threading.Event()
        self.gate: threading.Semaphore | None = None

    def voices(self) -> Iterator[EspeakVoice]:
        yield EspeakVoice("gmw/en", "English", 1, (("en", 2),))

    def say(
        self, text: str, voice: str, words_per_minute: int, take: TakeAudio, *, pause: bool
    ) -> None:
        self.said.append((text, voice, words_per_minute, pause))
        if "fail" in text:
            raise ValueError("no")
        for _ in range(self.pieces):
            if self.gate is not None:
                assert self.gate.acquire(timeout=PATIENCE_S)
            if not take(text[:1].encode() * CHUNK_BYTES):
                self.stopped.set()
                return


class Pipe:
    """Both directions as queues."""

    def __init__(self) -> None:
        self.orders: queue.Queue[Order | None] = queue.Queue(100)
        self.answers: queue.Queue[object] = queue.Queue(1000)

    def messages(self) -> Iterator[Order]:
        while (order := self.orders.get(timeout=PATIENCE_S)) is not None:
            yield order

    def send(self, message: object) -> None:
        self.answers.put(message)

    def answer(self) -> object:
        return self.answers.get(timeout=PATIENCE_S)


@contextmanager
def working(engine: Engine) -> Generator[Pipe, None, None]:
    pipe = Pipe()
    worker = EspeakWorker(pipe, lambda: engine)  # type: ignore[arg-type]
    thread = threading.Thread(target=worker.run)
    thread.start()
    pipe.orders.put(LOAD)
    try:
        assert pipe.answer() == Loaded(22_050, ("gmw/en\tEnglish\t1\ten:2",))
        yield pipe
    finally:
        pipe.orders.put(None)
        thread.join(PATIENCE_S)
        assert not thread.is_alive()


def test_a_text_becomes_sound_and_an_end() -> None:
    engine = Engine()
    with working(engine) as pipe:
        pipe.orders.put(Speak(1, "Hello.", "gmw/en", 2.0))
        assert [pipe.answer() for _ in range(3)] == [Sound(1, b"H" * CHUNK_BYTES)] * 3
        pipe.orders.put(More(1))
        assert pipe.answer() == Finished(1)
    assert engine.said == [("Hello.", "gmw/en", 350, False)]


def test_sentences_but_the_last_end_in_a_pause() -> None:
    engine = Engine(pieces=1)
    with working(engine) as pipe:
        pipe.orders.put(Speak(1, "One. Two.", "gmw/en", 1.0))
        while pipe.answer() != Finished(1):
            pass
    assert [(text, pause) for text, _, _, pause in engine.said] == [("One.", True), ("Two.", False)]


def test_a_slow_listener_gets_no_more_than_it_has_room_for() -> None:
    engine = Engine(pieces=10)
    with working(engine) as pipe:
        pipe.orders.put(Speak(1, "Long. Next.", "gmw/en", 1.0))
        for _ in range(AHEAD):
            assert pipe.answer() == Sound(1, b"L" * CHUNK_BYTES)
        pipe.orders.put(Speak(2, "Other.", "gmw/en", 1.0))  # and nobody else waits for it
        for _ in range(AHEAD):
            assert pipe.answer() == Sound(2, b"O" * CHUNK_BYTES)
        pipe.orders.put(More(1))
        assert pipe.answer() == Sound(1, b"L" * CHUNK_BYTES)
        assert [text for text, *_ in engine.said] == ["Long.", "Other."]


def test_utterances_take_turns_by_the_sentence() -> None:
    engine = Engine(pieces=1)
    engine.gate = threading.Semaphore(0)
    with working(engine) as pipe:
        pipe.orders.put(Speak(1, "A. B. C.", "gmw/en", 1.0))
        pipe.orders.put(Speak(2, "X. Y.", "gmw/en", 1.0))
        engine.gate.release(10)
        ends = 0
        while ends < 2:
            match pipe.answer():
                case Finished():
                    ends += 1
                case Sound(lane):
                    pipe.orders.put(More(lane))
    order = "".join(text[0] for text, *_ in engine.said)
    assert order.index("X") < order.index("C")
    assert sorted(order) == ["A", "B", "C", "X", "Y"]


def test_a_closed_utterance_stops_in_the_middle() -> None:
    engine = Engine(pieces=1_000)
    engine.gate = threading.Semaphore(1)
    with working(engine) as pipe:
        pipe.orders.put(Speak(1, "Endless. More.", "gmw/en", 1.0))
        assert isinstance(pipe.answer(), Sound)
        pipe.orders.put(Close(1))
        pipe.orders.put(Speak(2, "Next.", "gmw/en", 1.0))
        engine.pieces = 1
        engine.gate.release(5_000)
        assert engine.stopped.wait(PATIENCE_S)
        while (answer := pipe.answer()) != Finished(2):
            assert isinstance(answer, Sound)
    assert [text for text, *_ in engine.said] == ["Endless.", "Next."]


def test_a_text_that_cannot_be_spoken_harms_no_other() -> None:
    with working(Engine(pieces=1)) as pipe:
        pipe.orders.put(Speak(1, "fail", "gmw/en", 1.0))
        assert pipe.answer() == Broken(1, "ValueError")
        pipe.orders.put(Speak(2, "Fine", "gmw/en", 1.0))
        assert pipe.answer() == Sound(2, b"F" * CHUNK_BYTES)
        assert pipe.answer() == Finished(2)


@pytest.mark.parametrize("text", ["", "   ", "..."])
def test_a_text_without_words_ends_at_once(text: str) -> None:
    with working(Engine()) as pipe:
        pipe.orders.put(Speak(1, text, "gmw/en", 1.0))
        assert pipe.answer() == Finished(1)


def test_an_engine_that_does_not_start_is_told_and_the_worker_ends() -> None:
    def start() -> Engine:
        raise OSError("no library")

    pipe = Pipe()
    thread = threading.Thread(target=EspeakWorker(pipe, start).run)  # type: ignore[arg-type]
    thread.start()
    pipe.orders.put(LOAD)
    assert pipe.answer() == Unloadable("OSError")
    pipe.orders.put(None)
    thread.join(PATIENCE_S)
    assert not thread.is_alive()
