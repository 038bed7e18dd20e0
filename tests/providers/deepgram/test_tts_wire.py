import json

import pytest

from sayna.errors import NetworkFailed, ProviderAuthFailed, ProviderRefused
from sayna.providers.deepgram.tts_wire import DeepgramSpeakWire, speak_request
from sayna.providers.wires import Mark, Note, SpeechPart


def wire() -> DeepgramSpeakWire:
    return DeepgramSpeakWire("ws://vendor.test/", "model=m", "test-key")


def test_a_text_is_asked_for_with_the_key_in_a_header() -> None:
    request = speak_request("http://vendor.test/", "model=m", "test-key", "Grüße 😀 {x}")
    assert request.url == "http://vendor.test/v1/speak?model=m"
    assert request.headers["authorization"] == "Token test-key"
    assert request.body == '{"text":"Grüße 😀 {x}"}'.encode()
    assert "test-key" not in repr(request)
    assert "Grüße" not in repr(request)


def test_a_socket_says_pieces_ends_and_forgets_them() -> None:
    socket = wire()
    assert socket.url == "ws://vendor.test/v1/speak?model=m"
    assert socket.headers == {"authorization": "token test-key"}
    assert socket.opening() == ()
    assert [json.loads(one) for one in socket.say(' "hi" ')] == [
        {"type": "Speak", "text": ' "hi" '}
    ]
    assert socket.end() == ('{"type":"Flush"}',)
    assert socket.cancel() == ('{"type":"Clear"}',)


def test_a_long_piece_is_cut_to_what_deepgram_takes_at_once() -> None:
    pieces = [json.loads(one)["text"] for one in wire().say("x" * 4_001)]
    assert [len(piece) for piece in pieces] == [2_000, 2_000, 1]


@pytest.mark.parametrize(
    ("message", "parts"),
    [
        (b"\x01", [b"\x01"]),
        ('{"type":"Flushed","sequence_id":0}', [Mark.ENDED]),
        ('{"type":"Cleared","sequence_id":1}', [Mark.CANCELLED]),
        (
            '{"type":"Warning","code":"EXCESSIVE_FLUSH","description":"d"}',
            [Note("deepgram_warning", {"code": "EXCESSIVE_FLUSH"})],
        ),
        ('{"type":"Metadata","request_id":"r"}', []),
        ('{"type":"Whatever"}', []),
        ("[]", []),
    ],
)
def test_a_message_is_audio_or_a_mark(message: str | bytes, parts: list[SpeechPart]) -> None:
    assert list(wire().decode(message)) == parts


def test_what_is_no_json_does_not_end_the_utterance() -> None:
    (note,) = wire().decode('{"type":"Flu')
    assert isinstance(note, Note)


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ('{"type":"Error","description":"d","message":"m"}', "d"),
        ('{"type":"Error","message":"m"}', "m"),
        ('{"type":"Error"}', "Unknown error from Deepgram"),
    ],
)
def test_an_error_is_told(message: str, told: str) -> None:
    with pytest.raises(ProviderRefused) as error:
        wire().decode(message)
    assert str(error.value) == told
    assert error.value.retryable


def test_refusals_and_closings_are_deepgrams() -> None:
    assert isinstance(wire().refusal(401, {}, b""), ProviderAuthFailed)
    assert isinstance(wire().closed(1000, ""), NetworkFailed)
