from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import jwt
import pytest
from pydantic import SecretStr

from sayna.settings.access import ApiSecret, Auth
from sayna.settings.tree import LiveKit, Settings
from tests.api.asgi import Client, open_client
from tests.fakes.livekit import KEY, SECRET, FakeLiveKit, serving

CONFIGURED = Settings(livekit=LiveKit(api_key=SecretStr(KEY), api_secret=SecretStr(SECRET)))
SOUND = {"room_name": "r", "participant_name": "n", "participant_identity": "i"}
PUBLIC_URL = "wss://rtc.example"
TENANTS = Auth(
    required=True,
    api_secrets=(
        ApiSecret(id="t1", secret=SecretStr("k1")),
        ApiSecret(id="t2", secret=SecretStr("k2")),
    ),
)
T1 = [(b"authorization", b"Bearer k1")]
T2 = [(b"authorization", b"Bearer k2")]


@pytest.fixture
def livekit() -> FakeLiveKit:
    livekit = FakeLiveKit()
    livekit.lay_out(
        {
            "own": {"metadata": '{"auth_id":"t1"}', "participants": ["u-1"]},
            "other": {"metadata": '{"auth_id":"t2"}', "participants": ["u-1"]},
            "ownerless": {"participants": ["u-1"]},
        }
    )
    return livekit


@pytest.fixture
def settings(livekit: FakeLiveKit) -> Iterator[Settings]:
    with serving(livekit) as port:
        yield Settings(
            livekit=LiveKit(
                url=f"ws://127.0.0.1:{port}",
                public_url=PUBLIC_URL,
                api_key=SecretStr(KEY),
                api_secret=SecretStr(SECRET),
            )
        )


@asynccontextmanager
async def two_tenants(settings: Settings) -> AsyncGenerator[Client, None]:
    async with open_client(settings.model_copy(update={"auth": TENANTS})) as client:
        yield client


@pytest.mark.parametrize("body", [SOUND, dict.fromkeys(SOUND, "")])
async def test_without_livekit_there_are_no_tokens_whatever_is_asked(body: dict[str, Any]) -> None:
    async with open_client() as client:
        answer = await client.ask("POST", "/livekit/token", body)
    assert (answer.status, answer.json) == (500, {"error": "LiveKit service not configured"})


@pytest.mark.parametrize("field", list(SOUND))
async def test_a_blank_field_of_a_token_is_named(settings: Settings, field: str) -> None:
    async with open_client(settings) as client:
        answer = await client.ask("POST", "/livekit/token", SOUND | {field: "\u00a0 "})
    assert (answer.status, answer.json) == (400, {"error": f"{field} cannot be empty"})


async def test_a_token_is_signed_without_asking_livekit(
    settings: Settings, livekit: FakeLiveKit
) -> None:
    asked = {"room_name": " r/1 ", "participant_name": " ü ", "participant_identity": " i "}
    async with open_client(settings) as client:
        answer = await client.ask("POST", "/livekit/token", asked)
    assert answer.status == 200
    token = answer.json["token"]
    assert answer.json == {
        "token": token,
        "room_name": " r/1 ",
        "participant_identity": " i ",
        "livekit_url": PUBLIC_URL,
    }
    assert jwt.decode(token, SECRET, ["HS256"], issuer=KEY)["video"]["room"] == " r/1 "
    assert livekit.asked == []


async def test_a_tenants_token_makes_the_room_its_own(
    settings: Settings, livekit: FakeLiveKit
) -> None:
    async with two_tenants(settings) as client:
        for name in ("new", "ownerless"):
            body = SOUND | {"room_name": name}
            assert (await client.ask("POST", "/livekit/token", body, headers=T1)).status == 200
            refused = await client.ask("POST", "/livekit/token", body, headers=T2)
            assert refused.status == 403
            assert "different tenant" in refused.json["error"]
            assert livekit.rooms[name].metadata == '{"auth_id":"t1"}'


async def test_a_tenant_sees_its_own_rooms_and_no_trace_of_others(settings: Settings) -> None:
    async with two_tenants(settings) as client:
        listed = await client.ask("GET", "/livekit/rooms", headers=T1)
        assert [room["name"] for room in listed.json["rooms"]] == ["own"]
        shown = await client.ask("GET", "/livekit/rooms/own", headers=T1)
        assert shown.status == 200
        hidden = [
            await client.ask("GET", f"/livekit/rooms/{name}", headers=T1)
            for name in ("other", "ownerless", "absent")
        ]
    assert [answer.status for answer in hidden] == [404] * 3
    assert hidden[0].json == {"error": "Room 'other' not found"}
    texts = {answer.json["error"].split("'")[0::2][-1] for answer in hidden}
    assert texts == {" not found"}


async def test_a_room_is_shown_whole(settings: Settings) -> None:
    async with open_client(settings) as client:
        answer = await client.ask("GET", "/livekit/rooms/own")
    room = answer.json
    (participant,) = room.pop("participants")
    assert room == {
        "sid": "RM_own",
        "name": "own",
        "num_participants": 1,
        "max_participants": 3,
        "creation_time": 1760000000,
        "metadata": '{"auth_id":"t1"}',
        "active_recording": False,
    }
    assert participant == {
        "sid": "PA_u-1",
        "identity": "u-1",
        "name": "Ann",
        "state": "ACTIVE",
        "kind": "STANDARD",
        "joined_at": 1760000001,
        "metadata": "",
        "attributes": {},
        "is_publisher": True,
    }


async def test_the_name_of_a_room_is_decoded_late(settings: Settings, livekit: FakeLiveKit) -> None:
    livekit.lay_out({"a/b ü": {}})
    async with open_client(settings) as client:
        answer = await client.ask("GET", "/livekit/rooms/a%2Fb%20%C3%BC")
    assert (answer.status, answer.json["name"]) == (200, "a/b ü")


async def test_livekits_trouble_is_500_and_says_what_failed(
    settings: Settings, livekit: FakeLiveKit
) -> None:
    livekit.fails = {"ListRooms": (503, "unavailable", "draining")}
    async with two_tenants(settings) as client:
        answers = [
            await client.ask("POST", "/livekit/token", SOUND, headers=T1),
            await client.ask("GET", "/livekit/rooms", headers=T1),
            await client.ask("GET", "/livekit/rooms/own", headers=T1),
        ]
    for answer in answers:
        assert answer.status == 500
        assert answer.json["error"].endswith(": unavailable: draining")


async def test_metadata_with_no_place_for_an_owner_is_500(
    settings: Settings, livekit: FakeLiveKit
) -> None:
    livekit.lay_out({"r": {"metadata": "[1]"}})
    async with two_tenants(settings) as client:
        answer = await client.ask("POST", "/livekit/token", SOUND, headers=T1)
    assert (answer.status, livekit.rooms["r"].metadata) == (500, "[1]")


async def test_a_blank_room_is_refused_before_the_settings_are_looked_at() -> None:
    async with open_client() as client:
        assert (await client.ask("GET", "/livekit/rooms/%20%09")).status == 400
        assert (await client.ask("GET", "/livekit/rooms/+")).status == 500
        assert (await client.ask("GET", "/livekit/rooms")).status == 500
