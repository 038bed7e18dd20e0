"""Phone calls: place one, hand one over."""

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field
from starlette.responses import Response

from sayna.api.answers import JSON_BODY, CodedProblem, answers
from sayna.api.parsing import Body
from sayna.api.phone_numbers import InvalidPhoneNumber, parse_named_number
from sayna.api.rooms import require_text
from sayna.api.routing import JsonRoute
from sayna.api.services import Services, current_services
from sayna.errors import FeatureMissing, InvalidRequest, NotConfigured, RoomsNotConfigured
from sayna.settings.tree import Settings

router = APIRouter(route_class=JsonRoute, tags=["sip"])

NOT_YET = "phone calls are not part of this version of Sayna"
NO_SIP = "LiveKit SIP service not configured"


class OutboundAddressMissing(NotConfigured):
    """Neither the request nor the settings name a trunk."""

    code = "OUTBOUND_ADDRESS_NOT_CONFIGURED"


class BlankIdentity(InvalidRequest):
    """A participant without an identity cannot be found."""

    code = "BLANK_IDENTITY"


class TrunkOverride(Body):
    """A trunk for this call alone, in place of the server's."""

    outbound_address: str | None = Field(default=None, examples=["sip.carrier.example:5060"])
    auth_username: str | None = Field(default=None, description="Only together with the password.")
    auth_password: str | None = Field(default=None, description="Only together with the user name.")


class CallRequest(Body):
    """Whom to ring, from which number, and into which room to put them."""

    room_name: str = Field(examples=["demo"])
    participant_name: str = Field(examples=["Ann"])
    participant_identity: str = Field(examples=["caller-1"])
    to_phone_number: str = Field(examples=["+15551234567"])
    from_phone_number: str = Field(examples=["+15557654321"])
    sip: TrunkOverride | None = None


class CallAnswer(BaseModel):
    """The phone rings."""

    status: str = Field(examples=["initiated"])
    room_name: str = Field(examples=["demo"])
    participant_identity: str = Field(examples=["caller-1"])
    participant_id: str = Field(examples=["PA_9"])
    sip_call_id: str = Field(examples=["SCL_9"])


class TransferRequest(Body):
    """Who is to be handed over to which number."""

    room_name: str = Field(examples=["demo"])
    participant_identity: str = Field(examples=["caller-1"])
    transfer_to: str = Field(examples=["+15551234567"])


class TransferAnswer(BaseModel):
    """`completed`, or `initiated` when the other side had not answered within two seconds."""

    status: str = Field(examples=["completed"])
    room_name: str = Field(examples=["demo"])
    participant_identity: str = Field(examples=["caller-1"])
    transfer_to: str = Field(examples=["tel:+15551234567"])


@router.post(
    "/sip/call",
    summary="Ring a phone",
    response_model=CallAnswer,
    responses={
        **JSON_BODY,
        **answers(
            CodedProblem,
            s400="A blank field or a bad number (`INVALID_PHONE_NUMBER`), or half a credential "
            "(`INVALID_REQUEST`)",
            s404="The room belongs to another tenant (`ROOM_ACCESS_DENIED`)",
            s500="`OUTBOUND_ADDRESS_NOT_CONFIGURED`, `LIVEKIT_NOT_CONFIGURED` or `CALL_FAILED`",
            s503="All is configured, but calls are not part of this version (`FEATURE_MISSING`)",
        ),
    },
)
async def place_call(
    body: CallRequest, services: Annotated[Services, Depends(current_services)]
) -> Response:
    """Ring a phone and put whoever answers into a room."""
    require_text(body.room_name, "Room name cannot be empty", InvalidPhoneNumber)
    require_text(body.participant_name, "Participant name cannot be empty", InvalidPhoneNumber)
    require_text(
        body.participant_identity, "Participant identity cannot be empty", InvalidPhoneNumber
    )
    parse_named_number("to_phone_number", body.to_phone_number)
    parse_named_number("from_phone_number", body.from_phone_number)
    choose_address(body.sip or TrunkOverride(), services.settings)
    if not services.settings.livekit.configured:
        raise RoomsNotConfigured(NO_SIP)
    raise FeatureMissing(NOT_YET)


def choose_address(override: TrunkOverride, settings: Settings) -> str:
    """Return the trunk to dial through: the request's, else the server's; blank counts as absent.

    Raises:
        InvalidRequest: a user name without a password, or the reverse.
        OutboundAddressMissing: there is none.
    """
    if bool(override.auth_username) != bool(override.auth_password):
        raise InvalidRequest("sip.auth_username and sip.auth_password go together")
    configured = settings.sip.outbound_address if settings.sip is not None else None
    for address in (override.outbound_address, configured):
        if address is not None and address.strip():
            return address
    raise OutboundAddressMissing("Outbound address not configured")


@router.post(
    "/sip/transfer",
    summary="Hand a call over",
    response_model=TransferAnswer,
    responses={
        **JSON_BODY,
        **answers(
            CodedProblem,
            s400="A blank room or a bad number (`INVALID_PHONE_NUMBER`), or a blank identity "
            "(`PARTICIPANT_NOT_FOUND`)",
            s404="`ROOM_ACCESS_DENIED` or `PARTICIPANT_NOT_FOUND`",
            s500="`LIVEKIT_NOT_CONFIGURED` or `TRANSFER_FAILED`",
            s503="All is configured, but calls are not part of this version (`FEATURE_MISSING`)",
        ),
    },
)
async def transfer_call(
    body: TransferRequest, services: Annotated[Services, Depends(current_services)]
) -> Response:
    """Hand a caller over to another phone number."""
    parse_named_number("phone number", body.transfer_to)
    require_text(body.room_name, "Room name cannot be empty", InvalidPhoneNumber)
    if not services.settings.livekit.configured:
        raise RoomsNotConfigured(NO_SIP)
    require_text(body.participant_identity, "Participant identity cannot be empty", BlankIdentity)
    raise FeatureMissing(NOT_YET)
