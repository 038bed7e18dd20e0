from typing import Any

import pytest

from sayna.settings.tree import Settings
from tests.api.asgi import open_client
from tests.api.test_rooms import T1, livekit, settings, two_tenants
from tests.fakes.livekit import FakeLiveKit

__all__ = ["livekit", "settings"]

MUTE = {"room_name": "own", "participant_identity": "u-1", "track_sid": "TR_1", "muted": True}
REMOVAL = {"room_name": "own", "participant_identity": "u-1"}
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


async def test_a_participant_is_removed(settings: Settings, livekit: FakeLiveKit) -> None:
    async with two_tenants(settings) as client:
        answer = await client.ask("DELETE", "/livekit/participant", REMOVAL, headers=T1)
    assert (answer.status, answer.json) == (200, {"status": "removed"} | REMOVAL)
    assert livekit.rooms["own"].participants == []


@pytest.mark.parametrize("muted", [True, False])
async def test_the_state_of_a_track_is_what_livekit_says(settings: Settings, muted: bool) -> None:
    body = MUTE | {"muted": muted}
    async with two_tenants(settings) as client:
        answer = await client.ask("POST", "/livekit/participant/mute", body, headers=T1)
    assert (answer.status, answer.json) == (200, body)


@pytest.mark.parametrize(("method", "path", "body"), ROUTES)
async def test_absent_and_not_yours_are_one_answer(
    settings: Settings, livekit: FakeLiveKit, method: str, path: str, body: dict[str, Any]
) -> None:
    async with two_tenants(settings) as client:
        answers = {
            name: await client.ask(method, path, body | {"room_name": name}, headers=T1)
            for name in ("other", "ownerless", "absent")
        }
    told = {
        (answer.status, answer.json["code"], answer.json["error"].replace(name, "ROOM"))
        for name, answer in answers.items()
    }
    assert {(status, code) for status, code, _ in told} == {(404, "PARTICIPANT_NOT_FOUND")}
    assert len(told) == 1
    assert livekit.rooms["other"].participants == ["u-1"]


@pytest.mark.parametrize(("method", "path", "body"), ROUTES)
async def test_what_livekit_does_not_do_is_500(
    settings: Settings, livekit: FakeLiveKit, method: str, path: str, body: dict[str, Any]
) -> None:
    boom = (412, "failed_precondition", "remote unmute not enabled")
    livekit.fails = {"RemoveParticipant": boom, "MutePublishedTrack": boom}
    async with open_client(settings) as client:
        answer = await client.ask(method, path, body)
    assert (answer.status, answer.json["code"]) == (500, "REMOVAL_FAILED")
    assert "remote unmute not enabled" in answer.json["error"]


@pytest.mark.parametrize("muted", [None, 1, "true"])
async def test_muted_is_a_boolean_and_nothing_else(muted: object) -> None:
    async with open_client() as client:
        answer = await client.ask("POST", "/livekit/participant/mute", MUTE | {"muted": muted})
    assert answer.status == 422
