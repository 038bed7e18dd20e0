"""Rooms: tokens to join them, and what is in them."""

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field
from starlette.responses import Response

from sayna.api.answers import JSON_BODY, answers
from sayna.api.parsing import Body
from sayna.api.routing import JsonRoute
from sayna.api.services import Services, current_services
from sayna.errors import FeatureMissing, InvalidRequest, RoomsNotConfigured
from sayna.settings.tree import LiveKit

router = APIRouter(route_class=JsonRoute, tags=["livekit"])

NOT_YET = "rooms are not part of this version of Sayna"
NEEDS_ROOMS = answers(
    s500="LiveKit is not configured",
    s503="LiveKit is configured, but rooms are not part of this version",
)


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


def require_livekit(livekit: LiveKit) -> None:
    """Go on only when rooms could be used at all.

    Raises:
        RoomsNotConfigured: key or secret are missing.
    """
    if not livekit.configured:
        raise RoomsNotConfigured


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
    body: TokenRequest, services: Annotated[Services, Depends(current_services)]
) -> Response:
    """Sign a token with which one participant joins one room."""
    require_livekit(services.settings.livekit)
    require_text(body.room_name, "room_name cannot be empty")
    require_text(body.participant_name, "participant_name cannot be empty")
    require_text(body.participant_identity, "participant_identity cannot be empty")
    raise FeatureMissing(NOT_YET)


@router.get(
    "/livekit/rooms", summary="List the rooms", response_model=RoomList, responses=NEEDS_ROOMS
)
async def list_rooms(services: Annotated[Services, Depends(current_services)]) -> Response:
    """Return the caller's rooms; a caller without a tenant sees all of them."""
    require_livekit(services.settings.livekit)
    raise FeatureMissing(NOT_YET)


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
    room_name: str, services: Annotated[Services, Depends(current_services)]
) -> Response:
    """Return one room with its participants."""
    require_text(room_name, "Room name cannot be empty")
    require_livekit(services.settings.livekit)
    raise FeatureMissing(NOT_YET)
