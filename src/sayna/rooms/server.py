"""LiveKit's server API as plain coroutines; what its SDK raises becomes `LiveKitFailed`.

Source: https://docs.livekit.io/reference/server/server-apis/
"""

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from urllib.parse import urlsplit

import aiohttp
import jwt
import structlog
from google.protobuf.message import Error as ProtobufError
from livekit import api
from livekit.api.room_service import RoomService

from sayna.errors import LiveKitFailed
from sayna.rooms.protocols import Participant, Room

log = structlog.get_logger(__name__)

CALL_LIMIT_S = 10.0
IDLE_S = 90.0
MAX_PARTICIPANTS = 3
"""The caller, this server and one more."""
HTTP_SCHEMES = {"ws": "http", "wss": "https", "http": "http", "https": "https"}
STATES = {0: "JOINING", 1: "JOINED", 2: "ACTIVE", 3: "DISCONNECTED"}
KINDS = {0: "STANDARD", 1: "INGRESS", 2: "EGRESS", 3: "SIP", 4: "AGENT"}
"""A closed set: clients validate against it, so newer kinds are UNKNOWN."""
CODES = {
    401: "unauthenticated",
    403: "permission_denied",
    404: "bad_route",
    429: "unavailable",
    502: "unavailable",
    503: "unavailable",
    504: "unavailable",
}
"""What a bare status stands for. Source: https://twitchtv.github.io/twirp/docs/errors.html"""
ABOUT_KEYS = {"unauthenticated", "permission_denied"}
"""Refusals whose texts may quote the key."""


def api_url(url: str) -> str:
    """Return where the API is, given the address in any of its four schemes."""
    parts = urlsplit(url)
    scheme = HTTP_SCHEMES.get(parts.scheme, parts.scheme)
    return parts._replace(scheme=scheme, query="", fragment="").geturl()


class LiveKitServer:
    """One LiveKit server, through one pool of connections."""

    def __init__(self, rooms: RoomService, limit_s: float = CALL_LIMIT_S) -> None:
        self._rooms = rooms
        self._limit_s = limit_s

    async def rooms(self) -> list[Room]:
        """Return all rooms, in LiveKit's order.

        Raises:
            LiveKitFailed: they cannot be had.
        """
        async with self._calling("list rooms"):
            answer = await self._rooms.list_rooms(api.ListRoomsRequest())
        return [_room(room) for room in answer.rooms]

    async def find(self, name: str) -> Room | None:
        """Return the room of exactly that name.

        Raises:
            LiveKitFailed: LiveKit does not say.
        """
        async with self._calling("look up a room"):
            answer = await self._rooms.list_rooms(api.ListRoomsRequest(names=[name]))
        return next((_room(room) for room in answer.rooms if room.name == name), None)

    async def create(self, name: str) -> None:
        """Make a room; one that is there already stays as it is.

        Nothing is written on it: LiveKit would overwrite what another tenant wrote a moment before.

        Raises:
            LiveKitFailed: it is not made.
        """
        request = api.CreateRoomRequest(name=name, max_participants=MAX_PARTICIPANTS)
        async with self._calling("make a room"):
            await self._rooms.create_room(request)

    async def write_metadata(self, name: str, metadata: str) -> None:
        """Replace what is written on a room.

        Raises:
            LiveKitFailed: it is not written.
        """
        request = api.UpdateRoomMetadataRequest(room=name, metadata=metadata)
        async with self._calling("write on a room"):
            await self._rooms.update_room_metadata(request)

    async def participants(self, name: str) -> list[Participant]:
        """Return who is in a room; nobody is in one that is absent.

        Raises:
            LiveKitFailed: LiveKit does not say.
        """
        async with self._calling("list participants"):
            answer = await self._rooms.list_participants(api.ListParticipantsRequest(room=name))
        return [_participant(participant) for participant in answer.participants]

    async def remove(self, name: str, identity: str) -> None:
        """Disconnect a participant; its token stays valid.

        Raises:
            LiveKitFailed: it is not removed.
        """
        request = api.RoomParticipantIdentity(room=name, identity=identity)
        async with self._calling("remove a participant"):
            await self._rooms.remove_participant(request)

    async def mute(self, name: str, identity: str, track_sid: str, *, muted: bool) -> bool:
        """Mute or unmute a published track; return whether it is muted now.

        Raises:
            LiveKitFailed: it stays as it was; `not_found` when there is no such track.
        """
        request = api.MuteRoomTrackRequest(
            room=name, identity=identity, track_sid=track_sid, muted=muted
        )
        async with self._calling("mute a track"):
            answer = await self._rooms.mute_published_track(request)
        if not answer.track.sid:  # how LiveKit 1.13 says that it knows no such track
            raise _failed("mute a track", "not_found", "no such track")
        return answer.track.muted

    @asynccontextmanager
    async def _calling(self, doing: str) -> AsyncGenerator[None, None]:
        """Limit one call, as the SDK overrides the limit of its session by none."""
        with _translated(doing):
            async with asyncio.timeout(self._limit_s):
                yield


