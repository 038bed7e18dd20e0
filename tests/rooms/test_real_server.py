"""Rooms on a real livekit-server, with participants that really join."""

import asyncio
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from livekit import rtc
from pydantic import SecretStr

from sayna.auth.identity import Identity
from sayna.errors import LiveKitFailed, ParticipantNotFound, RoomTaken
from sayna.rooms.opening import Rooms, open_rooms
from sayna.rooms.ownership import owner_of
from sayna.rooms.server import LiveKitServer, open_server
from sayna.settings.tree import LiveKit, Settings
from tests.api.asgi import Client, open_client
from tests.api.test_rooms import T1, T2, TENANTS
from tests.fakes.session import until
from tests.rig.livekit_server import KEY, SECRET, LiveKitProcess, running_livekit

pytestmark = pytest.mark.slow

JOIN_LIMIT_S = 20.0
EVERYBODY = Identity()
RATE_HZ = 48_000


@pytest.fixture(scope="module")
def livekit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveKitProcess]:
    with running_livekit(tmp_path_factory.mktemp("livekit")) as process:
        yield process


@asynccontextmanager
async def joined(livekit: LiveKitProcess, token: str) -> AsyncGenerator[rtc.Room, None]:
    """Be in a room."""
    room = rtc.Room()
    async with asyncio.timeout(JOIN_LIMIT_S):
        await room.connect(livekit.ws_url, token)
    try:
        yield room
    finally:
        async with asyncio.timeout(JOIN_LIMIT_S):
            await room.disconnect()


async def publish(room: rtc.Room) -> str:
    """Publish a track on which nothing is said; return its sid."""
    source = rtc.AudioSource(RATE_HZ, 1)
    track = rtc.LocalAudioTrack.create_audio_track("microphone", source)
    published = await room.local_participant.publish_track(track)
    return published.sid


def token_for(name: str, identity: str) -> dict[str, str]:
    return {"room_name": name, "participant_name": "Ann", "participant_identity": identity}


@asynccontextmanager
async def tenants_of(livekit: LiveKitProcess) -> AsyncGenerator[Client, None]:
    """Run a Sayna with two tenants over the real LiveKit."""
    async with open_client(Settings(livekit=livekit.settings, auth=TENANTS)) as client:
        yield client


async def entered(client: Client, name: str, caller: Any) -> str:  # noqa: ANN401 - headers
    answer = await client.ask("POST", "/livekit/token", token_for(name, "u-1"), headers=caller)
    assert answer.status == 200
    token: str = answer.json["token"]
    return token


async def test_a_token_opens_the_room_and_the_room_tells_who_is_in_it(
    livekit: LiveKitProcess,
) -> None:
    async with tenants_of(livekit) as client:
        token = await entered(client, "walk", T1)
        async with joined(livekit, token) as room:
            assert room.name == "walk"
            answer = await client.ask("GET", "/livekit/rooms/walk", headers=T1)
            (participant,) = answer.json["participants"]
            assert (participant["identity"], participant["name"]) == ("u-1", "Ann")
            assert (participant["state"], participant["kind"]) == ("ACTIVE", "STANDARD")
            assert (answer.json["max_participants"], answer.json["active_recording"]) == (3, False)
            assert answer.json["metadata"] == '{"auth_id":"t1"}'
            listed = await client.ask("GET", "/livekit/rooms", headers=T1)
            assert "walk" in [one["name"] for one in listed.json["rooms"]]


async def test_a_token_opens_no_other_room_and_no_administration(livekit: LiveKitProcess) -> None:
    async with open_rooms(livekit.settings) as rooms:
        assert rooms is not None
        token = rooms.tokens.for_participant("mine", "u-1", "Ann")
    async with joined(livekit, token) as room:
        assert room.name == "mine"
    async with open_server(livekit.ws_url, livekit.key, livekit.secret) as server:
        rooms_service = server._rooms
        rooms_service._token = token
        with pytest.raises(LiveKitFailed) as raised:
            await server.rooms()
    assert raised.value.reason in ("unauthenticated", "permission_denied")


