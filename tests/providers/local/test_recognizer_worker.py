"""The recognizer worker's loop in this process: messages in, messages out."""

import io
from collections.abc import Iterator

import msgspec

from sayna.providers.local.engines import Files
from sayna.providers.local.model_messages import (
    Audio,
    Broken,
    Close,
    Finalize,
    Finish,
    Finished,
    FromWorker,
    Heard,
    Load,
    Loaded,
    Open,
    Result,
    ToRecognizer,
    Unloadable,
)
from sayna.providers.local.pipes import WorkerPipe, render_frame
from sayna.providers.local.recognizer_worker import RecognizerWorker
from sayna.speech.events import Transcript

LOAD = Load("parrot", {"folder": "here"}, 2)


class Parrot:
    """A model that repeats the bytes it hears; `bad` makes it raise."""

    def __init__(self) -> None:
        self.opened: list[str] = []

    def open_stream(self, language: str) -> "ParrotStream":
        self.opened.append(language)
        return ParrotStream()


class ParrotStream:
    def __init__(self) -> None:
        self._heard = ""

    def accept(self, pcm: bytes, backlog_ms: float) -> Iterator[Transcript]:
        if pcm == b"bad":
            raise ZeroDivisionError("a secret")
        self._heard += pcm.decode()
        yield Transcript(self._heard)

    def finalize(self) -> Iterator[Transcript]:
        yield Transcript(self._heard, True, True, 0.5)


def converse(*messages: ToRecognizer, model: Parrot | None = None) -> list[FromWorker]:
    """Run a worker on these messages, return what it said."""
    sink = io.BytesIO()
    source = io.BytesIO(b"".join(map(render_frame, messages)))
    decoder = msgspec.msgpack.Decoder[ToRecognizer](ToRecognizer)

    def load(engine: str, files: Files, threads: int) -> Parrot:
        assert (engine, files, threads) == ("parrot", {"folder": "here"}, 2)
        if model is None:
            raise ValueError("/a/secret/path")
        return model

    RecognizerWorker(WorkerPipe(source, sink, decoder), load).run()
    answers = msgspec.msgpack.Decoder[FromWorker](FromWorker)
    return list(WorkerPipe(io.BytesIO(sink.getvalue()), io.BytesIO(), answers).messages())


def test_a_stream_is_heard_from_beginning_to_end() -> None:
    said = converse(
        LOAD, Open(1, "en"), Audio(1, b"ab", 0), Audio(1, b"c", 0), Finish(1), model=Parrot()
    )
    assert said == [
        Loaded(16_000),
        Result(1, "ab", False, False, 0.0),
        Heard(1, 2),
        Result(1, "abc", False, False, 0.0),
        Heard(1, 1),
        Result(1, "abc", True, True, 0.5),
        Finished(1),
    ]


def test_streams_do_not_mix() -> None:
    said = converse(
        LOAD, Open(1, "en"), Open(2, "de"), Audio(1, b"a", 0), Audio(2, b"b", 0), Finalize(1),
        model=Parrot(),
    )  # fmt: skip
    assert Result(1, "a", True, True, 0.5) in said
    assert Result(2, "b", False, False, 0.0) in said


def test_a_model_that_cannot_be_loaded_is_told_without_paths() -> None:
    assert converse(LOAD, Open(1, "en")) == [Unloadable("ValueError")]


def test_an_engine_that_raises_breaks_one_stream_which_begins_anew() -> None:
    model = Parrot()
    said = converse(
        LOAD, Open(1, "en"), Open(2, "de"), Audio(1, b"a", 0), Audio(1, b"bad", 0),
        Audio(1, b"b", 0), Finalize(2), model=model,
    )  # fmt: skip
    assert said[3:7] == [
        Broken(1, "ZeroDivisionError"),
        Heard(1, 3),
        Result(1, "b", False, False, 0.0),
        Heard(1, 1),
    ]
    assert model.opened == ["en", "de", "en"]


def test_a_finish_is_answered_even_for_a_stream_that_is_gone() -> None:
    said = converse(LOAD, Open(1, "en"), Close(1), Finish(1), model=Parrot())
    assert said[-1] == Finished(1)
