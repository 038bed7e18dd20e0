"""What a room is, and what others may ask of the server that holds it. No SDK is imported here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Room:
    """One room, as LiveKit described it at one moment."""

    name: str
    sid: str = ""
    metadata: str = ""
    """Any text; JSON that names an owner when the room belongs to a tenant (see `ownership`)."""
    num_participants: int = 0
    max_participants: int = 0
    """0: no limit."""
    creation_time: int = 0
    """Unix seconds."""
    active_recording: bool = False


@dataclass(frozen=True, slots=True)
class Participant:
    """Somebody in a room."""

    identity: str
    sid: str = ""
    name: str = ""
    state: str = "UNKNOWN"
    """JOINING, JOINED, ACTIVE, DISCONNECTED or UNKNOWN."""
    kind: str = "UNKNOWN"
    """STANDARD, INGRESS, EGRESS, SIP, AGENT; whatever LiveKit adds later is UNKNOWN."""
    joined_at: int = 0
    """Unix seconds."""
    metadata: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict[str, str])
    is_publisher: bool = False


class RoomServer(Protocol):
    """The administration of rooms. Every call is limited in time.

    Raises:
        LiveKitFailed: of each method, with LiveKit's own word for what went wrong in `reason`.
    """

    async def rooms(self) -> list[Room]:
        """Return all rooms, in LiveKit's order."""
        ...

    async def find(self, name: str) -> Room | None:
        """Return the room of exactly that name."""
        ...

    async def create(self, name: str) -> None:
        """Make a room; one that is there already stays as it is."""
        ...

    async def write_metadata(self, name: str, metadata: str) -> None:
        """Replace what is written on a room."""
        ...

    async def participants(self, name: str) -> list[Participant]:
        """Return who is in a room."""
        ...

    async def remove(self, name: str, identity: str) -> None:
        """Disconnect a participant; its token stays valid."""
        ...

    async def mute(self, name: str, identity: str, track_sid: str, *, muted: bool) -> bool:
        """Mute or unmute a published track; return whether it is muted now."""
        ...


class TokenSigner(Protocol):
    """Makes tokens that open one room to one participant.

    Raises:
        TokenFailed: of each method; the identity or the room is empty, or the secret unusable.
    """

    def for_participant(self, room: str, identity: str, name: str) -> str:
        """Let somebody talk and listen in a room."""
        ...

    def for_agent(self, room: str, identity: str, name: str, *, publishes: bool) -> str:
        """Let this server itself into a room; without `publishes` it sends data only."""
        ...