async def test_a_removed_participant_is_told_and_gone(livekit: LiveKitProcess) -> None:
    async with tenants_of(livekit) as client:
        async with joined(livekit, await entered(client, "removal", T1)) as room:
            reasons: list[Any] = []
            room.on("disconnected", reasons.append)
            body = {"room_name": "removal", "participant_identity": "u-1"}
            stranger = await client.ask("DELETE", "/livekit/participant", body, headers=T2)
            assert stranger.status == 404
            assert reasons == []
            answer = await client.ask("DELETE", "/livekit/participant", body, headers=T1)
            assert (answer.status, answer.json["status"]) == (200, "removed")
            await until(lambda: reasons)
            assert reasons == [rtc.DisconnectReason.PARTICIPANT_REMOVED]
        again = await client.ask("DELETE", "/livekit/participant", body, headers=T1)
        assert (again.status, again.json["code"]) == (404, "PARTICIPANT_NOT_FOUND")


async def test_a_track_is_muted_and_unmuting_it_is_refused_by_default(
    livekit: LiveKitProcess,
) -> None:
    async with (
        tenants_of(livekit) as client,
        joined(livekit, await entered(client, "mute", T1)) as room,
    ):
        told: list[rtc.TrackPublication] = []
        room.on("track_muted", lambda _, publication: told.append(publication))
        body = {
            "room_name": "mute",
            "participant_identity": "u-1",
            "track_sid": await publish(room),
        }
        path = "/livekit/participant/mute"
        stranger = await client.ask("POST", path, body | {"muted": True}, headers=T2)
        assert stranger.status == 404
        answer = await client.ask("POST", path, body | {"muted": True}, headers=T1)
        assert (answer.status, answer.json) == (200, body | {"muted": True})
        await until(lambda: told)
        refused = await client.ask("POST", path, body | {"muted": False}, headers=T1)
        assert (refused.status, refused.json["code"]) == (500, "REMOVAL_FAILED")
        for absent in ({"track_sid": "TR_none"}, {"participant_identity": "u-2"}):
            answer = await client.ask("POST", path, body | {"muted": True} | absent, headers=T1)
            assert (answer.status, answer.json["code"]) == (404, "PARTICIPANT_NOT_FOUND")


async def test_two_tenants_are_kept_apart(livekit: LiveKitProcess) -> None:
    async with (
        tenants_of(livekit) as client,
        open_server(livekit.ws_url, livekit.key, livekit.secret) as server,
    ):
        await entered(client, "of-t1", T1)
        await entered(client, "of-t2", T2)
        await server.create("of-nobody")
        for caller, own, other in ((T1, "of-t1", "of-t2"), (T2, "of-t2", "of-t1")):
            listed = await client.ask("GET", "/livekit/rooms", headers=caller)
            names = {room["name"] for room in listed.json["rooms"]}
            assert own in names
            assert not names & {other, "of-nobody"}
            for name, status in ((own, 200), (other, 404), ("of-nobody", 404), ("absent", 404)):
                shown = await client.ask("GET", f"/livekit/rooms/{name}", headers=caller)
                assert shown.status == status
            refused = await client.ask(
                "POST", "/livekit/token", token_for(other, "u-9"), headers=caller
            )
            assert refused.status == 403


async def test_of_two_tenants_that_claim_one_room_at_once_exactly_one_wins(
    livekit: LiveKitProcess,
) -> None:
    async with tenants_of(livekit) as client:
        for number in range(25):
            name = f"race-{number}"
            answers = await asyncio.gather(
                *(
                    client.ask("POST", "/livekit/token", token_for(name, "u-1"), headers=caller)
                    for caller in (T1, T2) * 4
                )
            )
            statuses = [answer.status for answer in answers]
            first, second = set(statuses[0::2]), set(statuses[1::2])
            assert {*first, *second} == {200, 403}
            assert len(first) == len(second) == 1
            winner, loser = (T1, T2) if first == {200} else (T2, T1)
            shown = [
                await client.ask("GET", f"/livekit/rooms/{name}", headers=caller)
                for caller in (winner, loser)
            ]
            assert [answer.status for answer in shown] == [200, 404]
            owner = owner_of(shown[0].json["metadata"])
            assert owner == ("t1" if winner is T1 else "t2")


