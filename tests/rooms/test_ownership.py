import asyncio
from dataclasses import dataclass, field

import pytest
from typing_extensions import override

from sayna.auth.identity import ANONYMOUS, Identity
from sayna.errors import LiveKitFailed, RoomMetadataUnusable, RoomNotFound, RoomTaken
from sayna.rooms.ownership import Ownership, merge_owner, owner_of
from sayna.rooms.protocols import Participant, Room
from tests.fakes.session import until

ANN, BOB = Identity("t1"), Identity("t2")
DEEP = "[" * 200_000


@dataclass
class Shelf:
    """A room server with memory that lets others run between any two of its steps."""

    held: dict[str, str] = field(default_factory=dict[str, str])
    fails: dict[str, LiveKitFailed] = field(default_factory=dict[str, LiveKitFailed])
    overwritten: dict[str, str] = field(default_factory=dict[str, str])
    """What another server writes on a room right after us."""
    stuck: asyncio.Event | None = None
    late: int = 0
    """How many looks it takes until what was written is seen."""
    hidden: dict[str, tuple[str, int]] = field(default_factory=dict[str, tuple[str, int]])
    calls: list[str] = field(default_factory=list[str])

    async def _step(self, method: str) -> None:
        self.calls.append(method)
        await asyncio.sleep(0)
        if self.stuck is not None:
            await self.stuck.wait()
        if method in self.fails:
            raise self.fails[method]

    async def rooms(self) -> list[Room]:
        await self._step("rooms")
        return [Room(name, metadata=metadata) for name, metadata in self.held.items()]

    async def find(self, name: str) -> Room | None:
        await self._step("find")
        if name in self.hidden:
            metadata, looks = self.hidden.pop(name)
            if looks:
                self.hidden[name] = (metadata, looks - 1)
            else:
                self.held[name] = metadata
        return Room(name, metadata=self.held[name]) if name in self.held else None

    async def create(self, name: str) -> None:
        await self._step("create")
        self.held.setdefault(name, "")

    async def write_metadata(self, name: str, metadata: str) -> None:
        await self._step("write_metadata")
        self.hidden[name] = (self.overwritten.get(name, metadata), self.late)

    async def participants(self, name: str) -> list[Participant]:
        raise NotImplementedError

    async def remove(self, name: str, identity: str) -> None:
        raise NotImplementedError

    async def mute(self, name: str, identity: str, track_sid: str, *, muted: bool) -> bool:
        raise NotImplementedError


def boom(doing: str = "do it") -> LiveKitFailed:
    return LiveKitFailed(doing, "internal", "boom")


@pytest.mark.parametrize(
    ("metadata", "owner"),
    [
        ("", None),
        (" \n", None),
        ("{}", None),
        ('{"auth_id":"t1","x":1}', "t1"),
        ('{"auth_id":" t1 "}', " t1 "),
        ('{"auth_id":""}', ""),
        ('{"auth_id":"\\u00e9"}', "é"),
        ('{"auth_id":5}', None),
        ('{"auth_id":null}', None),
        ('{"auth_id":["t1"]}', None),
        ('{"auth_id":"\\ud800"}', None),
        ('["t1"]', None),
        ("null", None),
        ('"t1"', None),
        ("{broken", None),
        ('{"auth_id":"t1"} x', None),
        (DEEP, None),
        ('{"a":' + DEEP, None),
    ],
)
def test_the_owner_is_a_text_in_an_object(metadata: str, owner: str | None) -> None:
    assert owner_of(metadata) == owner


@pytest.mark.parametrize(
    ("metadata", "merged"),
    [
        ("", '{"auth_id":"t1"}'),
        ("  ", '{"auth_id":"t1"}'),
        ("{}", '{"auth_id":"t1"}'),
        ('{"auth_id":5}', '{"auth_id":"t1"}'),
        ('{"auth_id":null,"a":1}', '{"auth_id":"t1","a":1}'),
        ('{"auth_id":"t1"}', None),
        ('{"a":1,"auth_id":"t1"}', None),
    ],
)
def test_an_owner_is_written_where_there_is_none(metadata: str, merged: str | None) -> None:
    assert merge_owner(metadata, "t1") == merged


def test_what_others_wrote_stays_to_the_byte() -> None:
    theirs = (
        '{"n":1.10,"big":123456789012345678901234567890,"e":1e999,"s":"\\u00e9 \\/","o":{ "a" :[]}}'
    )
    assert merge_owner(theirs, "t1") == theirs[:-1] + ',"auth_id":"t1"}'


@pytest.mark.parametrize("owner", ['"t2"', '"T1"', '" t1"', '""'])
def test_another_owner_is_a_conflict(owner: str) -> None:
    with pytest.raises(RoomTaken):
        merge_owner(f'{{"auth_id":{owner}}}', "t1")


@pytest.mark.parametrize("metadata", ["[1]", "null", "1", '"a"', "{broken", "x", DEEP])
def test_what_is_no_object_cannot_get_an_owner(metadata: str) -> None:
    with pytest.raises(RoomMetadataUnusable):
        merge_owner(metadata, "t1")


async def test_a_claim_makes_the_room_and_writes_the_owner() -> None:
    shelf = Shelf()
    await Ownership(shelf).claim("demo", "t1")
    assert shelf.held == {"demo": '{"auth_id":"t1"}'}
    await Ownership(shelf).claim("demo", "t1")
    assert shelf.calls.count("write_metadata") == 1


