import json
from typing import Any

import pytest

from sayna.api.messages import (
    COMMANDS,
    Clear,
    Config,
    InvalidMessage,
    Speak,
    UpdateConfig,
    parse_command,
)
from sayna.session.loading_audio import ClipRequest
from sayna.speech.options import Pronunciation, RecognizerOptions, SynthesizerOptions

STT: dict[str, Any] = {
    "provider": "Deepgram",
    "language": "en-US",
    "sample_rate": 16000,
    "channels": 1,
    "punctuation": True,
    "encoding": "linear16",
    "model": "nova-3",
}
TTS: dict[str, Any] = {"provider": "scripted", "model": ""}


def config(**fields: object) -> str:
    return json.dumps({"type": "config", "stt_config": STT, "tts_config": TTS, **fields})


def stt(**fields: object) -> str:
    return config(stt_config={**STT, **fields})


def tts(**fields: object) -> str:
    return config(tts_config={**TTS, **fields})


def complaint(text: str) -> str:
    with pytest.raises(InvalidMessage) as refused:
        parse_command(text)
    return str(refused.value)


def test_a_config_becomes_a_request_with_the_defaults_filled_in() -> None:
    command = parse_command(config())
    assert isinstance(command, Config)
    request = command.to_request()
    assert request.audio
    assert request.stream_id is None
    assert request.events is None
    assert request.stt is not None
    assert request.stt.options == RecognizerOptions("Deepgram", model="nova-3")
    assert request.tts is not None
    assert request.tts.options == SynthesizerOptions("scripted", sample_rate=24_000)
    assert request.tts.options.audio_format == "linear16"
    assert request.tts.options.voice_id is None
    assert (request.tts.options.connection_timeout_s, request.tts.options.request_timeout_s) == (
        30.0,
        60.0,
    )


def test_everything_that_a_config_may_say_arrives() -> None:
    text = config(
        stream_id="s",
        audio=False,
        stt_config={
            **STT,
            "auth": {"api_key": "k"},
            "drop_while_protected": True,
            "fill_forced_transcript": True,
            "turn": {"provider_wait_ms": 900, "hard_limit_ms": None},
        },
        tts_config={
            **TTS,
            "voice_id": "v",
            "speaking_rate": 2,
            "audio_format": "mulaw",
            "sample_rate": 8000,
            "connection_timeout": 0,
            "request_timeout": 10**15,
            "pronunciations": [{"word": "AI", "pronunciation": "A I"}],
            "auth": {},
        },
        livekit={"room_name": "r", "recording_file_key": "legacy"},
        loading_audio={"data": "AA==", "format": "pcm", "sample_rate": 8000, "volume": 1},
        events=["vad", "dtmf"],
        vad={"enabled": "x"},
        turn_detect=5,
    )
    command = parse_command(text)
    assert isinstance(command, Config)
    request = command.to_request()
    assert (request.stream_id, request.audio, request.room_name) == ("s", False, "r")
    assert request.events == ("vad", "dtmf")
    assert request.loading_audio == ClipRequest("AA==", "pcm", 8000, None, 1.0)
    assert request.stt is not None
    assert request.stt.auth == {"api_key": "k"}
    assert request.stt.drop_while_protected
    assert request.stt.fill_forced_transcript
    assert request.stt.turn == {"provider_wait_ms": 900}
    assert request.tts is not None
    assert request.tts.pronunciations == (Pronunciation("AI", "A I"),)
    assert request.tts.options == SynthesizerOptions(
        "scripted", "", "v", 2.0, "mulaw", 8000, 1.0, 600.0
    )


@pytest.mark.parametrize("field", ["stream_id", "audio", "stt_config", "livekit", "events"])
def test_null_is_as_good_as_absent_where_a_field_is_optional(field: str) -> None:
    command = parse_command(config(**{field: None}))
    assert isinstance(command, Config)
    assert command.to_request().audio


@pytest.mark.parametrize("kind", [kind for kind in COMMANDS if kind not in {"config"}])
def test_every_command_has_its_own_message(kind: str) -> None:
    fields: dict[str, dict[str, object]] = {
        "speak": {"text": "hi"},
        "send_message": {"message": "m", "role": "user", "debug": {"a": [1]}},
        "sip_transfer": {"transfer_to": "+1"},
    }
    command = parse_command(json.dumps({"type": kind, **fields.get(kind, {})}))
    assert command.__struct_config__.tag == kind


@pytest.mark.parametrize(
    "text",
    [
        '{"type":"clear","zzz":{"a":1}}',
        ' \n{ "type" : "clear" }\n',
        '{"\\u0074ype":"\\u0063lear"}',
        '{"zzz":1,"type":"clear"}',
        '{"type":"clear","x":1e400}',
        '{"type":"clear","x":' + "1" * 5000 + "}",
        '{"type":"clear","x":1,"x":2}',
        '{"type":"clear","x":"' + "a" * 3_000_000 + '"}',
    ],
)
def test_what_is_unknown_is_ignored(text: str) -> None:
    assert parse_command(text) == Clear()


@pytest.mark.parametrize(
    "text",
    ["", " ", "null", "[]", '"config"', "{}", "1", '{"type":"speak"', '{"type":"clear"}x'],
)
def test_what_is_no_message_is_refused(text: str) -> None:
    assert complaint(text)


