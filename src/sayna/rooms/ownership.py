"""Which tenant a room belongs to: a name inside the room's metadata, and three ways to ask for it.

| Policy | Room absent | No owner written | Another owner |
|---|---|---|---|
| `claim` | made | becomes the caller's | RoomTaken |
| `require` | RoomNotFound | RoomNotFound | RoomNotFound |
| `visible` | | hidden | hidden |

A caller without a tenant passes all of them. LiveKit cannot compare and swap, and shows what was
written a moment later; so claims of one name take turns in this process, and a turn ends when
LiveKit shows the owner. Two servers that share a LiveKit can still both believe in a claim made in
the same few milliseconds, and the last one stays.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import msgspec
import structlog

from sayna.auth.identity import Identity
from sayna.errors import LiveKitFailed, RoomMetadataUnusable, RoomNotFound, RoomTaken
from sayna.rooms.protocols import Room, RoomServer

log = structlog.get_logger(__name__)

OWNER_KEY = "auth_id"
CLAIM_LIMIT_S = 30.0
"""For a whole claim: waiting for others, then LiveKit."""
SETTLING_S = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0)
"""Pauses between looks for what was written: one LiveKit needs milliseconds, a cluster more."""

Fields = dict[str, msgspec.Raw]
_FIELDS = msgspec.json.Decoder(Fields)


def owner_of(metadata: str) -> str | None:
    """Return the owner that is written in a room's metadata; `""` is one, None is none."""
    try:
        return _read_owner(_parse(metadata))
    except RoomMetadataUnusable:
        return None


def merge_owner(metadata: str, tenant: str) -> str | None:
    """Return metadata with the owner written into it; None: it says so already.

    All other fields stay as they are, to the byte.

    Raises:
        RoomTaken: it names another owner.
        RoomMetadataUnusable: it is not a JSON object, so it has no place for an owner.
    """
    fields = _parse(metadata)
    owner = _read_owner(fields)
    if owner == tenant:
        return None
    if owner is not None:
        raise RoomTaken
    fields[OWNER_KEY] = msgspec.Raw(msgspec.json.encode(tenant))
    return msgspec.json.encode(fields).decode()


def _parse(metadata: str) -> Fields:
    if not metadata.strip():
        return {}
    try:
        return _FIELDS.decode(metadata)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise RoomMetadataUnusable from None


def _read_owner(fields: Fields) -> str | None:
    try:
        return msgspec.json.decode(fields[OWNER_KEY], type=str)
    except (KeyError, msgspec.DecodeError, UnicodeError):
        return None


@dataclass(slots=True)
class _Turn:
    """The queue of claims for one name."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    users: int = 0


class Ownership:
    """Keeps tenants apart."""

    def __init__(
        self,
        server: RoomServer,
        limit_s: float = CLAIM_LIMIT_S,
        settling_s: Sequence[float] = SETTLING_S,
    ) -> None:
        self._server = server
        self._limit_s = limit_s
        self._settling_s = settling_s
        self._turns: dict[str, _Turn] = {}

    async def visible(self, caller: Identity) -> list[Room]:
        """Return the rooms that a caller may see.

        Raises:
            LiveKitFailed: they cannot be had.
        """
        rooms = await self._server.rooms()
        if caller.tenant is None:
            return rooms
        return [room for room in rooms if owner_of(room.metadata) == caller.tenant]

    async def require(self, name: str, caller: Identity) -> Room:
        """Return a room that exists and that the caller may touch.

        Raises:
            RoomNotFound: it is absent, nobody's or another tenant's: nobody can tell which.
            LiveKitFailed: it cannot be looked up.
        """
        room = await self._server.find(name)
        if room is None:
            raise RoomNotFound(name)
        if caller.tenant is not None and owner_of(room.metadata) != caller.tenant:
            raise RoomNotFound(name)
        return room

    async def claim(self, name: str, tenant: str) -> None:
        """Make sure that a room exists and belongs to a tenant.

        Raises:
            RoomTaken: it belongs to another one.
            RoomMetadataUnusable: an owner cannot be written on it.
            LiveKitFailed: it cannot be looked up, made or written on.
        """
        try:
            async with asyncio.timeout(self._limit_s), self._turn(name):
                await self._claim(name, tenant)
        except TimeoutError:
            raise LiveKitFailed("claim a room", "deadline_exceeded", "took too long") from None

    async def _claim(self, name: str, tenant: str) -> None:
        room = await self._server.find(name) or await self._create(name)
        merged = merge_owner(room.metadata, tenant)
        if merged is None:
            return
        await self._server.write_metadata(name, merged)
        await self._see_owner(name, tenant)
        log.info("room_claimed", room=name, tenant=tenant)

    async def _see_owner(self, name: str, tenant: str) -> None:
        """Look until LiveKit shows an owner; it is another one when another server was later."""
        for pause_s in (0.0, *self._settling_s):
            await asyncio.sleep(pause_s)
            room = await self._server.find(name)
            owner = None if room is None else owner_of(room.metadata)
            if owner == tenant:
                return
            if owner is not None:
                raise RoomTaken
        raise LiveKitFailed("claim a room", "aborted", "it does not show what was written")

    async def _create(self, name: str) -> Room:
        """Make a room; another server may have made it first, which is as good."""
        failure = LiveKitFailed("make a room", "not_found", "it is still absent")
        try:
            await self._server.create(name)
        except LiveKitFailed as error:
            failure = error
        room = await self._server.find(name)
        if room is None:
            raise failure
        return room

    @asynccontextmanager
    async def _turn(self, name: str) -> AsyncGenerator[None, None]:
        """Hold the turn for a name; the last one to leave takes the queue away."""
        turn = self._turns.setdefault(name, _Turn())
        turn.users += 1
        try:
            async with turn.lock:
                yield
        finally:
            turn.users -= 1
            if not turn.users:
                del self._turns[name]