@asynccontextmanager
async def open_server(
    url: str, key: str, secret: str, limit_s: float = CALL_LIMIT_S
) -> AsyncGenerator[LiveKitServer, None]:
    """Open the one pool of connections to a LiveKit server; nothing is sent yet."""
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=IDLE_S)
    async with aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
    ) as session:
        # without failover: calls to LiveKit's cloud would be repeated past the limit
        rooms = RoomService(session, api_url(url), key, secret, failover=False)
        yield LiveKitServer(rooms, limit_s)


def _room(room: api.Room) -> Room:
    return Room(
        name=room.name,
        sid=room.sid,
        metadata=room.metadata,
        num_participants=room.num_participants,
        max_participants=room.max_participants,
        creation_time=room.creation_time,
        active_recording=room.active_recording,
    )


def _participant(one: api.ParticipantInfo) -> Participant:
    return Participant(
        identity=one.identity,
        sid=one.sid,
        name=one.name,
        state=STATES.get(one.state, "UNKNOWN"),
        kind=KINDS.get(one.kind, "UNKNOWN"),
        joined_at=one.joined_at,
        metadata=one.metadata,
        attributes=dict(one.attributes),
        is_publisher=one.is_publisher,
    )


@contextmanager
def _translated(doing: str) -> Generator[None, None, None]:
    """Turn what the SDK raises into an error of ours; `doing` says what could not be done."""
    try:
        yield
    except api.ServerError as error:
        raise _refused(doing, error) from error
    except TimeoutError as error:
        raise _failed(doing, "deadline_exceeded", "it does not answer in time") from error
    except (aiohttp.InvalidURL, jwt.PyJWTError) as error:
        raise _failed(doing, "failed_precondition", "its settings are unusable") from error
    except (aiohttp.ClientError, OSError) as error:
        raise _failed(doing, "unavailable", "it cannot be reached") from error
    except (ProtobufError, ValueError, TypeError, AttributeError) as error:  # the SDK trusts bodies
        raise _failed(doing, "malformed", "what answers is not LiveKit") from error


def _refused(doing: str, error: api.ServerError) -> LiveKitFailed:
    """Read the refusal; one without a code came from LiveKit's outer layer or a proxy."""
    code, text = str(error.code), str(error.message)
    if code == "unknown" and not text:
        code = CODES.get(error.status, "unknown")
        text = f"it answers with status {error.status}"
    if code in ABOUT_KEYS:
        text = "it refuses this server's key or secret"
    return _failed(doing, code, text)


def _failed(doing: str, reason: str, detail: str) -> LiveKitFailed:
    if reason != "not_found":
        log.warning("livekit_failed", doing=doing, reason=reason)
    return LiveKitFailed(doing, reason, detail)
