"""Everything we raise on purpose, as one tree.

    SaynaError
    ├── SettingsInvalid            a start that must not happen
    ├── InvalidRequest             the caller can mend it
    │   ├── UnsupportedProvider
    │   └── InvalidProviderAuth
    ├── MissingProviderAuth        the operator can mend it
    ├── NotConfigured              the operator can mend it
    │   ├── RoomsNotConfigured
    │   └── StorageNotConfigured
    ├── FeatureMissing             a later version will do it
    ├── RoomError                  a room, or the LiveKit that holds it
    │   ├── RoomNotFound
    │   ├── RoomTaken
    │   ├── RoomMetadataUnusable
    │   ├── ParticipantNotFound
    │   ├── RemovalFailed
    │   ├── TokenFailed
    │   └── LiveKitFailed
    └── ProviderError              a speech engine or vendor failed
        ├── ConnectionFailed
        ├── ProviderAuthFailed
        ├── ProviderRefused
        ├── ProviderMisconfigured
        ├── NetworkFailed
        ├── AudioRejected
        ├── ProviderNotReady
        └── ProviderTimeout

Nothing below `sayna.api` knows a status code; `sayna.api.errors` holds the one table.
"""

from collections.abc import Sequence
from typing import ClassVar


class SaynaError(Exception):
    """Anything we raise on purpose. `str()` of it is fit for a client: no secret, no audio."""

    code: ClassVar[str] = "INTERNAL_ERROR"


class SettingsInvalid(SaynaError):
    """The settings are unsound; `problems` has one line for each fault found."""

    code = "SETTINGS_INVALID"

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


class InvalidRequest(SaynaError):
    """The request is well-formed but asks for something that cannot be."""

    code = "INVALID_REQUEST"


class UnsupportedProvider(InvalidRequest):
    """Nobody of that name speaks here."""

    code = "UNSUPPORTED_PROVIDER"

    def __init__(self, name: str) -> None:
        super().__init__(f"Unsupported provider: {name.lower()}")


class InvalidProviderAuth(InvalidRequest):
    """A per-request `auth` object that its provider cannot use."""

    code = "INVALID_PROVIDER_AUTH"

    def __init__(self, provider: str, why: str) -> None:
        super().__init__(f"Invalid auth input for provider {provider}: {why}")


class MissingProviderAuth(SaynaError):
    """Neither the request nor the server has credentials for this provider."""

    code = "MISSING_PROVIDER_AUTH"

    def __init__(self, provider: str, why: str) -> None:
        super().__init__(f"Missing server auth for provider {provider}: {why}")


class NotConfigured(SaynaError):
    """The server was started without what this request needs."""

    code = "NOT_CONFIGURED"


class RoomsNotConfigured(NotConfigured):
    """No LiveKit key and secret were given to the server."""

    code = "LIVEKIT_NOT_CONFIGURED"

    def __init__(self, text: str = "LiveKit service not configured") -> None:
        super().__init__(text)


class StorageNotConfigured(NotConfigured):
    """The server has no place to keep or find what was asked for."""

    code = "STORAGE_NOT_CONFIGURED"


class RoomError(SaynaError):
    """Something about a room cannot be done."""

    code = "ROOM_ERROR"


class RoomNotFound(RoomError):
    """No such room, or another tenant's: the caller cannot tell which."""

    code = "ROOM_NOT_FOUND"

    def __init__(self, name: str) -> None:
        super().__init__(f"Room '{name}' not found")


class RoomTaken(RoomError):
    """The room that a tenant wants to use belongs to another one."""

    code = "ROOM_TAKEN"

    def __init__(self) -> None:
        super().__init__("Access denied: room belongs to a different tenant")


class RoomMetadataUnusable(RoomError):
    """Somebody else's metadata leaves no place for an owner."""

    code = "ROOM_METADATA_UNUSABLE"

    def __init__(self) -> None:
        super().__init__("Failed to prepare room: its metadata is not a JSON object")


