"""Everything an operator can set, as frozen values with their documentation.

Sections by subject live beside this file; here they become one tree. `load.py` fills it.
"""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from sayna.settings.access import ApiSecret, Auth
from sayna.settings.recording import Backend, GcsBucket, LocalFolder, Recording, S3Bucket
from sayna.settings.telephony import Sip, SipHook
from sayna.settings.values import Env, FilePath, Flag, Folded, Seconds, Secret, Section, Text, Whole
from sayna.settings.vendors import Local, Providers

__all__ = [
    "ApiSecret",
    "Auth",
    "Backend",
    "Cache",
    "GcsBucket",
    "LiveKit",
    "Local",
    "LocalFolder",
    "Logging",
    "Providers",
    "Recording",
    "Rooms",
    "S3Bucket",
    "Server",
    "SessionLimits",
    "Settings",
    "Sip",
    "SipHook",
    "Turn",
]

LEVELS = {
    "trace": "debug",
    "debug": "debug",
    "info": "info",
    "warn": "warning",
    "warning": "warning",
    "error": "error",
    "critical": "critical",
    "off": "critical",
}
"""Words for a log level, in any case, and what they mean here."""

LevelName = Literal["debug", "info", "warning", "error", "critical"]


def parse_level(value: object) -> object:
    """Read a log level by any of its usual names."""
    known = LEVELS.get(value.strip().lower()) if isinstance(value, str) else None
    if known is None:
        raise ValueError("is no log level; write debug, info, warning, error or critical")
    return known


Level = Annotated[LevelName, BeforeValidator(parse_level)]
Port = Annotated[Whole, Field(ge=0, le=65535)]
GraceSeconds = Annotated[Seconds, Field(le=3600)]
TurnMs = Annotated[Whole, Field(ge=0, le=600_000)]


class Server(Section):
    """Where the server listens."""

    host: Annotated[Text, Env("HOST")] = "0.0.0.0"  # noqa: S104 - the documented default
    """Address or name to listen on; `127.0.0.1` keeps the server to this machine."""

    port: Annotated[Port, Env("PORT")] = 3001
    """TCP port to listen on; 0 takes any free one."""


class Logging(Section):
    """What the server tells on standard error while it runs."""

    level: Annotated[Level, Env("LOG_LEVEL", ("RUST_LOG",))] = "info"
    """Least important events to show: debug, info, warning, error or critical."""

    format: Annotated[Literal["auto", "text", "json"], Folded, Env("LOG_FORMAT")] = "auto"
    """How events look: text, json, or auto (text on a terminal, JSON otherwise)."""


class LiveKit(Section):
    """The LiveKit server that holds the rooms. Without key and secret there are no rooms."""

    url: Annotated[Text, Env("LIVEKIT_URL")] = "ws://localhost:7880"
    """Address of LiveKit as this server reaches it."""

    public_url: Annotated[Text, Env("LIVEKIT_PUBLIC_URL")] = "http://localhost:7880"
    """Address of LiveKit as clients reach it; handed to them word for word."""

    api_key: Annotated[Secret | None, Env("LIVEKIT_API_KEY")] = None
    """Key of this server at LiveKit."""

    api_secret: Annotated[Secret | None, Env("LIVEKIT_API_SECRET")] = None
    """Secret that belongs to the key."""

    legacy_grants: Annotated[Flag, Env("LIVEKIT_LEGACY_GRANTS")] = False
    """Let the tokens for participants also list and create rooms and record."""

    agent_kind: Annotated[Literal["standard", "agent"], Folded, Env("LIVEKIT_AGENT_KIND")] = (
        "standard"
    )
    """Kind of participant that this server joins a room as."""

    @property
    def configured(self) -> bool:
        """Both key and secret are there, so rooms can be used."""
        return self.api_key is not None and self.api_secret is not None


class Cache(Section):
    """Where synthesized speech, downloaded models and hooks set at run time are kept."""

    path: Annotated[FilePath | None, Env("CACHE_PATH")] = Field(
        default=None, examples=["/var/lib/sayna"]
    )
    """Folder for all of it; without one, speech is cached in memory and hooks are forgotten."""

    ttl_seconds: Annotated[Whole, Env("CACHE_TTL_SECONDS"), Field(ge=0)] = 2_592_000
    """Seconds that synthesized speech is kept; 0 keeps none."""

    memory_entries: Annotated[Whole, Env("CACHE_MEMORY_ENTRIES"), Field(ge=0)] = 5_000_000
    """Utterances that the cache in memory holds at most."""

    memory_bytes: Annotated[Whole, Env("CACHE_MEMORY_BYTES"), Field(ge=0)] = 500 * 2**20
    """Bytes of audio that the cache in memory holds at most; no utterance takes over an eighth."""

    disk_bytes: Annotated[Whole, Env("CACHE_DISK_BYTES"), Field(ge=0)] = 2 * 2**30
    """Bytes of synthesized speech in the folder at most; 0 keeps speech in memory only."""


