"""A request that wants in: where its token is, and how it is turned away."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import parse_qsl

from sayna.auth.identity import Identity
from sayna.errors import SaynaError

SOCKET_PATH = b"/ws"
BEARER = "Bearer "


@dataclass(frozen=True, slots=True)
class AccessRequest:
    """What authentication may look at. Nothing here is ever logged."""

    method: str
    raw_path: bytes
    """As received: still percent-encoded, without the query."""
    query: bytes = b""
    headers: Sequence[tuple[bytes, bytes]] = ()
    """Names in lower case, in the order received."""
    body: bytes = field(default=b"", repr=False)
    """The whole body, when the authenticator asked for it (`Authenticator.reads_body`)."""


class AccessDenied(SaynaError):
    """The request is turned away.

    Args:
        status: the HTTP status that says so.
        error: the word that clients branch on, `snake_case`.
        message: the same for humans.
    """

    code = "ACCESS_DENIED"

    def __init__(self, status: int, error: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.error = error
        self.message = message


class Authenticator(Protocol):
    """One way of telling who a token stands for."""

    @property
    def reads_body(self) -> bool:
        """Whether `AccessRequest.body` must be filled in."""
        ...

    async def identify(self, token: str, request: AccessRequest) -> Identity:
        """Return who is asking.

        Raises:
            AccessDenied: nobody, or nobody can tell.
        """
        ...


def find_token(request: AccessRequest) -> str:
    """Return the caller's token: the `Authorization` header, else `api_key`, else `token` on `/ws`.

    Raises:
        AccessDenied: there is none, or only a header of another form.
    """
    header = next((value for name, value in request.headers if name == b"authorization"), None)
    if header is not None and (token := _bearer_token(header)) is not None:
        return token
    names = ("api_key", "token") if request.raw_path == SOCKET_PATH else ("api_key",)
    for name in names:
        if (token := _query_value(request.query, name)) is not None:
            return token
    if header is None:
        raise AccessDenied(
            401, "missing_auth_header", "Send 'Authorization: Bearer TOKEN' or ?api_key=TOKEN"
        )
    raise AccessDenied(
        401, "invalid_auth_header", "The Authorization header must read 'Bearer TOKEN'"
    )


def _bearer_token(header: bytes) -> str | None:
    """Read `Bearer TOKEN`; the scheme is matched to the letter and the token is not trimmed."""
    if not is_plain(value := header.strip(b" \t")):
        return None
    text = value.decode("ascii")
    return text.removeprefix(BEARER) if text.startswith(BEARER) and text != BEARER else None


def is_plain(value: bytes) -> bool:
    """Tell whether a header's value is printable ASCII; a tab inside counts as such."""
    return all(0x20 <= byte <= 0x7E or byte == 0x09 for byte in value)


def _query_value(query: bytes, name: str) -> str | None:
    """Return the first value of that name that is not blank, form-decoded and untrimmed."""
    pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True, errors="replace")
    return next((value for key, value in pairs if key == name and value.strip()), None)
