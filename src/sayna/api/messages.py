"""The `/ws` messages that clients send, exactly as documented to them.

Each struct is one message; `parse_command` reads them. Types are strict: nothing is converted, and
`null` is only accepted where the type says so. What clients get is in `event_messages`.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from sayna.api.repeated_fields import find_repeated_field
from sayna.errors import InvalidRequest
from sayna.session.loading_audio import ClipRequest
from sayna.session.opening import SessionRequest, SttRequest, TtsRequest
from sayna.speech.options import Pronunciation, RecognizerOptions, SynthesizerOptions

U16 = Annotated[int, Meta(ge=0, le=2**16 - 1)]
U32 = Annotated[int, Meta(ge=0, le=2**32 - 1)]
TurnMs = Annotated[int, Meta(ge=0, le=600_000)]  # as in the settings' `session.turn`
U64 = Annotated[int, Meta(ge=0)]  # its upper end is beyond what the decoder can compare with

EventName = Literal["vad", "interruption", "failover", "recording", "call", "dtmf"]

COMMANDS = (
    "config",
    "speak",
    "clear",
    "send_message",
    "sip_transfer",
    "update_config",
    "loading_start",
    "loading_stop",
)
EVENTS = ("vad", "interruption", "failover", "recording", "call", "dtmf")

MAX_U64 = 2**64 - 1
MAX_ECHO_CHARS = 64
"""Characters of an unknown type that its error repeats."""

MIN_WAIT_S, MAX_WAIT_S = 1, 600
"""Seconds that a timeout of a config counts as at least and at most."""


T = TypeVar("T")


class InvalidMessage(InvalidRequest):
    """A text message is not one of ours; the text says why."""

    code = "INVALID_MESSAGE"


class TurnConfig(Struct):
    """When the caller's turn is over; what is left out is as the server is set."""

    provider_wait_ms: TurnMs | None = None
    inference_limit_ms: TurnMs | None = None
    hard_limit_ms: TurnMs | None = None
    duplicate_window_ms: TurnMs | None = None


class SttConfig(Struct):
    """How the client's audio is recognized."""

    provider: Annotated[str, Meta(examples=["deepgram", "local"])]
    language: Annotated[str, Meta(examples=["en-US"])]
    sample_rate: Annotated[U32, Meta(description="Hz of the audio that the client sends.")]
    channels: U16
    punctuation: bool
    encoding: Annotated[str, Meta(examples=["linear16", "mulaw"])]
    model: str
    auth: dict[str, Any] | None = None
    drop_while_protected: bool | None = None
    fill_forced_transcript: bool | None = None
    turn: TurnConfig | None = None

    def to_request(self) -> SttRequest:
        """Return the same, free of its spelling."""
        options = RecognizerOptions(
            provider=self.provider,
            language=self.language,
            sample_rate=self.sample_rate,
            channels=self.channels,
            encoding=self.encoding,
            punctuation=self.punctuation,
            model=self.model,
        )
        return SttRequest(
            options,
            self.auth,
            drop_while_protected=bool(self.drop_while_protected),
            fill_forced_transcript=bool(self.fill_forced_transcript),
            turn={} if self.turn is None else _given_fields(self.turn),
        )


class PronunciationRule(Struct):
    """Say a word in another way."""

    word: str
    pronunciation: str


class TtsConfig(Struct):
    """How the server speaks."""

    provider: Annotated[str, Meta(examples=["elevenlabs", "local"])]
    model: str
    voice_id: str | None = None
    speaking_rate: float | None = None
    audio_format: Annotated[str | None, Meta(examples=["linear16", "mulaw"])] = None
    sample_rate: Annotated[U32 | None, Meta(description="Hz of the audio sent to the client.")] = (
        None
    )
    connection_timeout: Annotated[U64 | None, Meta(description="Seconds.")] = None
    request_timeout: Annotated[U64 | None, Meta(description="Seconds without any audio.")] = None
    pronunciations: list[PronunciationRule] = msgspec.field(default_factory=list[PronunciationRule])
    auth: dict[str, Any] | None = None

    def to_request(self) -> TtsRequest:
        """Return the same, free of its spelling, with the defaults filled in."""
        usual = SynthesizerOptions(self.provider)
        options = SynthesizerOptions(
            provider=self.provider,
            model=self.model,
            voice_id=self.voice_id,
            speaking_rate=_given(self.speaking_rate, usual.speaking_rate),
            audio_format=_given(self.audio_format, usual.audio_format),
            sample_rate=_given(self.sample_rate, usual.sample_rate),
            connection_timeout_s=_seconds(self.connection_timeout, usual.connection_timeout_s),
            request_timeout_s=_seconds(self.request_timeout, usual.request_timeout_s),
        )
        rules = tuple(Pronunciation(rule.word, rule.pronunciation) for rule in self.pronunciations)
        return TtsRequest(options, self.auth, rules)


class LiveKitConfig(Struct):
    """The room to join."""

    room_name: str
    enable_recording: bool = False
    sayna_participant_identity: str | None = None
    sayna_participant_name: str | None = None
    listen_participants: list[str] = msgspec.field(default_factory=list[str])


class LoadingAudio(Struct):
    """The clip that is played while the client thinks."""

    data: Annotated[str, Meta(description="Base64 of a WAV file or of bare 16-bit samples.")]
    format: str | None = None
    sample_rate: U32 | None = None
    channels: U16 | None = None
    volume: float | None = None

    def to_request(self) -> ClipRequest:
        """Return the same, free of its spelling."""
        return ClipRequest(self.data, self.format, self.sample_rate, self.channels, self.volume)