async def see_metadata(server: LiveKitServer, name: str) -> None:
    """Wait until LiveKit shows what was written, which it does a moment later."""
    async with asyncio.timeout(JOIN_LIMIT_S):
        while not (room := await server.find(name)) or not room.metadata:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.002)


async def test_what_others_wrote_on_a_room_stays(livekit: LiveKitProcess) -> None:
    async with (
        open_rooms(livekit.settings) as rooms,
        open_server(livekit.ws_url, livekit.key, livekit.secret) as server,
    ):
        assert rooms is not None
        await server.create("noted")
        await server.write_metadata("noted", '{"topic": "weather"}')
        await see_metadata(server, "noted")
        await rooms.ownership.claim("noted", "t1")
        with pytest.raises(RoomTaken):
            await rooms.ownership.claim("noted", "t2")
        await server.create("noted")
        room = await server.find("noted")
    assert room is not None
    assert owner_of(room.metadata) == "t1"
    assert '"weather"' in room.metadata


async def test_this_servers_own_token_lets_it_in_as_it_says(livekit: LiveKitProcess) -> None:
    settings = livekit.settings.model_copy(update={"agent_kind": "agent"})
    async with open_rooms(settings) as rooms:
        assert rooms is not None
        token = rooms.tokens.for_agent("agent", "sayna-ai", "Sayna AI", publishes=False)
        async with joined(livekit, token):
            _, (agent,) = await rooms.participants.look_into("agent", EVERYBODY)
    assert (agent.identity, agent.name, agent.kind) == ("sayna-ai", "Sayna AI", "AGENT")


WRONG: Mapping[str, Mapping[str, object]] = {
    "a key that LiveKit does not know": {"api_key": SecretStr("no-such-key")},
    "a secret that is not the key's": {"api_secret": SecretStr(SECRET[::-1])},
}


@pytest.mark.parametrize("wrong", list(WRONG.values()), ids=list(WRONG))
async def test_wrong_keys_are_named_and_not_told(
    livekit: LiveKitProcess, wrong: Mapping[str, object]
) -> None:
    settings: LiveKit = livekit.settings.model_copy(update=dict(wrong))
    async with open_rooms(settings) as rooms:
        assert rooms is not None
        with pytest.raises(LiveKitFailed) as raised:
            await rooms.ownership.visible(EVERYBODY)
    assert raised.value.reason == "unauthenticated"
    assert not any(secret in str(raised.value) for secret in ("no-such-key", KEY, SECRET))


@pytest.mark.parametrize("scheme", ["ws", "http"])
async def test_any_scheme_reaches_the_api(livekit: LiveKitProcess, scheme: str) -> None:
    url = f"{scheme}://127.0.0.1:{livekit.port}/"
    async with open_server(url, livekit.key, livekit.secret) as server:
        assert await server.find("absent") is None


async def test_what_is_too_long_for_livekit_is_refused_by_it(livekit: LiveKitProcess) -> None:
    async with tenants_of(livekit) as client:
        answer = await client.ask("POST", "/livekit/token", token_for("x" * 257, "u-1"), headers=T1)
    assert answer.status == 500
    assert "invalid_argument" in answer.json["error"]


async def nobody_is_found(rooms: Rooms) -> None:
    with pytest.raises(ParticipantNotFound):
        await rooms.participants.remove("absent", "u-1", EVERYBODY)
    with pytest.raises(ParticipantNotFound):
        await rooms.participants.mute("absent", "u-1", "TR_1", EVERYBODY, muted=True)


async def test_in_a_room_that_is_absent_is_nobody(livekit: LiveKitProcess) -> None:
    async with open_rooms(livekit.settings) as rooms:
        assert rooms is not None
        await nobody_is_found(rooms)


async def test_unmuting_works_where_livekit_allows_it(tmp_path: Any) -> None:  # noqa: ANN401 - pytest's
    with running_livekit(tmp_path, remote_unmute=True) as livekit:
        async with open_rooms(livekit.settings) as rooms:
            assert rooms is not None
            token = rooms.tokens.for_participant("mute", "u-1", "Ann")
            async with joined(livekit, token) as room:
                sid = await publish(room)
                for muted in (True, False):
                    state = await rooms.participants.mute(
                        "mute", "u-1", sid, EVERYBODY, muted=muted
                    )
                    assert state is muted
