from typing import Any

import pytest
from pydantic import SecretStr

from sayna.settings.tree import LiveKit, Settings
from tests.api.asgi import open_client

CONFIGURED = Settings(livekit=LiveKit(api_key=SecretStr("k"), api_secret=SecretStr("s")))
SOUND = {"room_name": "r", "participant_name": "n", "participant_identity": "i"}


@pytest.mark.parametrize("body", [SOUND, dict.fromkeys(SOUND, "")])
async def test_without_livekit_there_are_no_tokens_whatever_is_asked(body: dict[str, Any]) -> None:
    async with open_client() as client:
        answer = await client.ask("POST", "/livekit/token", body)
    assert (answer.status, answer.json) == (500, {"error": "LiveKit service not configured"})


@pytest.mark.parametrize("field", list(SOUND))
async def test_a_blank_field_of_a_token_is_named(field: str) -> None:
    async with open_client(CONFIGURED) as client:
        answer = await client.ask("POST", "/livekit/token", SOUND | {field: "\u00a0 "})
    assert (answer.status, answer.json) == (400, {"error": f"{field} cannot be empty"})


async def test_what_needs_rooms_says_that_this_version_has_none() -> None:
    async with open_client(CONFIGURED) as client:
        answers = [
            await client.ask("POST", "/livekit/token", SOUND),
            await client.ask("GET", "/livekit/rooms"),
            await client.ask("GET", "/livekit/rooms/a%2Fb"),
        ]
    for answer in answers:
        assert answer.status == 503
        assert "not part of this version" in answer.json["error"]


async def test_a_blank_room_is_refused_before_the_settings_are_looked_at() -> None:
    async with open_client() as client:
        assert (await client.ask("GET", "/livekit/rooms/%20%09")).status == 400
        assert (await client.ask("GET", "/livekit/rooms/+")).status == 500
