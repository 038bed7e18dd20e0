"""Callers known to a service of the operator: we ask it about every token.

The question is a signed JSON Web Token that carries the client's token and its request; the
answer's status decides, and the `id` in a 200 names the tenant.
"""

import http
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import cast

import aiohttp
import jwt
import msgspec
import structlog
import yarl

from sayna.auth.access import AccessDenied, AccessRequest, is_plain
from sayna.auth.identity import ANONYMOUS, Identity, identity_of
from sayna.auth.signing import SigningKey
from sayna.settings.tree import Auth

log = structlog.get_logger(__name__)

LIFETIME_S = 300
MAX_ANSWER_BYTES = 1024 * 1024
IDLE_S = 4.0
"""Seconds that an unused connection is kept: many services hang up after five, in silence."""
SHOWN_BYTES = 500
DROPPED_HEADERS = frozenset({"authorization", "cookie", "host", "x-real-ip"})
DROPPED_PREFIXES = ("x-forwarded-", "x-sayna-")
TOKEN_HEADERS = {"Content-Type": "application/jwt", "Accept": "*/*"}
SILENT_HEADERS = ("User-Agent", "Accept-Encoding")


class TokenService:
    """Asks the configured service who a token stands for; one question per request, no memory."""

    reads_body = True

    def __init__(
        self,
        settings: Auth,
        key: SigningKey,
        session: aiohttp.ClientSession,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._url = settings.service_url or ""
        self._strict = settings.strict_identity
        self._key = key
        self._session = session
        self._clock = clock

    async def identify(self, token: str, request: AccessRequest) -> Identity:
        """Return what the service says about this token and this request.

        Raises:
            AccessDenied: the service says no, or cannot be asked.
        """
        status, body = await self._ask(self._sign(token, request))
        if status != http.HTTPStatus.OK:
            raise _refusal(status, body)
        if len(body) > MAX_ANSWER_BYTES:  # half of it may hide who is asking: nobody gets in
            log.warning("auth_answer_too_large", limit_bytes=MAX_ANSWER_BYTES)
            raise AccessDenied(
                503, "auth_service_unavailable", "The answer of the auth service is too large"
            )
        identity = _read_identity(body)
        if identity is ANONYMOUS:
            log.warning("auth_without_identity", strict=self._strict)
            if self._strict:
                raise AccessDenied(
                    401, "unauthorized", "Unauthorized: the auth service gave no identity"
                )
        return identity

    def _sign(self, token: str, request: AccessRequest) -> str:
        now = int(self._clock())
        claims = {
            "sub": "sayna-auth",
            "iat": now,
            "exp": now + LIFETIME_S,
            "auth_data": {
                "token": token,
                "request_body": _request_body(request.body),
                "request_headers": _request_headers(request),
                "request_path": request.raw_path.decode("latin-1"),
                "request_method": request.method.upper(),
            },
        }
        try:
            return jwt.encode(claims, self._key.key, self._key.algorithm)
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as error:
            log.error("auth_signing_failed", kind=type(error).__name__)  # noqa: TRY400 - may quote
            raise AccessDenied(
                500, "jwt_signing_error", "The question to the auth service could not be signed"
            ) from None

    async def _ask(self, signed: str) -> tuple[int, bytes]:
        try:
            async with self._session.post(
                yarl.URL(self._url, encoded=True),
                data=signed.encode(),
                headers=TOKEN_HEADERS,
                skip_auto_headers=SILENT_HEADERS,
                allow_redirects=False,
            ) as answer:
                return answer.status, await _read_bounded(answer.content)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            log.warning("auth_service_unavailable", kind=type(error).__name__)
            raise AccessDenied(
                503,
                "auth_service_unavailable",
                f"The auth service could not be asked ({type(error).__name__})",
            ) from None


async def _read_bounded(stream: aiohttp.StreamReader) -> bytes:
    """Read a whole answer; one that is too large ends somewhere beyond the limit."""
    taken = bytearray()
    while len(taken) <= MAX_ANSWER_BYTES and (piece := await stream.readany()):
        taken += piece
    return bytes(taken)


def _request_body(body: bytes) -> object:
    """Return the client's body as JSON of any type; an empty object when it is anything else."""
    try:
        return cast("object", msgspec.json.decode(body)) if body else {}
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return {}


def _request_headers(request: AccessRequest) -> dict[str, str]:
    """Return the headers that the service may see; of a repeated one the last counts."""
    kept: dict[str, str] = {}
    for raw_name, value in request.headers:
        name = raw_name.decode("latin-1").lower()
        if name in DROPPED_HEADERS or name.startswith(DROPPED_PREFIXES) or not is_plain(value):
            continue
        kept[name] = value.decode("ascii")
    return kept


def _read_identity(body: bytes) -> Identity:
    """Return whom a 200 names; anything that names nobody lets the caller in without a tenant."""
    try:
        answer: object = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return ANONYMOUS
    if not isinstance(answer, dict):
        return ANONYMOUS
    named = cast("Mapping[str, object]", answer).get("id")
    return identity_of(named) if isinstance(named, str) else ANONYMOUS


def _refusal(status: int, body: bytes) -> AccessDenied:
    shown = shorten(body)
    if status == http.HTTPStatus.UNAUTHORIZED:
        return AccessDenied(401, "unauthorized", f"Unauthorized: {shown}")
    try:
        reason = http.HTTPStatus(status).phrase
    except ValueError:
        reason = "<unknown status code>"
    ours = 401 if 400 <= status < 500 else 502
    return AccessDenied(
        ours, "auth_service_error", f"Auth service error ({status} {reason}): {shown}"
    )


def shorten(body: bytes) -> str:
    """Return a body as text, cut to 500 bytes without splitting a character."""
    text = body.decode("utf-8", errors="replace").encode()
    if len(text) <= SHOWN_BYTES:
        return text.decode()
    return text[:SHOWN_BYTES].decode("utf-8", errors="ignore") + "... (truncated)"


@asynccontextmanager
async def open_token_service(settings: Auth, key: SigningKey) -> AsyncGenerator[TokenService, None]:
    """Open the one connection pool through which the service is asked."""
    timeout = aiohttp.ClientTimeout(total=settings.timeout_seconds)
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=IDLE_S)
    async with aiohttp.ClientSession(
        connector=connector, timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()
    ) as session:
        yield TokenService(settings, key, session)
