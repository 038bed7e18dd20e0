"""Rooms: tokens to join them, and what is in them."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field
from starlette.responses import Response

from sayna.api.answers import JSON_BODY, answers
from sayna.api.errors import JsonAnswer
from sayna.api.parsing import Body
from sayna.api.routing import JsonRoute
from sayna.api.services import Services, current_identity, current_services
from sayna.auth.identity import Identity
from sayna.errors import InvalidRequest, RoomsNotConfigured
from sayna.rooms.opening import Rooms
from sayna.rooms.protocols import Participant, Room

router = APIRouter(route_class=JsonRoute, tags=["livekit"])

NEEDS_ROOMS = answers(s500="LiveKit is not configured, or fails")


class TokenRequest(Body):
    """Who wants to join which room."""

    room_name: str = Field(examples=["demo"])
    participant_name: str = Field(examples=["Ann"], description="Shown to the others.")
    participant_identity: str = Field(examples=["u-1"], description="Unique within the room.")


class TokenAnswer(BaseModel):
    """A ticket to one room."""

    token: str
    room_name: str = Field(examples=["demo"])
    participant_identity: str = Field(examples=["u-1"])
    livekit_url: str = Field(examples=["wss://rtc.example"])


class RoomSummary(BaseModel):
    """One room of the list."""

    name: str = Field(examples=["demo"])
    num_participants: int = Field(examples=[1])
    creation_time: int = Field(examples=[1760000000], description="Unix seconds.")


class RoomList(BaseModel):
    """The rooms that the caller may see."""

    rooms: list[RoomSummary]


class ParticipantEntry(BaseModel):
    """Somebody in a room."""

    sid: str = Field(examples=["PA_1"])
    identity: str = Field(examples=["u-1"])
    name: str = Field(examples=["Ann"])
    state: str = Field(examples=["ACTIVE"])
    kind: str = Field(examples=["STANDARD"])
    joined_at: int = Field(examples=[1760000001], description="Unix seconds.")
    metadata: str = Field(examples=[""])
    attributes: dict[str, str]
    is_publisher: bool


class RoomDetails(BaseModel):
    """One room and who is in it."""

    sid: str = Field(examples=["RM_1"])
    name: str = Field(examples=["demo"])
    num_participants: int
    max_participants: int
    creation_time: int = Field(examples=[1760000000], description="Unix seconds.")
    metadata: str = Field(examples=['{"auth_id":"t1"}'])
    active_recording: bool
    participants: list[ParticipantEntry]


def require_rooms(services: Services) -> Rooms:
    """Return the rooms.

    Raises:
        RoomsNotConfigured: key or secret of LiveKit are missing.
    """
    if services.rooms is None:
        raise RoomsNotConfigured
    return services.rooms


def require_text(value: str, text: str, error: type[InvalidRequest] = InvalidRequest) -> None:
    """Go on only when a field holds more than white space.

    Raises:
        InvalidRequest: `error`, with that text.
    """
    if not value.strip():
        raise error(text)


@router.post(
    "/livekit/token",
    summary="Get a token to join a room",
    response_model=TokenAnswer,
    responses={**JSON_BODY, **NEEDS_ROOMS, **answers(s403="The room belongs to another tenant")},
)
async def make_token(
    body: TokenRequest,
    services: Annotated[Services, Depends(current_services)],
    caller: Annotated[Identity, Depends(current_identity)],
) -> Response:
    """Sign a token with which one participant joins one room, within six hours.

    A caller with a tenant gets the room made if need be, and owns it from then on. Without a
    tenant LiveKit is not asked.
    """
    rooms = require_rooms(services)
    require_text(body.room_name, "room_name cannot be empty")
    require_text(body.participant_name, "participant_name cannot be empty")
    require_text(body.participant_identity, "participant_identity cannot be empty")
    if caller.tenant is not None:
        await rooms.ownership.claim(body.room_name, caller.tenant)
    answer = TokenAnswer(
        token=rooms.tokens.for_participant(
            body.room_name, body.participant_identity, body.participant_name
        ),
        room_name=body.room_name,
        participant_identity=body.participant_identity,
        livekit_url=services.settings.livekit.public_url,
    )
    return JsonAnswer(answer.model_dump())


@router.get(
    "/livekit/rooms", summary="List the rooms", response_model=RoomList, responses=NEEDS_ROOMS
)
async def list_rooms(
    services: Annotated[Services, Depends(current_services)],
    caller: Annotated[Identity, Depends(current_identity)],
) -> Response:
    """Return the caller's rooms; a caller without a tenant sees all of them."""
    visible = await require_rooms(services).ownership.visible(caller)
    return JsonAnswer(RoomList(rooms=[summarize(room) for room in visible]).model_dump())


@router.get(
    "/livekit/rooms/{room_name}",
    summary="Look into a room",
    response_model=RoomDetails,
    responses={
        **NEEDS_ROOMS,
        **answers(s400="The name is blank or not UTF-8", s404="No such room, or not the caller's"),
    },
)
async def show_room(
    room_name: str,
    services: Annotated[Services, Depends(current_services)],
    caller: Annotated[Identity, Depends(current_identity)],
) -> Response:
    """Return one room with its participants."""
    require_text(room_name, "Room name cannot be empty")
    people = require_rooms(services).participants
    room, present = await people.look_into(room_name, caller)
    return JsonAnswer(describe(room, present).model_dump())


def summarize(room: Room) -> RoomSummary:
    """Tell of a room what the list tells."""
    return RoomSummary(
        name=room.name, num_participants=room.num_participants, creation_time=room.creation_time
    )


def describe(room: Room, present: Sequence[Participant]) -> RoomDetails:
    """Tell everything about a room."""
    return RoomDetails.model_validate(
        {**asdict(room), "participants": [asdict(participant) for participant in present]}
    )
