"""A LiveKit with memory: its room service over HTTP, with rooms that tests lay out and look at.

It checks keys and grants as LiveKit does, and can be told to fail. What it answers to odd requests
was seen at livekit-server 1.13.5; `tests/rooms/test_real_server.py` asks that one the same.
"""

import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from google.protobuf.message import Message
from livekit.protocol import models, room
from typing_extensions import override

KEY = "lk-key"
SECRET = "lk-secret-0123456789-0123456789-01234"  # noqa: S105 - of this fake
PATH = "/twirp/livekit.RoomService/"
CREATED_AT = 1760000000
JOINED_AT = 1760000001
KINDS = {
    "u-1": (models.ParticipantInfo.ACTIVE, 0),
    "sip-1": (models.ParticipantInfo.JOINED, 3),
    "k7": (models.ParticipantInfo.DISCONNECTED, 7),
    "k4": (models.ParticipantInfo.JOINING, 4),
    "k1": (models.ParticipantInfo.ACTIVE, 1),
    "k2": (models.ParticipantInfo.ACTIVE, 2),
    "k8": (9, 8),
}
"""State and kind of the participants that recordings know, some of them newer than anybody."""

Answer = tuple[int, bytes]


class Refused(Exception):
    """What Twirp says instead of an answer."""

    def __init__(self, status: int, code: str, text: str) -> None:
        super().__init__(text)
        self.answer = (status, json.dumps({"code": code, "msg": text}).encode())


@dataclass
class HeldRoom:
    """One room."""

    metadata: str = ""
    participants: list[str] = field(default_factory=list[str])
    active_recording: bool = False


@dataclass(frozen=True)
class Asked:
    """One request that came in and was let in."""

    method: str
    message: Message
    grants: Mapping[str, Any]

    @property
    def fields(self) -> dict[str, list[object]]:
        """Return its values by field number, as recordings have them."""
        named = ((str(f.number), value) for f, value in self.message.ListFields())
        return {
            number: [_plain(one) for one in (value if _repeated(value) else [value])]
            for number, value in named
        }


def _repeated(value: object) -> bool:
    return not isinstance(value, str | bytes) and isinstance(value, Sequence)


def _plain(value: object) -> object:
    return int(value) if isinstance(value, bool) else value


