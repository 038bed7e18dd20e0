"""`GET /recording/{stream_id}`: what was said, to keep."""

from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.responses import Response

from sayna.api.answers import answers
from sayna.api.routing import JsonRoute
from sayna.api.services import Services, current_services
from sayna.errors import FeatureMissing, InvalidRequest, StorageNotConfigured

router = APIRouter(route_class=JsonRoute, tags=["recordings"])


@router.get(
    "/recording/{stream_id}",
    summary="Download a recording",
    response_class=Response,
    responses={
        200: {
            "description": "The conversation, both channels",
            "content": {"audio/ogg": {"schema": {"type": "string", "format": "binary"}}},
        },
        **answers(
            s400="No such thing can be the id of a recording",
            s404="No such recording",
            s503="No storage is configured or it does not answer; or it is configured, but "
            "recordings are not part of this version",
        ),
    },
)
async def fetch_recording(
    stream_id: str, services: Annotated[Services, Depends(current_services)]
) -> Response:
    """Return the recording of a conversation as Ogg/Opus."""
    if not stream_id or "/" in stream_id or ".." in stream_id:
        raise InvalidRequest("Invalid stream_id format")
    if services.settings.recording.backend is None:
        raise StorageNotConfigured("Recording storage not configured")
    raise FeatureMissing("recordings are not part of this version of Sayna")