async def test_a_claim_adopts_a_room_without_owner() -> None:
    shelf = Shelf({"demo": '{"topic":"weather"}'})
    await Ownership(shelf).claim("demo", "t1")
    assert shelf.held == {"demo": '{"topic":"weather","auth_id":"t1"}'}
    assert "create" not in shelf.calls


async def test_another_tenants_room_is_taken_and_stays_as_it_is() -> None:
    shelf = Shelf({"demo": '{"auth_id":"t2"}'})
    with pytest.raises(RoomTaken):
        await Ownership(shelf).claim("demo", "t1")
    assert shelf.held == {"demo": '{"auth_id":"t2"}'}


@pytest.mark.parametrize("late", [0, 1, 3])
async def test_of_claims_at_once_exactly_one_tenant_wins(late: int) -> None:
    shelf = Shelf(late=late)
    ownership = Ownership(shelf, settling_s=(0.0,) * 3)
    tenants = [f"t{number}" for number in range(20)] * 2
    outcomes = await asyncio.gather(
        *(ownership.claim("demo", tenant) for tenant in tenants), return_exceptions=True
    )
    winners = {tenant for tenant, out in zip(tenants, outcomes, strict=True) if out is None}
    assert len(winners) == 1
    assert owner_of(shelf.held["demo"]) in winners
    assert all(out is None or isinstance(out, RoomTaken) for out in outcomes)


async def test_claims_of_different_rooms_do_not_wait_for_each_other() -> None:
    shelf = Shelf(stuck=asyncio.Event())
    ownership = Ownership(shelf)
    claims = [asyncio.create_task(ownership.claim(name, "t1")) for name in ("a", "b")]
    await until(lambda: len(shelf.calls) == 2)
    assert shelf.stuck is not None
    shelf.stuck.set()
    await asyncio.gather(*claims)
    assert set(shelf.held) == {"a", "b"}


async def test_who_was_overwritten_by_another_server_has_lost() -> None:
    shelf = Shelf(overwritten={"demo": '{"auth_id":"t2"}'})
    with pytest.raises(RoomTaken):
        await Ownership(shelf).claim("demo", "t1")


async def test_what_was_written_and_never_shows_is_no_claim() -> None:
    shelf = Shelf(late=3)
    with pytest.raises(LiveKitFailed, match="does not show what was written"):
        await Ownership(shelf, settling_s=(0.0, 0.0)).claim("demo", "t1")


class Contested(Shelf):
    """What another server does right before ours: it makes the room, and ours is refused."""

    @override
    async def create(self, name: str) -> None:
        self.held[name] = ""
        raise boom()


class Forgetful(Shelf):
    """A LiveKit that makes rooms which never appear."""

    @override
    async def create(self, name: str) -> None:
        await self._step("create")


async def test_a_room_that_another_server_made_meanwhile_is_as_good() -> None:
    shelf = Contested()
    await Ownership(shelf).claim("demo", "t1")
    assert shelf.held == {"demo": '{"auth_id":"t1"}'}


async def test_a_room_that_cannot_be_made_says_why() -> None:
    shelf = Shelf(fails={"create": LiveKitFailed("make a room", "permission_denied", "no")})
    with pytest.raises(LiveKitFailed, match="permission_denied"):
        await Ownership(shelf).claim("demo", "t1")


async def test_a_room_that_is_made_but_does_not_appear_is_a_failure() -> None:
    with pytest.raises(LiveKitFailed, match="still absent"):
        await Ownership(Forgetful()).claim("demo", "t1")


async def test_a_claim_takes_no_longer_than_its_limit_and_leaves_nothing() -> None:
    shelf = Shelf(stuck=asyncio.Event())
    ownership = Ownership(shelf, limit_s=0.01)
    outcomes = await asyncio.gather(
        *(ownership.claim("demo", tenant) for tenant in ("t1", "t2")), return_exceptions=True
    )
    assert [type(out) for out in outcomes] == [LiveKitFailed, LiveKitFailed]
    assert ownership._turns == {}


async def test_the_list_hides_what_is_not_the_tenants() -> None:
    shelf = Shelf(
        {"a": '{"auth_id":"t1"}', "b": '{"auth_id":"t2"}', "c": "", "d": "{broken", "e": "[1]"}
    )
    ownership = Ownership(shelf)
    assert [room.name for room in await ownership.visible(ANN)] == ["a"]
    assert [room.name for room in await ownership.visible(BOB)] == ["b"]
    assert [room.name for room in await ownership.visible(ANONYMOUS)] == list("abcde")


@pytest.mark.parametrize("name", ["b", "c", "d", "zzz"])
async def test_absent_nobodys_and_another_tenants_room_look_alike(name: str) -> None:
    shelf = Shelf({"a": '{"auth_id":"t1"}', "b": '{"auth_id":"t2"}', "c": "", "d": "{broken"})
    with pytest.raises(RoomNotFound) as raised:
        await Ownership(shelf).require(name, ANN)
    assert str(raised.value) == f"Room '{name}' not found"


async def test_ones_own_room_is_found_and_without_a_tenant_any() -> None:
    shelf = Shelf({"a": '{"auth_id":"t1"}', "c": ""})
    ownership = Ownership(shelf)
    assert (await ownership.require("a", ANN)).name == "a"
    assert (await ownership.require("c", ANONYMOUS)).name == "c"
    with pytest.raises(RoomNotFound):
        await ownership.require("zzz", ANONYMOUS)


async def test_a_failed_look_up_is_not_an_absent_room() -> None:
    shelf = Shelf(fails={"find": boom("look up a room")})
    with pytest.raises(LiveKitFailed, match="look up a room: internal: boom"):
        await Ownership(shelf).require("a", ANN)
