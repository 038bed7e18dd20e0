"""What routes and sockets of one running server share; `sayna.app` opens and closes it."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from starlette.requests import HTTPConnection

from sayna.auth.access import Authenticator
from sayna.auth.identity import ANONYMOUS, Identity
from sayna.providers.cached import SpeechMemory
from sayna.providers.catalogue import Catalogue
from sayna.providers.registry import Registry
from sayna.rooms.opening import Rooms
from sayna.settings.tree import Settings
from sayna.storage.hooks_file import HooksFile
from sayna.storage.speech_cache import SpeechCache

IDENTITY_KEY = "sayna.identity"
"""Where the authentication middleware leaves the caller's identity in the ASGI scope."""


@dataclass(slots=True)
class Drain:
    """The end of the server, announced: set once, by the first signal to stop."""

    draining: asyncio.Event = field(default_factory=asyncio.Event)
    sockets: set[object] = field(default_factory=set[object])
    """The open `/ws` connections; each adds and removes itself."""


@dataclass(frozen=True, slots=True)
class Services:
    """Everything long-lived; all of it is closed when the server ends."""

    settings: Settings
    registry: Registry
    authenticator: Authenticator | None
    """None: authentication is off."""
    catalogue: Catalogue
    hooks: HooksFile
    speech: SpeechCache
    rooms: Rooms | None
    """None: LiveKit is not configured."""
    drain: Drain = field(default_factory=Drain)

    def memory_of(self, caller: Identity) -> SpeechMemory:
        """Return what was said before, as far as a caller may hear it again."""
        return SpeechMemory(self.speech, self.settings, caller.tenant)


def services_of(scope: Mapping[str, Any]) -> Services:
    """Return the services of the application that an ASGI scope belongs to."""
    return cast("Services", scope["app"].state.services)


def identity_of(scope: Mapping[str, Any]) -> Identity:
    """Return the caller that an ASGI scope was admitted for."""
    return cast("Identity", scope.get(IDENTITY_KEY, ANONYMOUS))


async def current_services(connection: HTTPConnection) -> Services:
    """Depend on the services from within a route; a coroutine, or it would be sent to a thread."""
    return services_of(connection.scope)


async def current_identity(connection: HTTPConnection) -> Identity:
    """Depend on the caller from within a route."""
    return identity_of(connection.scope)
