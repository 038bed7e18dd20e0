"""How a key reaches Deepgram: in a header, or among the subprotocols of a browser's socket."""

from aiohttp import web

from tests.emulators.answers import Refused
from tests.emulators.server import Exchange

SCHEMES = frozenset({"token", "bearer"})


def key_of(request: web.Request) -> str | None:
    """Return the key or token of a request."""
    header = request.headers.get("Authorization")
    if header is not None:
        scheme, _, key = header.partition(" ")
        return key if scheme.lower() in SCHEMES and key else None
    scheme, key = _offered(request)
    return key if scheme in SCHEMES and key else None


def subprotocols(request: web.Request) -> list[str]:
    """Return what to choose from: the scheme, never the key."""
    scheme, _ = _offered(request)
    return [scheme] if scheme in SCHEMES else []


def admit(exchange: Exchange, keys: frozenset[str]) -> None:
    """Let in whoever has a key.

    Raises:
        Refused: 401.
    """
    key = exchange.connection.key
    if key not in keys or key in exchange.emulator.expired_keys:
        raise Refused(401)


def _offered(request: web.Request) -> tuple[str, str]:
    offers = request.headers.get("Sec-WebSocket-Protocol", "")
    scheme, _, key = (part.strip() for part in offers.partition(","))
    return scheme, key
