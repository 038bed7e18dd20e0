from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from sayna.auth.identity import ANONYMOUS, Identity
from sayna.errors import (
    LiveKitFailed,
    ParticipantNotFound,
    RemovalFailed,
    RoomNotFound,
)
from sayna.rooms.ownership import Ownership
from sayna.rooms.participants import Participants
from sayna.rooms.server import open_server
from tests.fakes.livekit import KEY, SECRET, FakeLiveKit, serving

ANN = Identity("t1")
BOOM = (500, "internal", "boom")


@pytest.fixture
def livekit() -> FakeLiveKit:
    livekit = FakeLiveKit()
    rooms = {"own": '{"auth_id":"t1"}', "other": '{"auth_id":"t2"}', "ownerless": ""}
    livekit.lay_out({n: {"metadata": m, "participants": ["u-1"]} for n, m in rooms.items()})
    return livekit


@asynccontextmanager
async def people_of(livekit: FakeLiveKit) -> AsyncGenerator[Participants, None]:
    with serving(livekit) as port:
        async with open_server(f"ws://127.0.0.1:{port}", KEY, SECRET) as server:
            yield Participants(server, Ownership(server))


async def test_a_tenant_looks_into_its_own_room(livekit: FakeLiveKit) -> None:
    async with people_of(livekit) as people:
        room, present = await people.look_into("own", ANN)
    assert (room.name, [one.identity for one in present]) == ("own", ["u-1"])


@pytest.mark.parametrize("name", ["other", "ownerless", "absent"])
async def test_a_room_that_is_not_the_tenants_tells_nothing(
    livekit: FakeLiveKit, name: str
) -> None:
    async with people_of(livekit) as people:
        with pytest.raises(RoomNotFound, match=f"^Room '{name}' not found$"):
            await people.look_into(name, ANN)
        with pytest.raises(ParticipantNotFound, match=f"^Participant 'u-1' not found in .*{name}"):
            await people.remove(name, "u-1", ANN)
        with pytest.raises(ParticipantNotFound, match=f"^Track 'TR_1' or .* not found in .*{name}"):
            await people.mute(name, "u-1", "TR_1", ANN, muted=True)
    assert {asked.method for asked in livekit.asked} == {"ListRooms"}


@pytest.mark.parametrize("name", ["own", "other", "ownerless"])
async def test_without_a_tenant_every_room_is_open(livekit: FakeLiveKit, name: str) -> None:
    async with people_of(livekit) as people:
        assert await people.mute(name, "u-1", "TR_1", ANONYMOUS, muted=True)
        await people.remove(name, "u-1", ANONYMOUS)
    assert livekit.rooms[name].participants == []


@pytest.mark.parametrize("caller", [ANN, ANONYMOUS])
async def test_somebody_who_is_not_there_is_not_found(
    livekit: FakeLiveKit, caller: Identity
) -> None:
    async with people_of(livekit) as people:
        with pytest.raises(ParticipantNotFound):
            await people.remove("own", "U-1", caller)
        with pytest.raises(ParticipantNotFound):
            await people.mute("own", "U-1", "TR_1", caller, muted=True)
        with pytest.raises(ParticipantNotFound):
            await people.mute("own", "u-1", "TR_none", caller, muted=True)


async def test_somebody_who_leaves_meanwhile_is_not_found(livekit: FakeLiveKit) -> None:
    def leave(method: str) -> None:
        if method == "ListParticipants":
            livekit.rooms["own"].participants.clear()

    livekit.after = leave
    async with people_of(livekit) as people:
        with pytest.raises(ParticipantNotFound):
            await people.remove("own", "u-1", ANN)


async def test_a_room_that_ends_meanwhile_is_not_found(livekit: FakeLiveKit) -> None:
    livekit.fails = {"ListParticipants": (404, "not_found", "room does not exist")}
    async with people_of(livekit) as people:
        with pytest.raises(RoomNotFound):
            await people.look_into("own", ANN)


async def test_livekits_trouble_is_told_as_what_it_is(livekit: FakeLiveKit) -> None:
    livekit.fails = {"RemoveParticipant": BOOM, "MutePublishedTrack": BOOM}
    async with people_of(livekit) as people:
        with pytest.raises(RemovalFailed, match="internal: boom"):
            await people.remove("own", "u-1", ANN)
        with pytest.raises(RemovalFailed, match="internal: boom"):
            await people.mute("own", "u-1", "TR_1", ANN, muted=True)
        livekit.fails = {"ListParticipants": BOOM}
        with pytest.raises(LiveKitFailed):
            await people.look_into("own", ANN)
        with pytest.raises(RemovalFailed):
            await people.mute("own", "u-1", "TR_1", ANONYMOUS, muted=True)


@pytest.mark.parametrize("method", ["ListRooms", "ListParticipants"])
async def test_a_failed_look_up_looks_like_absence_to_a_tenant(
    livekit: FakeLiveKit, method: str
) -> None:
    livekit.fails = {method: BOOM}
    async with people_of(livekit) as people:
        with pytest.raises(ParticipantNotFound):
            await people.remove("own", "u-1", ANN)
        with pytest.raises(ParticipantNotFound):
            await people.mute("own", "u-1", "TR_1", ANN, muted=True)
