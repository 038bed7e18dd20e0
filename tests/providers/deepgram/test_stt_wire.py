import json
from typing import Any

import pytest

from sayna.errors import NetworkFailed, ProviderRefused
from sayna.providers.deepgram.stt_wire import DeepgramListenWire
from sayna.providers.wires import Note, Signal
from sayna.speech.events import Transcript
from sayna.speech.options import RecognizerOptions

OPTIONS = RecognizerOptions("deepgram", credentials={"api_key": "test-key"})


def wire_of(**change: Any) -> DeepgramListenWire:  # noqa: ANN401 - any option
    options = RecognizerOptions("deepgram", credentials={"api_key": "test-key"}, **change)
    return DeepgramListenWire(options, "ws://vendor.test/")


def result(
    text: str = "x",
    *,
    final: object = False,
    speech_final: object = False,
    confidence: object = 0.9,
    **more: object,
) -> str:
    best = {"transcript": text, "confidence": confidence, "words": []}
    message: dict[str, object] = {
        "type": "Results",
        "channel_index": [0, 1],
        "duration": 1.0,
        "start": 0.0,
        "channel": {"alternatives": [best]},
        "is_final": final,
        "speech_final": speech_final,
    }
    return json.dumps(message | more)


def decode(wire: DeepgramListenWire, *messages: str) -> list[object]:
    return [event for message in messages for event in wire.decode(message)]


def test_the_key_is_in_a_header_and_not_in_the_address() -> None:
    wire = wire_of()
    assert wire.headers == {"authorization": "token test-key"}
    assert wire.url.startswith("ws://vendor.test/v1/listen?model=nova-3&")
    assert "test-key" not in wire.url


def test_nothing_is_sent_before_audio_and_silence_is_told_as_text() -> None:
    wire = wire_of()
    assert wire.opening() == ()
    assert wire.keep_alive() == '{"type":"KeepAlive"}'
    assert wire.finalize() == ('{"type":"Finalize"}',)
    assert wire.finish() == ('{"type":"CloseStream"}',)


@pytest.mark.parametrize(
    ("change", "pieces", "sent"),
    [
        ({}, [1, 3, 0, 100_000], [None, 4, None, 100_000]),
        ({}, [640, 640], [640, 640]),
        ({}, [641, 1, 641], [640, 2, 640]),
        ({"channels": 2}, [6, 2], [4, 4]),
        ({"encoding": "mulaw"}, [1, 3], [1, 3]),
        ({"encoding": "opus"}, [1, 77], [1, 77]),
    ],
)
def test_audio_goes_out_in_whole_samples_and_never_empty(
    change: dict[str, object], pieces: list[int], sent: list[int | None]
) -> None:
    wire = wire_of(**change)
    messages = [wire.encode(bytes(size)) for size in pieces]
    assert [None if one is None else len(one) for one in messages] == sent


def test_odd_bytes_keep_their_places() -> None:
    wire = wire_of()
    out = [wire.encode(piece) for piece in (b"abc", b"d", b"efg")]
    assert b"".join(one for one in out if isinstance(one, bytes)) == b"abcdef"


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (result("a"), Transcript("a", False, False, 0.9)),
        (result("a", final=True), Transcript("a", True, False, 0.9)),
        (result("a", final=True, speech_final=True), Transcript("a", True, True, 0.9)),
        (result("a", speech_final=True), Transcript("a", False, True, 0.9)),
        (result("", final=True, speech_final=True), Transcript("", True, True, 0.9)),
        (result("a", confidence=2), Transcript("a", False, False, 1.0)),
        (result("a", confidence=-1), Transcript("a", False, False, 0.0)),
        (result("a", zzz={"a": 1}), Transcript("a", False, False, 0.9)),
        (result("a", final=True, from_finalize=True), Transcript("a", True, False, 0.9)),
    ],
)
def test_a_result_becomes_a_transcript(message: str, expected: Transcript) -> None:
    assert decode(wire_of(), message) == [expected]


