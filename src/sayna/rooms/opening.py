"""All that this server can do with rooms, opened together."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from sayna.rooms.ownership import Ownership
from sayna.rooms.participants import Participants
from sayna.rooms.protocols import RoomServer, TokenSigner
from sayna.settings.tree import LiveKit


@dataclass(frozen=True, slots=True)
class Rooms:
    """The rooms of one LiveKit server."""

    ownership: Ownership
    participants: Participants
    tokens: TokenSigner


def gather_rooms(server: RoomServer, tokens: TokenSigner) -> Rooms:
    """Put the parts together."""
    ownership = Ownership(server)
    return Rooms(ownership, Participants(server, ownership), tokens)


@asynccontextmanager
async def open_rooms(livekit: LiveKit) -> AsyncGenerator[Rooms | None, None]:
    """Open what rooms need; None without key and secret. LiveKit itself is not asked yet."""
    if livekit.api_key is None or livekit.api_secret is None:
        yield None
        return
    # 0.15 s and 20 MB, its HTTP client included, that a server without rooms does not pay
    from sayna.rooms.server import open_server
    from sayna.rooms.tokens import Tokens

    key, secret = livekit.api_key, livekit.api_secret
    tokens = Tokens(key, secret, livekit.legacy_grants, agent=livekit.agent_kind == "agent")
    async with open_server(
        livekit.url, key.get_secret_value(), secret.get_secret_value()
    ) as server:
        yield gather_rooms(server, tokens)
