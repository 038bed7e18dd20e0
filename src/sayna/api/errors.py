"""Errors become answers; which status a `SaynaError` has is decided in this file alone.

| Family | Shape | Where |
|---|---|---|
| access | `{"error": code, "message": text}` | the authentication layer |
| plain | `{"error": text}` | most routes |
| coded | `{"error": text, "code": CODE}` | participants, calls and transfers |
"""

from collections.abc import Mapping

import msgspec
import structlog
from starlette.responses import Response
from typing_extensions import override

from sayna.auth.access import AccessDenied
from sayna.errors import (
    FeatureMissing,
    InvalidRequest,
    MissingProviderAuth,
    NotConfigured,
    ParticipantNotFound,
    ProviderError,
    RoomError,
    RoomNotFound,
    RoomTaken,
    SaynaError,
    SettingsInvalid,
    StorageNotConfigured,
)
from sayna.session.synthesis import SynthesisFailed
from sayna.storage.hooks_file import HookIsConfigured, HooksNotKept

log = structlog.get_logger(__name__)

CODED_PATHS = frozenset(
    {"/livekit/participant", "/livekit/participant/mute", "/sip/call", "/sip/transfer"}
)
"""Routes whose clients branch on `code`."""


CLIENT_CODES: Mapping[str, str] = {"BLANK_IDENTITY": "PARTICIPANT_NOT_FOUND"}
"""What clients are told instead: the original has one code for two things."""


class RequestRejected(SaynaError):
    """The request never reaches a route's logic: its path, method, size, type or form is wrong."""

    code = "REQUEST_REJECTED"

    def __init__(self, status: int, text: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.headers = dict(headers or {})


STATUS: Mapping[type[SaynaError], int] = {
    InvalidRequest: 400,
    HookIsConfigured: 405,
    HooksNotKept: 500,
    MissingProviderAuth: 500,
    NotConfigured: 500,
    StorageNotConfigured: 503,
    FeatureMissing: 503,
    ParticipantNotFound: 404,
    RoomNotFound: 404,
    RoomTaken: 403,
    RoomError: 500,
    ProviderError: 500,
    SettingsInvalid: 500,
    SynthesisFailed: 500,
}
"""The nearest listed ancestor of an error decides."""


def status_of(error: SaynaError) -> int:
    """Return the status that says what went wrong."""
    if isinstance(error, AccessDenied | RequestRejected):
        return error.status
    return next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), 500)


class JsonAnswer(Response):
    """A body of JSON, encoded by msgspec: compact, UTF-8, nothing escaped without need."""

    media_type = "application/json"

    @override
    def render(self, content: object) -> bytes:
        """Encode the body."""
        return msgspec.json.encode(content)


def render_error(error: SaynaError, path: str) -> JsonAnswer:
    """Answer an error in the family of the route that it came from."""
    status = status_of(error)
    if status >= 500:
        log.warning("request_failed", code=error.code, status=status)
    if isinstance(error, AccessDenied):
        return JsonAnswer({"error": error.error, "message": error.message}, status)
    if isinstance(error, RequestRejected):
        return JsonAnswer({"error": str(error)}, status, error.headers)
    if path in CODED_PATHS:
        code = CLIENT_CODES.get(error.code, error.code)
        return JsonAnswer({"error": str(error), "code": code}, status)
    return JsonAnswer({"error": str(error)}, status)
