"""Every field of every command against every JSON type that is not its own."""

import json
from typing import Any, NamedTuple

import pytest

from sayna.api.messages import InvalidMessage, parse_command

STT = {
    "provider": "p",
    "language": "l",
    "sample_rate": 1,
    "channels": 1,
    "punctuation": False,
    "encoding": "e",
    "model": "m",
    "turn": {"hard_limit_ms": 1},
}
WHOLE: dict[str, dict[str, Any]] = {
    "config": {
        "stt_config": STT,
        "tts_config": {
            "provider": "p",
            "model": "m",
            "pronunciations": [{"word": "w", "pronunciation": "p"}],
        },
        "livekit": {"room_name": "r", "listen_participants": ["a"]},
        "loading_audio": {"data": "d"},
    },
    "speak": {"text": "t"},
    "send_message": {"message": "m", "role": "r"},
    "sip_transfer": {"transfer_to": "t"},
    "update_config": {"vad": {}, "turn_detect": {}},
}
"""Each command with all its objects, so that every field has a place."""

MAXIMA = {"u16": 2**16 - 1, "u32": 2**32 - 1, "u64": 2**64 - 1, "turn_ms": 600_000}


class Field(NamedTuple):
    command: str
    path: str
    kind: str
    optional: bool = False
    """May be `null`, which means absent."""


FIELDS = [
    Field("config", "stream_id", "text", True),
    Field("config", "audio", "bool", True),
    Field("config", "stt_config", "object", True),
    Field("config", "tts_config", "object", True),
    Field("config", "livekit", "object", True),
    Field("config", "loading_audio", "object", True),
    Field("config", "stt_config.provider", "text"),
    Field("config", "stt_config.language", "text"),
    Field("config", "stt_config.sample_rate", "u32"),
    Field("config", "stt_config.channels", "u16"),
    Field("config", "stt_config.punctuation", "bool"),
    Field("config", "stt_config.encoding", "text"),
    Field("config", "stt_config.model", "text"),
    Field("config", "stt_config.auth", "object", True),
    Field("config", "stt_config.drop_while_protected", "bool", True),
    Field("config", "stt_config.fill_forced_transcript", "bool", True),
    Field("config", "stt_config.turn", "object", True),
    Field("config", "stt_config.turn.provider_wait_ms", "turn_ms", True),
    Field("config", "stt_config.turn.inference_limit_ms", "turn_ms", True),
    Field("config", "stt_config.turn.hard_limit_ms", "turn_ms", True),
    Field("config", "stt_config.turn.duplicate_window_ms", "turn_ms", True),
    Field("config", "tts_config.provider", "text"),
    Field("config", "tts_config.model", "text"),
    Field("config", "tts_config.voice_id", "text", True),
    Field("config", "tts_config.speaking_rate", "number", True),
    Field("config", "tts_config.audio_format", "text", True),
    Field("config", "tts_config.sample_rate", "u32", True),
    Field("config", "tts_config.connection_timeout", "u64", True),
    Field("config", "tts_config.request_timeout", "u64", True),
    Field("config", "tts_config.pronunciations", "list"),
    Field("config", "tts_config.pronunciations.0", "object"),
    Field("config", "tts_config.pronunciations.0.word", "text"),
    Field("config", "tts_config.pronunciations.0.pronunciation", "text"),
    Field("config", "tts_config.auth", "object", True),
    Field("config", "livekit.room_name", "text"),
    Field("config", "livekit.enable_recording", "bool"),
    Field("config", "livekit.sayna_participant_identity", "text", True),
    Field("config", "livekit.sayna_participant_name", "text", True),
    Field("config", "livekit.listen_participants", "list"),
    Field("config", "livekit.listen_participants.0", "text"),
    Field("config", "loading_audio.data", "text"),
    Field("config", "loading_audio.format", "text", True),
    Field("config", "loading_audio.sample_rate", "u32", True),
    Field("config", "loading_audio.channels", "u16", True),
    Field("config", "loading_audio.volume", "number", True),
    Field("speak", "text", "text"),
    Field("speak", "flush", "bool", True),
    Field("speak", "allow_interruption", "bool", True),
    Field("send_message", "message", "text"),
    Field("send_message", "role", "text"),
    Field("send_message", "topic", "text", True),
    Field("sip_transfer", "transfer_to", "text"),
    Field("update_config", "vad", "object", True),
    Field("update_config", "vad.silence_duration_ms", "u64", True),
    Field("update_config", "turn_detect", "object", True),
    Field("update_config", "turn_detect.threshold", "number", True),
]
IDS = [f"{field.command}.{field.path}" for field in FIELDS]


