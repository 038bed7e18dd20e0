from typing import Any

import pytest

from tests.api.asgi import open_client
from tests.api.test_rooms import CONFIGURED

MUTE = {"room_name": "r", "participant_identity": "i", "track_sid": "t", "muted": True}
REMOVAL = {"room_name": "r", "participant_identity": "i"}
ROUTES = [("DELETE", "/livekit/participant", REMOVAL), ("POST", "/livekit/participant/mute", MUTE)]


@pytest.mark.parametrize(("method", "path", "body"), ROUTES)
async def test_blank_fields_come_before_missing_settings(
    method: str, path: str, body: dict[str, Any]
) -> None:
    async with open_client() as client:
        for field in [name for name, value in body.items() if isinstance(value, str)]:
            answer = await client.ask(method, path, body | {field: " "})
            assert answer.status == 400
            assert answer.json["code"] == "INVALID_REQUEST"
        answer = await client.ask(method, path, body)
    assert (answer.status, answer.json["code"]) == (500, "LIVEKIT_NOT_CONFIGURED")


@pytest.mark.parametrize(("method", "path", "body"), ROUTES)
async def test_what_needs_rooms_says_that_this_version_has_none(
    method: str, path: str, body: dict[str, Any]
) -> None:
    async with open_client(CONFIGURED) as client:
        answer = await client.ask(method, path, body)
    assert (answer.status, answer.json["code"]) == (503, "FEATURE_MISSING")


@pytest.mark.parametrize("muted", [None, 1, "true"])
async def test_muted_is_a_boolean_and_nothing_else(muted: object) -> None:
    async with open_client() as client:
        answer = await client.ask("POST", "/livekit/participant/mute", MUTE | {"muted": muted})
    assert answer.status == 422
