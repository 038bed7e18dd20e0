"""Participants of rooms: who is there, out with one, mute one; each as far as the caller may."""

from dataclasses import dataclass

import structlog

from sayna.auth.identity import Identity
from sayna.errors import (
    LiveKitFailed,
    ParticipantNotFound,
    RemovalFailed,
    RoomError,
    RoomNotFound,
)
from sayna.rooms.ownership import Ownership
from sayna.rooms.protocols import Participant, Room, RoomServer

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Participants:
    """The people in the rooms of a server."""

    server: RoomServer
    ownership: Ownership

    async def look_into(self, name: str, caller: Identity) -> tuple[Room, list[Participant]]:
        """Return a room of the caller's and who is in it.

        Raises:
            RoomNotFound: absent, or not the caller's.
            LiveKitFailed: one of the two cannot be had.
        """
        room = await self.ownership.require(name, caller)
        try:
            return room, await self.server.participants(name)
        except LiveKitFailed as error:
            if error.reason == "not_found":  # it ended between the two calls
                raise RoomNotFound(name) from error
            raise

    async def remove(self, name: str, identity: str, caller: Identity) -> None:
        """Put somebody out of a room.

        Raises:
            ParticipantNotFound: not in that room, or it is not the caller's, or LiveKit is silent.
            RemovalFailed: LiveKit does not do it.
        """
        absent = ParticipantNotFound(identity, name)
        try:
            if not await self._holds(name, identity, caller):
                raise absent
        except LiveKitFailed as error:
            raise absent from error
        try:
            await self.server.remove(name, identity)
        except LiveKitFailed as error:
            raise _refused(error, absent) from error
        log.info("participant_removed", room=name)

    async def mute(
        self, name: str, identity: str, track_sid: str, caller: Identity, *, muted: bool
    ) -> bool:
        """Mute or unmute a published track; return whether it is muted now.

        Raises:
            ParticipantNotFound: no such track, participant or room, or it is not the caller's.
            RemovalFailed: LiveKit does not do it.
        """
        absent = ParticipantNotFound(identity, name, track_sid)
        try:
            # LiveKit would take seconds to say that nobody answers for an absent participant
            if not await self._holds(name, identity, caller):
                raise absent
        except LiveKitFailed as error:  # to a tenant, silence is an absent room: as `remove`
            raise (_refused(error, absent) if caller.tenant is None else absent) from error
        try:
            return await self.server.mute(name, identity, track_sid, muted=muted)
        except LiveKitFailed as error:
            raise _refused(error, absent) from error

    async def _holds(self, name: str, identity: str, caller: Identity) -> bool:
        """Tell whether somebody is in a room that the caller may touch."""
        if caller.tenant is not None:
            try:
                await self.ownership.require(name, caller)
            except RoomNotFound:
                return False
        present = await self.server.participants(name)
        return any(participant.identity == identity for participant in present)


def _refused(cause: LiveKitFailed, absent: ParticipantNotFound) -> RoomError:
    return absent if cause.reason == "not_found" else RemovalFailed(str(cause))
