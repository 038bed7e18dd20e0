"""Participants of rooms: put out, mute."""

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field
from starlette.responses import Response

from sayna.api.answers import JSON_BODY, CodedProblem, answers
from sayna.api.errors import JsonAnswer
from sayna.api.parsing import Body
from sayna.api.rooms import require_rooms, require_text
from sayna.api.routing import JsonRoute
from sayna.api.services import Services, current_identity, current_services
from sayna.auth.identity import Identity

router = APIRouter(route_class=JsonRoute, tags=["livekit"])

PROBLEMS = {
    **JSON_BODY,
    **answers(
        CodedProblem,
        s400="A field is blank (`INVALID_REQUEST`)",
        s404="No such room or participant, or not the caller's (`PARTICIPANT_NOT_FOUND`)",
        s500="`LIVEKIT_NOT_CONFIGURED` or `REMOVAL_FAILED`",
    ),
}


class RemovalRequest(Body):
    """Who is to leave which room."""

    room_name: str = Field(examples=["demo"])
    participant_identity: str = Field(examples=["u-1"])


class RemovalAnswer(BaseModel):
    """Gone."""

    status: str = Field(examples=["removed"])
    room_name: str = Field(examples=["demo"])
    participant_identity: str = Field(examples=["u-1"])


class MuteRequest(Body):
    """Which track of whom is to be heard or not."""

    room_name: str = Field(examples=["demo"])
    participant_identity: str = Field(examples=["u-1"])
    track_sid: str = Field(examples=["TR_1"])
    muted: bool = Field(examples=[True])


class MuteAnswer(BaseModel):
    """The state of the track afterwards."""

    room_name: str = Field(examples=["demo"])
    participant_identity: str = Field(examples=["u-1"])
    track_sid: str = Field(examples=["TR_1"])
    muted: bool


@router.delete(
    "/livekit/participant",
    summary="Put a participant out of a room",
    response_model=RemovalAnswer,
    responses=PROBLEMS,
)
async def remove_participant(
    body: RemovalRequest,
    services: Annotated[Services, Depends(current_services)],
    caller: Annotated[Identity, Depends(current_identity)],
) -> Response:
    """Disconnect a participant; its token stays valid."""
    require_text(body.room_name, "Room name cannot be empty")
    require_text(body.participant_identity, "Participant identity cannot be empty")
    people = require_rooms(services).participants
    await people.remove(body.room_name, body.participant_identity, caller)
    return JsonAnswer(RemovalAnswer(status="removed", **body.model_dump()).model_dump())


@router.post(
    "/livekit/participant/mute",
    summary="Mute a track",
    response_model=MuteAnswer,
    responses=PROBLEMS,
)
async def mute_track(
    body: MuteRequest,
    services: Annotated[Services, Depends(current_services)],
    caller: Annotated[Identity, Depends(current_identity)],
) -> Response:
    """Mute or unmute one published track; LiveKit unmutes only where its settings allow it."""
    require_text(body.room_name, "Room name cannot be empty")
    require_text(body.participant_identity, "Participant identity cannot be empty")
    require_text(body.track_sid, "Track SID cannot be empty")
    people = require_rooms(services).participants
    muted = await people.mute(
        body.room_name, body.participant_identity, body.track_sid, caller, muted=body.muted
    )
    answer = MuteAnswer(
        room_name=body.room_name,
        participant_identity=body.participant_identity,
        track_sid=body.track_sid,
        muted=muted,
    )
    return JsonAnswer(answer.model_dump())
