"""`POST /livekit/webhook`: what LiveKit tells about its rooms."""

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from sayna.api.answers import answers
from sayna.api.errors import RequestRejected
from sayna.api.parsing import read_body
from sayna.api.routing import JsonRoute
from sayna.api.services import Services, current_services
from sayna.errors import FeatureMissing

router = APIRouter(route_class=JsonRoute, tags=["livekit"])


class WebhookAnswer(BaseModel):
    """The event was taken."""

    status: str = Field(examples=["received"])


@router.post(
    "/livekit/webhook",
    summary="Receive an event of LiveKit",
    response_model=WebhookAnswer,
    responses=answers(
        s413="The body is larger than 2 MiB",
        s503="LiveKit is not configured; or it is, but rooms are not part of this version",
    ),
    openapi_extra={
        "requestBody": {
            "content": {"application/webhook+json": {"schema": {"type": "object"}}},
            "required": True,
        }
    },
)
async def receive_event(
    request: Request, services: Annotated[Services, Depends(current_services)]
) -> Response:
    """Take an event that LiveKit signed; LiveKit repeats it after any answer of 500 or more."""
    await read_body(request.scope, request.receive)
    if not services.settings.livekit.configured:
        raise RequestRejected(503, "LiveKit service not configured")
    raise FeatureMissing("room events are not part of this version of Sayna")