class Rooms(Section):
    """How long rooms and sessions wait for somebody to come back."""

    leave_grace_s: Annotated[GraceSeconds, Env("ROOMS_LEAVE_GRACE_S")] = 5.0
    """Seconds that a session waits after its last participant left."""

    sip_leave_grace_s: Annotated[GraceSeconds, Env("ROOMS_SIP_LEAVE_GRACE_S")] = 0.1
    """Seconds that a session waits after its last caller by phone hung up."""

    orphan_grace_s: Annotated[GraceSeconds, Env("ROOMS_ORPHAN_GRACE_S")] = 15.0
    """Seconds that a room outlives a session whose client vanished."""


class Turn(Section):
    """When a caller's turn is over; a session may set its own in `stt_config.turn`."""

    provider_wait_ms: Annotated[TurnMs, Env("SESSION_TURN_PROVIDER_WAIT_MS")] = 1800
    """Milliseconds after a final result in which the vendor may end the turn itself."""

    inference_limit_ms: Annotated[TurnMs, Env("SESSION_TURN_INFERENCE_LIMIT_MS")] = 800
    """Milliseconds that the turn model may think."""

    hard_limit_ms: Annotated[TurnMs, Env("SESSION_TURN_HARD_LIMIT_MS")] = 5000
    """Milliseconds of nothing new after which a turn ends whatever the vendor says."""

    duplicate_window_ms: Annotated[TurnMs, Env("SESSION_TURN_DUPLICATE_WINDOW_MS")] = 500
    """Milliseconds in which a vendor's end of turn repeats one that the server made."""


class SessionLimits(Section):
    """Limits of one conversation over `/ws`."""

    max_text_chars: Annotated[Whole, Env("SESSION_MAX_TEXT_CHARS"), Field(ge=1)] = 20_000
    """Characters of text in one `speak`."""

    max_queued_speaks: Annotated[Whole, Env("SESSION_MAX_QUEUED_SPEAKS"), Field(ge=1)] = 100
    """Texts that wait to be spoken."""

    open_speak_timeout_s: Annotated[
        Seconds, Env("SESSION_OPEN_SPEAK_TIMEOUT_S"), Field(gt=0, le=3600)
    ] = 30.0
    """Seconds without more text after which an utterance begun with `flush: false` is ended."""

    max_message_bytes: Annotated[Whole, Env("SESSION_MAX_MESSAGE_BYTES"), Field(ge=1024)] = (
        16 * 2**20
    )
    """Bytes of one message from the client."""

    repeated_error_interval_s: Annotated[GraceSeconds, Env("SESSION_REPEATED_ERROR_INTERVAL_S")] = (
        1.0
    )
    """Seconds in which the same kind of error is told only once."""

    ping_interval_s: Annotated[Seconds, Env("SESSION_PING_INTERVAL_S"), Field(gt=0, le=3600)] = 20.0
    """Seconds between two pings to the client."""

    ping_timeout_s: Annotated[Seconds, Env("SESSION_PING_TIMEOUT_S"), Field(gt=0, le=3600)] = 20.0
    """Seconds without an answer to a ping after which the client counts as gone."""

    unread_timeout_s: Annotated[Seconds, Env("SESSION_UNREAD_TIMEOUT_S"), Field(gt=0, le=3600)] = (
        60.0
    )
    """Seconds for which a client may take nothing of what waits for it; then it is cut off."""

    drain_timeout_s: Annotated[GraceSeconds, Env("SESSION_DRAIN_TIMEOUT_S")] = 10.0
    """Seconds that sessions get to finish what they say when the server is told to stop."""

    turn: Turn = Turn()
    """When a caller's turn is over."""


class Settings(Section):
    """All settings of one server."""

    server: Server = Server()
    """Where the server listens."""

    logging: Logging = Logging()
    """What the server tells while it runs."""

    auth: Auth = Auth()
    """Who may use this server."""

    providers: Providers = Providers()
    """Speech vendors and local engines."""

    session: SessionLimits = SessionLimits()
    """Limits of one conversation."""

    cache: Cache = Cache()
    """What is kept, and where."""

    livekit: LiveKit = LiveKit()
    """The LiveKit server that holds the rooms."""

    rooms: Rooms = Rooms()
    """How long rooms wait."""

    recording: Recording = Recording()
    """Recorded conversations."""

    sip: Sip | None = None
    """Phone calls over SIP."""
