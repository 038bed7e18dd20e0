"""Who is asking: a credential becomes an `Identity` before any route runs."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sayna.api.errors import render_error
from sayna.api.parsing import read_body
from sayna.api.services import IDENTITY_KEY, Services, services_of
from sayna.auth.access import AccessDenied, AccessRequest, find_token
from sayna.auth.identity import ANONYMOUS, Identity
from sayna.errors import SaynaError

__all__ = ["AccessDenied", "AccessRequest", "Authentication", "admit", "is_public"]

PUBLIC_PATHS = frozenset({"/", "/livekit/webhook", "/openapi.json", "/docs"})
"""The webhook is signed by LiveKit instead; the rest tells nothing about this server's callers."""


def is_public(path: str) -> bool:
    """Tell whether a path (still percent-encoded) is open to everybody."""
    return path in PUBLIC_PATHS or path.startswith("/docs/")


async def admit(services: Services, request: AccessRequest) -> Identity:
    """Return who is asking; with authentication off everybody is anonymous.

    Raises:
        AccessDenied: the credential is missing or wrong, or could not be checked.
    """
    if services.authenticator is None:
        return ANONYMOUS
    return await services.authenticator.identify(find_token(request), request)


class Authentication:
    """ASGI middleware: requests for protected paths pass with an identity in their scope."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request through, or answer it with the reason why not."""
        if scope["type"] != "http" or is_public(scope["path"]):
            await self._app(scope, receive, send)
            return
        try:
            identity, receive = await _identify(scope, receive)
        except SaynaError as error:
            await render_error(error, scope["path"])(scope, receive, send)
            return
        await self._app({**scope, IDENTITY_KEY: identity}, receive, send)


async def _identify(scope: Scope, receive: Receive) -> tuple[Identity, Receive]:
    """Admit a request; when its body had to be read for that, return a receiver that replays it."""
    services = services_of(scope)
    authenticator = services.authenticator
    body = b""
    if authenticator is not None and authenticator.reads_body:
        find_token(_access_request(scope, b""))  # nobody's body is read before there is a token
        body = await read_body(scope, receive)
        receive = _replay(body, receive)
    return await admit(services, _access_request(scope, body)), receive


def _access_request(scope: Scope, body: bytes) -> AccessRequest:
    return AccessRequest(
        method=scope["method"],
        raw_path=scope["path"].encode("latin-1"),
        query=scope["query_string"],
        headers=scope["headers"],
        body=body,
    )


def _replay(body: bytes, receive: Receive) -> Receive:
    pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return pending.pop() if pending else await receive()

    return replay
