"""`GET /voices`: what may be passed as `voice_id`."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field
from starlette.responses import Response

from sayna.api.errors import JsonAnswer
from sayna.api.routing import JsonRoute
from sayna.api.services import Services, current_services

router = APIRouter(route_class=JsonRoute)


class VoiceEntry(BaseModel):
    """One voice; what is not known says `Unknown`."""

    id: str = Field(examples=["en-us"])
    name: str = Field(examples=["English (America)"])
    language: str = Field(examples=["English"])
    accent: str = Field(examples=["American"])
    gender: str = Field(examples=["Male"])
    sample: str = Field(examples=[""], description="URL of a sample, or empty.")


class NamedVoiceEntry(VoiceEntry):
    """One voice of the flat list."""

    provider: str = Field(examples=["local"])


class FlatVoices(BaseModel):
    """Every voice in one list, for `?flat=true`."""

    voices: list[NamedVoiceEntry]


@router.get(
    "/voices",
    tags=["voices"],
    summary="List the voices",
    response_model=dict[str, list[VoiceEntry]] | FlatVoices,
)
async def list_voices(
    services: Annotated[Services, Depends(current_services)],
    flat: Annotated[
        str, Query(description="`true`: one list under `voices`, each with its `provider`.")
    ] = "",
) -> Response:
    """Return the voices of every provider that the server can use.

    They are asked at once and get five seconds each; one that does not answer is left out.
    Answers are remembered for ten minutes.
    """
    voices = await services.catalogue.voices()
    if flat.lower() != "true":
        return JsonAnswer(voices)
    fields = VoiceEntry.model_fields
    return JsonAnswer(
        {
            "voices": [
                {"provider": provider, **{name: getattr(voice, name) for name in fields}}
                for provider, entries in voices.items()
                for voice in entries
            ]
        }
    )