def wrong(field: Field) -> list[str]:
    """Return JSON that a field must not be given."""
    values = {
        "text": ["0", "1.5", "true", "[]", "{}"],
        "bool": ["0", "1", '"true"', '"false"', '""', "[]", "{}"],
        "number": ['"1"', '""', "true", "[]", "{}", "1e400", "-1e400"],
        "object": ['"x"', "1", "true", "[]", '["x",1,true]'],
        "list": ['"x"', "1", "true", "{}"],
    }.get(field.kind)
    if values is None:
        beyond = str(MAXIMA[field.kind] + 1)
        values = ['"1"', '""', "true", "[]", "{}", "-1", "0.5", "-0.5", beyond, "9" * 5000]
    return values if field.optional else [*values, "null"]


def right(field: Field) -> list[str]:
    """Return JSON at the edges of what a field may be given."""
    values = {
        "text": ['""', '"x"', '"\\u0000\\ud83d\\ude00"', '" 1 "'],
        "bool": ["true", "false"],
        "number": ["0", "-1", "7", "0.5", "1e300", "-0.0"],
        "object": [],
        "list": ["[]"],
    }.get(field.kind)
    if values is None:
        values = ["0", str(MAXIMA[field.kind])]
    return [*values, "null"] if field.optional else values


def render(field: Field, value: str) -> str:
    """Write the whole command with a value in the place of a field."""
    message: Any = json.loads(json.dumps({"type": field.command, **WHOLE[field.command]}))
    *steps, last = field.path.split(".")
    place = message
    for step in steps:
        place = place[int(step)] if isinstance(place, list) else place[step]
    place[int(last) if isinstance(place, list) else last] = "HERE"
    return json.dumps(message).replace('"HERE"', value)


@pytest.mark.parametrize("field", FIELDS, ids=IDS)
def test_nothing_is_converted_to_the_type_of_a_field(field: Field) -> None:
    for value in wrong(field):
        with pytest.raises(InvalidMessage) as refused:
            parse_command(render(field, value))
        named = field.path.split(".")[-1]
        assert named.isdigit() or named in str(refused.value), (value, refused.value)


@pytest.mark.parametrize("field", FIELDS, ids=IDS)
def test_a_field_takes_everything_of_its_own_type(field: Field) -> None:
    for value in right(field):
        command = parse_command(render(field, value))
        assert command.__struct_config__.tag == field.command, value


@pytest.mark.parametrize("command", ["config", "speak", "send_message", "sip_transfer"])
def test_unknown_keys_are_ignored_in_every_object(command: str) -> None:
    message = json.dumps({"type": command, **WHOLE[command]})
    crowded = message.replace("{", '{"zzz": [1, {"type": null}], "zzz": 1e5, "Text": 0, ')
    assert parse_command(crowded) == parse_command(message)


@pytest.mark.parametrize("value", ["null", "1", '"x"', "[[]]", '{"a":{"a":1}}', "false"])
def test_debug_may_be_anything(value: str) -> None:
    text = '{"type":"send_message","message":"m","role":"r","debug":' + value + "}"
    assert parse_command(text).__struct_config__.tag == "send_message"