class Config(Struct, tag="config", tag_field="type"):
    """Open the session; the first message on a connection."""

    stream_id: str | None = None
    audio: bool | None = None
    stt_config: SttConfig | None = None
    tts_config: TtsConfig | None = None
    livekit: LiveKitConfig | None = None
    loading_audio: LoadingAudio | None = None
    events: list[EventName] | None = None

    def to_request(self) -> SessionRequest:
        """Return the same, free of its spelling."""
        stt, tts, clip = self.stt_config, self.tts_config, self.loading_audio
        return SessionRequest(
            stream_id=self.stream_id,
            audio=self.audio is not False,
            stt=None if stt is None else stt.to_request(),
            tts=None if tts is None else tts.to_request(),
            room_name=None if self.livekit is None else self.livekit.room_name,
            loading_audio=None if clip is None else clip.to_request(),
            events=None if self.events is None else tuple(self.events),
        )


class Speak(Struct, tag="speak", tag_field="type"):
    """Say a text, or go on with one; texts are said in the order in which they come."""

    text: str
    flush: Annotated[
        bool | None, Meta(description="False: more text of the same utterance follows.")
    ] = None
    allow_interruption: Annotated[
        bool | None,
        Meta(description="False: no clear stops it; the first text of an utterance says so."),
    ] = None


class Clear(Struct, tag="clear", tag_field="type"):
    """Stop speaking and forget what waits to be said."""


class SendMessage(Struct, tag="send_message", tag_field="type"):
    """Publish a message to the room."""

    message: str
    role: str
    topic: str | None = None
    debug: msgspec.Raw = msgspec.field(default_factory=lambda: msgspec.Raw(b"null"))
    """Any JSON, as the client wrote it: as objects it would take many times the memory."""


class SipTransfer(Struct, tag="sip_transfer", tag_field="type"):
    """Transfer the phone call in the room to another number."""

    transfer_to: Annotated[str, Meta(examples=["+15551234567"])]


class VadUpdate(Struct):
    """Voice activity, changed in a running session."""

    silence_duration_ms: U64 | None = None


class TurnUpdate(Struct):
    """Turn detection, changed in a running session."""

    threshold: float | None = None


class UpdateConfig(Struct, tag="update_config", tag_field="type"):
    """Change a running session."""

    vad: VadUpdate | None = None
    turn_detect: TurnUpdate | None = None


class LoadingStart(Struct, tag="loading_start", tag_field="type"):
    """Start the loading sound in the room."""


class LoadingStop(Struct, tag="loading_stop", tag_field="type"):
    """Stop the loading sound."""


Command = (
    Config | Speak | Clear | SendMessage | SipTransfer | UpdateConfig | LoadingStart | LoadingStop
)
"""Everything a client may send as text."""


_decoder: msgspec.json.Decoder[Command] = msgspec.json.Decoder(Command)

_NESTED: Mapping[str, Mapping[str, Sequence[str]]] = {
    "config": {
        "stt_config": SttConfig.__struct_encode_fields__,
        "stt_config.turn": TurnConfig.__struct_encode_fields__,
        "tts_config": TtsConfig.__struct_encode_fields__,
        "tts_config.pronunciations": PronunciationRule.__struct_encode_fields__,
        "livekit": LiveKitConfig.__struct_encode_fields__,
        "loading_audio": LoadingAudio.__struct_encode_fields__,
    },
    "update_config": {
        "vad": VadUpdate.__struct_encode_fields__,
        "turn_detect": TurnUpdate.__struct_encode_fields__,
    },
}
"""Objects inside a message, with the fields that may stand in them only once."""


def parse_command(text: str) -> Command:
    """Read one text message of a client.

    Raises:
        InvalidMessage: it is not one of the messages, or not in the right form.
    """
    try:
        command = _decoder.decode(text)
        _check_sizes(command)
    except RecursionError:
        raise InvalidMessage("arrays and objects are nested too deeply") from None
    except msgspec.DecodeError as error:
        raise InvalidMessage(_detail(str(error))) from None
    kind = str(command.__struct_config__.tag)
    fields = ("type", *command.__struct_encode_fields__)
    if twice := find_repeated_field(text, fields, _NESTED.get(kind, {})):
        raise InvalidMessage(f"duplicate field `{twice}`")
    return command


def _check_sizes(command: Command) -> None:
    match command:
        case Config(tts_config=TtsConfig() as tts):
            sizes = {
                "$.tts_config.connection_timeout": tts.connection_timeout,
                "$.tts_config.request_timeout": tts.request_timeout,
            }
        case UpdateConfig(vad=VadUpdate() as vad):
            sizes = {"$.vad.silence_duration_ms": vad.silence_duration_ms}
        case _:
            return
    for path, size in sizes.items():
        if size is not None and size > MAX_U64:
            raise msgspec.ValidationError(f"Expected `int` <= {MAX_U64} - at `{path}`")


def _detail(text: str) -> str:
    """Word the decoder's complaint for a client."""
    if text.startswith("Invalid value") and text.endswith("- at `$.type`"):
        kinds = ", ".join(f"`{name}`" for name in COMMANDS)
        name = text.removeprefix("Invalid value '").removesuffix("' - at `$.type`")
        if name in COMMANDS:  # it contradicts an earlier one
            return "duplicate field `type`"
        return f"unknown type `{name[:MAX_ECHO_CHARS]}`, expected one of {kinds}"
    if "- at `$.events" in text:
        return f"Expected a list of {', '.join(f'`{name}`' for name in EVENTS)} - at `$.events`"
    return text


def _given(value: T | None, default: T) -> T:
    return default if value is None else value


def _given_fields(struct: Struct) -> dict[str, int]:
    return {
        name: value for name, value in msgspec.structs.asdict(struct).items() if value is not None
    }


def _seconds(value: int | None, default: float) -> float:
    return default if value is None else float(min(max(value, MIN_WAIT_S), MAX_WAIT_S))