@dataclass
class FakeLiveKit:
    """Rooms by name, in the order in which they were made."""

    key: str = KEY
    secret: str = SECRET
    rooms: dict[str, HeldRoom] = field(default_factory=dict[str, HeldRoom])
    fails: dict[str, tuple[int, str, str]] = field(default_factory=dict[str, tuple[int, str, str]])
    """By method: status, code and text of the refusal."""
    asked: list[Asked] = field(default_factory=list[Asked])
    after: Callable[[str], None] = lambda _: None
    """Called with the method after each request: what somebody else does in between."""

    def lay_out(
        self,
        rooms: Mapping[str, Mapping[str, Any]] | None,
        fails: Mapping[str, Sequence[Any]] | None = None,
    ) -> None:
        """Forget the past; have these rooms, and fail like this."""
        self.asked.clear()
        self.rooms = {name: HeldRoom(**given) for name, given in (rooms or {}).items()}
        self.fails = {method: (how[0], how[1], how[2]) for method, how in (fails or {}).items()}

    def answer(self, method: str, body: bytes, token: str) -> Answer:
        """Answer one request the way Twirp does."""
        try:
            claims = self._verify(token)
            request, needed, act = self._calls()[method]
            message = request.FromString(body)
            self.asked.append(Asked(method, message, claims.get("video", {})))
            _check_grants(claims.get("video", {}), needed, message)
            self._fail_if_told(method)
            answer = act(message)
        except Refused as refused:
            return refused.answer
        self.after(method)
        return 200, answer.SerializeToString()

    def _fail_if_told(self, method: str) -> None:
        if method in self.fails:
            raise Refused(*self.fails[method])

    def _verify(self, token: str) -> dict[str, Any]:
        try:
            return jwt.decode(token, self.secret, ["HS256"], issuer=self.key)
        except jwt.PyJWTError:
            raise Refused(401, "unauthenticated", f"invalid API key: {self.key}") from None

    def _calls(self) -> dict[str, tuple[type[Message], str, Callable[[Any], Message]]]:
        return {
            "ListRooms": (room.ListRoomsRequest, "roomList", self._list_rooms),
            "CreateRoom": (room.CreateRoomRequest, "roomCreate", self._create_room),
            "UpdateRoomMetadata": (room.UpdateRoomMetadataRequest, "roomAdmin", self._update),
            "ListParticipants": (room.ListParticipantsRequest, "roomAdmin", self._participants),
            "RemoveParticipant": (room.RoomParticipantIdentity, "roomAdmin", self._remove),
            "MutePublishedTrack": (room.MuteRoomTrackRequest, "roomAdmin", self._mute),
        }

    def _list_rooms(self, asked: room.ListRoomsRequest) -> Message:
        names = list(asked.names) or list(self.rooms)
        return room.ListRoomsResponse(rooms=[self._room(n) for n in names if n in self.rooms])

    def _create_room(self, asked: room.CreateRoomRequest) -> Message:
        held = self.rooms.setdefault(asked.name, HeldRoom())
        if asked.metadata:  # LiveKit overwrites whatever is given
            held.metadata = asked.metadata
        return self._room(asked.name)

    def _update(self, asked: room.UpdateRoomMetadataRequest) -> Message:
        if asked.room not in self.rooms:
            raise Refused(404, "not_found", "requested room does not exist")
        self.rooms[asked.room].metadata = asked.metadata
        return self._room(asked.room)

    def _participants(self, asked: room.ListParticipantsRequest) -> Message:
        held = self.rooms.get(asked.room, HeldRoom())
        return room.ListParticipantsResponse(
            participants=[_participant(identity) for identity in held.participants]
        )

    def _remove(self, asked: room.RoomParticipantIdentity) -> Message:
        self._require_present(asked.room, asked.identity, 404, "not_found")
        self.rooms[asked.room].participants.remove(asked.identity)
        return room.RemoveParticipantResponse()

    def _mute(self, asked: room.MuteRoomTrackRequest) -> Message:
        self._require_present(asked.room, asked.identity, 503, "unavailable")
        if asked.track_sid != "TR_1":
            return room.MuteRoomTrackResponse()
        return room.MuteRoomTrackResponse(
            track=models.TrackInfo(sid=asked.track_sid, muted=asked.muted)
        )

    def _require_present(self, name: str, identity: str, status: int, code: str) -> None:
        if name not in self.rooms or identity not in self.rooms[name].participants:
            raise Refused(status, code, "participant does not exist")

    def _room(self, name: str) -> models.Room:
        held = self.rooms[name]
        return models.Room(
            sid=f"RM_{name}",
            name=name,
            metadata=held.metadata,
            num_participants=len(held.participants),
            max_participants=3,
            creation_time=CREATED_AT,
            active_recording=held.active_recording,
        )


def _participant(identity: str) -> models.ParticipantInfo:
    state, kind = KINDS.get(identity, KINDS["u-1"])
    by_phone = identity == "sip-1"
    one = models.ParticipantInfo(
        sid=f"PA_{identity}",
        identity=identity,
        name="Ann" if identity == "u-1" else "",
        joined_at=JOINED_AT,
        metadata="m" if by_phone else "",
        attributes={"sip.phoneNumber": "+1"} if by_phone else {},
        is_publisher=identity == "u-1",
    )
    one.MergeFromString(_open_enums(state, kind))
    return one


def _open_enums(state: int, kind: int) -> bytes:
    """Encode the fields 3 and 14: values that this version of the SDK has no name for go too."""
    return bytes([3 << 3, state, 14 << 3, kind])


def _check_grants(video: Mapping[str, Any], needed: str, message: Any) -> None:  # noqa: ANN401 - any request
    held = video.get(needed) is True
    if needed == "roomAdmin":
        held = held and video.get("room") == message.room
    if not held:
        raise Refused(403, "permission_denied", "permissions denied")


@contextmanager
def serving(livekit: FakeLiveKit) -> Iterator[int]:
    """Serve on 127.0.0.1; yield the port."""

    class Twirp(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 30
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", "0")))
            token = self.headers.get("authorization", "").removeprefix("Bearer ")
            known = self.path.removeprefix(PATH) in livekit._calls()
            status, answer = 404, b"404 page not found"
            if self.path.startswith(PATH) and known:
                status, answer = livekit.answer(self.path.removeprefix(PATH), body, token)
            self.send_response(status)
            kind = "application/protobuf" if status == 200 else "application/json"
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        @override
        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False

    with Server(("127.0.0.1", 0), Twirp) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), name="livekit")
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()
