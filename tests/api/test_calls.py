from typing import Any

import pytest

from sayna.api.calls import TrunkOverride, choose_address
from sayna.errors import InvalidRequest
from sayna.settings.tree import Settings, Sip
from tests.api.asgi import open_client
from tests.api.test_rooms import CONFIGURED

CALL: dict[str, Any] = {
    "room_name": "r",
    "participant_name": "n",
    "participant_identity": "i",
    "to_phone_number": "+15550001",
    "from_phone_number": "+15550002",
}
WITH_TRUNK = CALL | {"sip": {"outbound_address": "sip.example"}}
TRANSFER = {"room_name": "r", "participant_identity": "i", "transfer_to": "+1555"}


@pytest.mark.parametrize("field", list(CALL))
async def test_every_blank_field_of_a_call_has_the_same_code(field: str) -> None:
    async with open_client() as client:
        answer = await client.ask("POST", "/sip/call", CALL | {field: " "})
    assert (answer.status, answer.json["code"]) == (400, "INVALID_PHONE_NUMBER")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (CALL, 500, "OUTBOUND_ADDRESS_NOT_CONFIGURED"),
        (CALL | {"sip": None}, 500, "OUTBOUND_ADDRESS_NOT_CONFIGURED"),
        (CALL | {"sip": {"outbound_address": " "}}, 500, "OUTBOUND_ADDRESS_NOT_CONFIGURED"),
        (WITH_TRUNK, 500, "LIVEKIT_NOT_CONFIGURED"),
        (CALL | {"sip": {"auth_username": "u"}}, 400, "INVALID_REQUEST"),
    ],
)
async def test_a_call_needs_a_trunk_then_livekit(
    body: dict[str, Any], status: int, code: str
) -> None:
    async with open_client() as client:
        answer = await client.ask("POST", "/sip/call", body)
    assert (answer.status, answer.json["code"]) == (status, code)


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (TRANSFER | {"transfer_to": "x", "room_name": ""}, 400, "INVALID_PHONE_NUMBER"),
        (TRANSFER | {"room_name": ""}, 400, "INVALID_PHONE_NUMBER"),
        (TRANSFER | {"participant_identity": ""}, 500, "LIVEKIT_NOT_CONFIGURED"),
        (TRANSFER, 500, "LIVEKIT_NOT_CONFIGURED"),
    ],
)
async def test_a_transfer_is_checked_in_order(body: dict[str, Any], status: int, code: str) -> None:
    async with open_client() as client:
        answer = await client.ask("POST", "/sip/transfer", body)
    assert (answer.status, answer.json["code"]) == (status, code)


async def test_what_needs_calls_says_that_this_version_has_none() -> None:
    async with open_client(CONFIGURED) as client:
        call = await client.ask("POST", "/sip/call", WITH_TRUNK)
        transfer = await client.ask("POST", "/sip/transfer", TRANSFER)
        blank = await client.ask("POST", "/sip/transfer", TRANSFER | {"participant_identity": " "})
    assert (call.status, call.json["code"]) == (503, "FEATURE_MISSING")
    assert (transfer.status, transfer.json["code"]) == (503, "FEATURE_MISSING")
    assert (blank.status, blank.json["code"]) == (400, "PARTICIPANT_NOT_FOUND")


def test_the_requests_trunk_wins_over_the_servers() -> None:
    settings = Settings(sip=Sip(outbound_address="ours"))
    assert choose_address(TrunkOverride(), settings) == "ours"
    assert choose_address(TrunkOverride(outbound_address="theirs"), settings) == "theirs"
    with pytest.raises(InvalidRequest):
        choose_address(TrunkOverride.model_validate({"auth_password": "p"}), settings)