@pytest.mark.parametrize(
    "message",
    [
        result(""),
        result("  ", final=True),
        result("x", confidence=None),
        result("x", final="true"),
        '{"type":"Results","is_final":true}',
        '{"type":"Results","channel":{}}',
        '{"type":"Results","channel":{"alternatives":[]}}',
        '{"type":"Results","channel":{"alternatives":[{"confidence":1}]}}',
        '{"type":"Results","channel":{"alternatives":[{"transcript":"x"}]}}',
        '{"type":"SpeechStarted","channel":[0],"timestamp":1.0}',
        '{"type":"ConfigureSuccess"}',
        '{"type":"Whatever","a":1}',
        '{"a":1}',
        "[]",
    ],
)
def test_what_says_nothing_or_has_another_shape_is_ignored(message: str) -> None:
    assert decode(wire_of(), message) == []


def test_binary_from_the_vendor_is_ignored() -> None:
    assert list(wire_of().decode(b"\x00\x01")) == []


@pytest.mark.parametrize("message", ['{"type":"Results', "\ufffd", ""])
def test_what_is_no_json_is_noted_and_nothing_else(message: str) -> None:
    (note,) = wire_of().decode(message)
    assert isinstance(note, Note)
    assert "Results" not in str(note.details)


def test_an_empty_interim_takes_back_the_one_before_it_and_no_other() -> None:
    said = decode(wire_of(), result("a"), result("a b"), result(""), result(""))
    assert [event.text for event in said if isinstance(event, Transcript)] == ["a", "a b", ""]
    assert decode(wire_of(), result("a", final=True), result("")) == [
        Transcript("a", True, False, 0.9)
    ]


def test_what_we_asked_to_be_final_ends_the_speech() -> None:
    wire = wire_of()
    wire.finalize()
    first, second = decode(
        wire,
        result("a", final=True, from_finalize=True),
        result("b", final=True, from_finalize=True),
    )
    assert first == Transcript("a", True, True, 0.9)
    assert second == Transcript("b", True, False, 0.9)


def test_the_end_of_an_utterance_closes_finals_that_nothing_closed() -> None:
    wire = wire_of()
    end = '{"type":"UtteranceEnd","channel":[0,1],"last_word_end":1.0}'
    closing = Transcript("", True, True, 1.0)
    assert decode(wire, end) == []
    assert decode(wire, result("a", final=True), end, end)[1:] == [closing]
    assert len(decode(wire, result("b", final=True, speech_final=True), end)) == 1


def test_metadata_is_for_the_log_and_ends_a_stream_that_was_closed() -> None:
    wire = wire_of()
    metadata = '{"type":"Metadata","request_id":"r-1"}'
    note = Note("deepgram_stream", {"request_id": "r-1"})
    assert decode(wire, metadata) == [note]
    wire.finish()
    assert decode(wire, metadata) == [note, Signal.OVER]


@pytest.mark.parametrize(
    ("message", "told"),
    [
        (
            {"variant": "V", "description": "bad thing", "message": "msg"},
            "Provider error: Error: bad thing",
        ),
        ({}, "Provider error: Unknown error from Deepgram"),
        ({"description": "d"}, "Provider error: Unknown error from Deepgram"),
    ],
)
def test_an_error_is_told_as_it_always_was_and_may_pass(message: dict[str, str], told: str) -> None:
    with pytest.raises(ProviderRefused) as death:
        decode(wire_of(), json.dumps({"type": "Error", **message}))
    assert death.value.stt_text == told
    assert death.value.retryable


def test_an_ordinary_close_is_the_end_only_of_a_stream_that_was_closed() -> None:
    wire = wire_of()
    assert isinstance(wire.closed(1000, ""), NetworkFailed)
    wire.finish()
    assert wire.closed(1000, "") is None
    assert wire.closed(1005, "") is None
    assert isinstance(wire.closed(None, ""), NetworkFailed)
    assert isinstance(wire.closed(1011, "NET-0000"), NetworkFailed)


def test_a_refusal_does_not_repeat_the_key() -> None:
    assert "test-key" not in str(wire_of().refusal(401, {}, b"test-key is wrong"))


def test_a_final_that_comes_twice_is_heard_once() -> None:
    wire = wire_of()
    once = result("one", final=True, start=1.0, duration=1.5)
    again = result("one", final=True, start=2.5, duration=1.5)
    heard = [event for event in decode(wire, once, once, again) if isinstance(event, Transcript)]
    assert [event.text for event in heard] == ["one", "one"]
