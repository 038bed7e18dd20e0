"""The `/ws` messages that clients get, exactly as documented to them.

Each struct is one message, its fields in the order in which they are sent; `render_event` writes
them. What clients send is in `messages`.
"""

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from sayna.session.events import (
    PlaybackComplete,
    Problem,
    Ready,
    SessionEvent,
    TransferProblem,
)
from sayna.speech.events import Transcript
from sayna.turns.open_turn import TurnEnd


class ReadyMessage(Struct, tag="ready", tag_field="type"):
    """The session is open."""

    stream_id: str
    livekit_url: str
    events: list[str] | UnsetType = UNSET


class SttResult(Struct, tag="stt_result", tag_field="type"):
    """Something was heard."""

    transcript: str
    is_final: bool
    is_speech_final: bool
    confidence: Annotated[float, Meta(ge=0, le=1)]
    turn_transcript: Annotated[
        str | UnsetType, Meta(description="With `is_speech_final`: all that was said in the turn.")
    ] = UNSET


class ErrorMessage(Struct, tag="error", tag_field="type"):
    """Something went wrong; the connection stays open."""

    message: str


class SipTransferError(Struct, tag="sip_transfer_error", tag_field="type"):
    """The call was not transferred."""

    message: str


class TtsPlaybackComplete(Struct, tag="tts_playback_complete", tag_field="type"):
    """Everything that was to be said has been sent."""

    timestamp: Annotated[int, Meta(description="Milliseconds since 1970.")]


Message = ReadyMessage | SttResult | ErrorMessage | SipTransferError | TtsPlaybackComplete
"""Everything the server sends as text."""

_encoder = msgspec.json.Encoder()


def render_event(event: SessionEvent) -> bytes:
    """Write one message to a client: compact JSON, `type` first, what is not there left out."""
    return _encoder.encode(_message(event))


def _message(event: SessionEvent) -> Message:
    match event:
        case Transcript():
            return SttResult(*event)
        case TurnEnd(result, turn_text):
            return SttResult(*result, turn_text)
        case Problem(text):
            return ErrorMessage(text)
        case PlaybackComplete(at_ms):
            return TtsPlaybackComplete(at_ms)
        case TransferProblem(text):
            return SipTransferError(text)
        case Ready(stream_id, livekit_url, events):
            return ReadyMessage(stream_id, livekit_url, UNSET if events is None else list(events))