@pytest.mark.parametrize("kind", ["foo", "audio", " speak", "", "send-message", "CLEAR"])
def test_an_unknown_type_is_answered_with_the_known_ones_in_order(kind: str) -> None:
    said = complaint(json.dumps({"type": kind}))
    assert said.startswith(f"unknown type `{kind}`")
    assert [said.index(f"`{name}`") for name in COMMANDS] == sorted(
        said.index(f"`{name}`") for name in COMMANDS
    )


def test_a_long_unknown_type_is_not_repeated_whole() -> None:
    assert len(complaint(json.dumps({"type": "x" * 100_000}))) < 400


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ('{"type":"speak","text":null}', "text"),
        ('{"type":"speak","text":"a","flush":"true"}', "flush"),
        ('{"type":"speak","text":"a","allow_interruption":1}', "allow_interruption"),
        ('{"type":"send_message","message":"a"}', "role"),
        ('{"type":"sip_transfer","transfer_to":1555}', "transfer_to"),
        ('{"type":"update_config","vad":{"silence_duration_ms":1.5}}', "silence_duration_ms"),
        ('{"type":"update_config","vad":{"silence_duration_ms":18446744073709551616}}', "_ms"),
        (stt(sample_rate="16000"), "sample_rate"),
        (stt(sample_rate=None), "sample_rate"),
        (stt(sample_rate=2**32), "sample_rate"),
        (stt(sample_rate=-1), "sample_rate"),
        (stt(channels=65536), "channels"),
        (stt(punctuation=1), "punctuation"),
        (stt(auth="k"), "auth"),
        (stt(model=None), "model"),
        (stt(turn=[]), "turn"),
        (stt(turn={"provider_wait_ms": -1}), "provider_wait_ms"),
        (stt(turn={"provider_wait_ms": 1.5}), "provider_wait_ms"),
        (stt(turn={"hard_limit_ms": 600_001}), "hard_limit_ms"),
        (stt(fill_forced_transcript="yes"), "fill_forced_transcript"),
        (tts(pronunciations=None), "pronunciations"),
        (tts(pronunciations=[{"word": "a"}]), "pronunciation"),
        (tts(connection_timeout=-1), "connection_timeout"),
        (tts(request_timeout=2**64), "request_timeout"),
        (config(audio=0), "audio"),
        (config(livekit={}), "room_name"),
        (config(livekit={"room_name": "r", "enable_recording": None}), "enable_recording"),
        (config(livekit={"room_name": "r", "listen_participants": None}), "listen_participants"),
        (config(loading_audio={}), "data"),
    ],
)
def test_a_wrong_field_is_refused_by_its_name(text: str, field: str) -> None:
    assert field in complaint(text)


@pytest.mark.parametrize("field", sorted(STT))
def test_every_field_of_stt_config_is_required(field: str) -> None:
    rest = {name: value for name, value in STT.items() if name != field}
    assert field in complaint(config(stt_config=rest))


def test_an_unknown_event_is_refused_with_the_known_ones() -> None:
    said = complaint(config(events=["vad", "moods"]))
    for name in ("vad", "interruption", "failover", "recording", "call", "dtmf"):
        assert f"`{name}`" in said


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ('{"type":"clear","type":"speak"}', "type"),
        ('{"type":"clear","type":"clear"}', "type"),
        ('{"type":"speak","text":"a","text":"b"}', "text"),
        ('{"type":"speak","text":"a","te\\u0078t":"b"}', "text"),
        (config()[:-1] + ',"audio":true,"audio":false}', "audio"),
        (stt().replace('"channels": 1', '"channels": 1, "channels": 1'), "channels"),
        (
            stt(turn={"x": 0}).replace('"x": 0', '"hard_limit_ms": 1, "hard_limit_ms": 2'),
            "hard_limit_ms",
        ),
        (
            tts(pronunciations=[{"word": "a", "pronunciation": "b"}, {"x": 0}]).replace(
                '"x": 0', '"word": "a", "word": "c", "pronunciation": "b"'
            ),
            "word",
        ),
    ],
)
def test_a_field_given_twice_is_refused(text: str, field: str) -> None:
    assert complaint(text) == f"duplicate field `{field}`"


def test_a_text_that_quotes_a_field_is_not_mistaken_for_one() -> None:
    text = json.dumps({"type": "speak", "text": 'say "text", and again "text"'})
    assert parse_command(text) == Speak('say "text", and again "text"')


@pytest.mark.parametrize("escape", ["\\ud800", "\\udc00", "\\ud800\\u0041"])
def test_half_a_surrogate_pair_is_refused(escape: str) -> None:
    assert complaint('{"type":"speak","text":"' + escape + '"}')


def test_endless_nesting_is_refused() -> None:
    depth = 100_000
    assert "nested" in complaint('{"type":"clear","x":' + "[" * depth + "]" * depth + "}")


def test_the_secret_in_a_refused_config_is_not_repeated() -> None:
    assert "hunter2" not in complaint(stt(auth={"api_key": "hunter2"}, channels="hunter2"))


def test_an_update_may_leave_everything_out() -> None:
    assert parse_command('{"type":"update_config"}') == UpdateConfig()
    text = '{"type":"update_config","vad":null,"turn_detect":{"threshold":null}}'
    assert isinstance(parse_command(text), UpdateConfig)
