"""Every message survives the pipe as what it was, and no two are taken for each other."""

import msgspec
import pytest

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
    More,
    Open,
    Result,
    Sound,
    Speak,
    ToRecognizer,
    ToSynthesizer,
    Unloadable,
)

TO_RECOGNIZER = [
    Load("vosk", {"folder": "here"}, 2),
    Open(1, "en-US"),
    Audio(1, b"\x00\xff", 12.5),
    Finalize(1),
    Finish(1),
    Close(1),
]
TO_SYNTHESIZER = [Load("piper", {}, 1), Speak(1, "hello", "", 1.5), More(1), Close(1)]
FROM_WORKER = [
    Loaded(16_000, ("a", "b")),
    Unloadable("ValueError"),
    Heard(1, 640),
    Result(1, "hello", True, False, 0.5),
    Finished(1),
    Sound(1, b"\x00\xff"),
    Broken(1, "ValueError"),
]


@pytest.mark.parametrize("message", TO_RECOGNIZER)
def test_a_recognizer_reads_what_it_is_told(message: ToRecognizer) -> None:
    decoder = msgspec.msgpack.Decoder[ToRecognizer](ToRecognizer)
    assert decoder.decode(msgspec.msgpack.encode(message)) == message


@pytest.mark.parametrize("message", TO_SYNTHESIZER)
def test_a_synthesizer_reads_what_it_is_told(message: ToSynthesizer) -> None:
    decoder = msgspec.msgpack.Decoder[ToSynthesizer](ToSynthesizer)
    assert decoder.decode(msgspec.msgpack.encode(message)) == message


@pytest.mark.parametrize("message", FROM_WORKER)
def test_the_server_reads_what_a_worker_says(message: FromWorker) -> None:
    decoder = msgspec.msgpack.Decoder[FromWorker](FromWorker)
    assert decoder.decode(msgspec.msgpack.encode(message)) == message


def test_a_message_for_another_reader_is_refused() -> None:
    decoder = msgspec.msgpack.Decoder[ToSynthesizer](ToSynthesizer)
    with pytest.raises(msgspec.ValidationError):
        decoder.decode(msgspec.msgpack.encode(Finish(1)))