class ParticipantNotFound(RoomError):
    """Nobody of that identity is in that room, or no such track, or the room is not the caller's.

    Args:
        identity: who was asked for.
        room: where.
        track_sid: which published track, where one was asked for.
    """

    code = "PARTICIPANT_NOT_FOUND"

    def __init__(self, identity: str, room: str, track_sid: str | None = None) -> None:
        track = "" if track_sid is None else f"Track '{track_sid}' or "
        super().__init__(f"{track}Participant '{identity}' not found in room '{room}'")


class RemovalFailed(RoomError):
    """LiveKit does not remove a participant or mute a track."""

    code = "REMOVAL_FAILED"


class TokenFailed(RoomError):
    """A token cannot be signed."""

    code = "TOKEN_FAILED"


class LiveKitFailed(RoomError):
    """LiveKit refuses, or does not answer.

    Args:
        doing: what was to be done, as an infinitive.
        reason: LiveKit's code (`not_found`, `unavailable`, ...); one of these, too, when
            it did not come so far as to answer.
        detail: the reason in words for a client; no address, no key.
    """

    code = "LIVEKIT_FAILED"

    def __init__(self, doing: str, reason: str, detail: str) -> None:
        super().__init__(f"LiveKit failed to {doing}: {reason}: {detail}")
        self.reason = reason


class ProviderError(SaynaError):
    """A speech engine failed. `stt_text` and `tts_text` are what clients read.

    Args:
        detail: what went wrong in words for a client; never a key, never audio.
        retryable: the same call may succeed a moment later.
        retry_after_s: the vendor asked for this pause before it.
    """

    code = "PROVIDER_ERROR"
    stt_label: ClassVar[str] = "Provider error"
    tts_label: ClassVar[str] = "Provider error"

    def __init__(
        self, detail: str, *, retryable: bool = False, retry_after_s: float | None = None
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.retryable = retryable
        self.retry_after_s = retry_after_s

    @property
    def stt_text(self) -> str:
        """`<Kind>: <detail>` as `/ws` words a recognizer's failure."""
        return f"{self.stt_label}: {self.detail}"

    @property
    def tts_text(self) -> str:
        """`<Kind>: <detail>` as `/ws` and `POST /speak` word a synthesizer's failure."""
        return f"{self.tts_label}: {self.detail}"


class ConnectionFailed(ProviderError):
    """The engine could not be reached or started."""

    code = "PROVIDER_UNREACHABLE"
    stt_label = "Connection failed"
    tts_label = "Connection failed"


class ProviderAuthFailed(ProviderError):
    """The vendor refused the credentials."""

    code = "PROVIDER_AUTH_FAILED"
    stt_label = "Authentication failed"
    tts_label = "Connection failed"


class ProviderRefused(ProviderError):
    """The vendor answered, and the answer was an error."""

    code = "PROVIDER_REFUSED"


class ProviderMisconfigured(ProviderError):
    """The engine cannot do what its options ask: an unknown voice, model, format or rate."""

    code = "PROVIDER_MISCONFIGURED"
    stt_label = "Configuration error"
    tts_label = "Invalid configuration"


class NetworkFailed(ProviderError):
    """Bytes stopped flowing in the middle."""

    code = "PROVIDER_NETWORK"
    stt_label = "Network error"
    tts_label = "Network error"


class AudioRejected(ProviderError):
    """Audio could not be understood (recognizer) or could not be made (synthesizer)."""

    code = "PROVIDER_AUDIO"
    stt_label = "Audio processing error"
    tts_label = "Audio generation failed"


class ProviderNotReady(ProviderError):
    """The engine is not connected."""

    code = "PROVIDER_NOT_READY"
    stt_label = "Connection failed"
    tts_label = "Provider not ready"


class ProviderTimeout(ProviderError):
    """The engine took longer than it was given."""

    code = "PROVIDER_TIMEOUT"
    stt_label = "Connection failed"
    tts_label = "Timeout error"


class FeatureMissing(SaynaError):
    """The request is sound and the server is configured for it, but this version cannot do it."""

    code = "FEATURE_MISSING"
