import asyncio
import inspect
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

import aiohttp
import pytest
from aiohttp import web
from livekit import api

from sayna.errors import LiveKitFailed
from sayna.rooms.protocols import Participant, Room
from sayna.rooms.server import LiveKitServer, api_url, open_server
from tests.fakes.livekit import CREATED_AT, JOINED_AT, KEY, SECRET, FakeLiveKit, serving

EVERYTHING: list[Callable[[LiveKitServer], Awaitable[object]]] = [
    lambda server: server.rooms(),
    lambda server: server.find("a"),
    lambda server: server.create("a"),
    lambda server: server.write_metadata("a", "{}"),
    lambda server: server.participants("a"),
    lambda server: server.mute("a", "u-1", "TR_1", muted=True),
    lambda server: server.remove("a", "u-1"),
]


@pytest.fixture
def livekit() -> FakeLiveKit:
    livekit = FakeLiveKit()
    livekit.lay_out({"a": {"metadata": "m", "participants": ["u-1", "sip-1", "k8"]}, "b": {}})
    return livekit


@asynccontextmanager
async def asking(livekit: FakeLiveKit, scheme: str = "ws") -> AsyncGenerator[LiveKitServer, None]:
    with serving(livekit) as port:
        async with open_server(f"{scheme}://127.0.0.1:{port}", KEY, SECRET) as server:
            yield server


@contextmanager
def silent_port() -> Iterator[int]:
    """Yield a port that lets everybody in and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


async def failure(call: Awaitable[object]) -> LiveKitFailed:
    with pytest.raises(LiveKitFailed) as raised:
        await call
    return raised.value


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        ("ws://a:7880", "http://a:7880"),
        ("wss://a", "https://a"),
        ("WSS://a/", "https://a/"),
        ("http://a:1/lk", "http://a:1/lk"),
        ("https://a?x=1#y", "https://a"),
        ("ws://[::1]:7880", "http://[::1]:7880"),
    ],
)
def test_the_api_is_reached_over_http_whatever_the_scheme(given: str, asked: str) -> None:
    assert api_url(given) == asked


@pytest.mark.parametrize("scheme", ["ws", "http"])
async def test_rooms_are_listed_and_found(livekit: FakeLiveKit, scheme: str) -> None:
    async with asking(livekit, scheme) as server:
        assert [room.name for room in await server.rooms()] == ["a", "b"]
        assert await server.find("a") == Room("a", "RM_a", "m", 3, 3, CREATED_AT)
        assert await server.find("A") is None


async def test_a_room_is_made_bare_and_one_that_is_there_stays_as_it_is(
    livekit: FakeLiveKit,
) -> None:
    async with asking(livekit) as server:
        await server.create("a")
        await server.create("new")
        await server.write_metadata("new", "{}")
    assert {name: room.metadata for name, room in livekit.rooms.items()} == {
        "a": "m",
        "b": "",
        "new": "{}",
    }
    assert livekit.asked[0].fields == {"1": ["a"], "3": [3]}


async def test_participants_are_told_in_words_that_clients_know(livekit: FakeLiveKit) -> None:
    async with asking(livekit) as server:
        ann, caller, newer = await server.participants("a")
        assert await server.participants("zzz") == []
    assert ann == Participant(
        "u-1", "PA_u-1", "Ann", "ACTIVE", "STANDARD", JOINED_AT, is_publisher=True
    )
    assert (caller.kind, caller.attributes) == ("SIP", {"sip.phoneNumber": "+1"})
    assert (newer.state, newer.kind) == ("UNKNOWN", "UNKNOWN")


async def test_participants_are_removed_and_muted(livekit: FakeLiveKit) -> None:
    async with asking(livekit) as server:
        assert await server.mute("a", "u-1", "TR_1", muted=True) is True
        assert await server.mute("a", "u-1", "TR_1", muted=False) is False
        await server.remove("a", "u-1")
    assert livekit.rooms["a"].participants == ["sip-1", "k8"]


async def test_a_call_carries_no_more_rights_than_it_needs(livekit: FakeLiveKit) -> None:
    async with asking(livekit) as server:
        for call in EVERYTHING:
            await call(server)
    assert [dict(asked.grants) for asked in livekit.asked if asked.method == "ListRooms"] == [
        {"roomList": True, "canPublish": True, "canSubscribe": True, "canPublishData": True}
    ] * 2
    rooms = {asked.grants.get("room") for asked in livekit.asked if asked.grants.get("roomAdmin")}
    assert rooms == {"a"}


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        (lambda server: server.remove("a", "nobody"), "not_found"),
        (lambda server: server.mute("a", "u-1", "TR_none", muted=True), "not_found"),
        (lambda server: server.mute("a", "nobody", "TR_1", muted=True), "unavailable"),
        (lambda server: server.write_metadata("zzz", "{}"), "not_found"),
    ],
)
async def test_what_livekit_refuses_keeps_its_code(
    livekit: FakeLiveKit, call: Callable[[LiveKitServer], Awaitable[object]], reason: str
) -> None:
    async with asking(livekit) as server:
        assert (await failure(call(server))).reason == reason


@pytest.mark.parametrize("call", EVERYTHING)
async def test_every_call_tells_what_failed_and_why(
    livekit: FakeLiveKit, call: Callable[[LiveKitServer], Awaitable[object]]
) -> None:
    livekit.fails = dict.fromkeys(livekit._calls(), (500, "internal", "boom"))
    async with asking(livekit) as server:
        error = await failure(call(server))
    assert error.reason == "internal"
    assert str(error).startswith("LiveKit failed to ")
    assert str(error).endswith(": internal: boom")


@pytest.mark.parametrize(("key", "secret"), [("other-key", SECRET), (KEY, SECRET[::-1])])
async def test_a_wrong_key_is_named_without_being_told(
    livekit: FakeLiveKit, key: str, secret: str
) -> None:
    with serving(livekit) as port:
        async with open_server(f"ws://127.0.0.1:{port}", key, secret) as server:
            error = await failure(server.rooms())
    assert error.reason == "unauthenticated"
    assert "this server's key or secret" in str(error)
    assert key not in str(error)


async def test_nobody_there_is_unavailable_and_no_address_is_told() -> None:
    async with open_server("ws://127.0.0.1:1", KEY, SECRET) as server:
        error = await failure(server.rooms())
    assert error.reason == "unavailable"
    assert "127.0.0.1" not in str(error)


async def test_no_call_waits_for_a_silent_livekit_longer_than_the_limit() -> None:
    with silent_port() as port:
        async with open_server(f"ws://127.0.0.1:{port}", KEY, SECRET, limit_s=0.01) as server:
            for call in EVERYTHING:
                assert (await failure(call(server))).reason == "deadline_exceeded"


@pytest.mark.parametrize("url", ["::::", "ws://", "ftp://127.0.0.1", "http://127.0.0.1:1/%zz\n"])
async def test_an_unusable_address_is_a_failure_and_nothing_worse(url: str) -> None:
    async with open_server(url, KEY, SECRET) as server:
        await failure(server.rooms())


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (200, b"<html>", "malformed"),
        (200, b"\x0a\x04\x12\x02\xff\xfe", "malformed"),  # a name that is no UTF-8
        (404, b"<html>", "bad_route"),
        (404, b"[]", "malformed"),
        (400, b'{"code":5,"msg":["x"]}', "5"),
        (401, b"invalid token", "unauthenticated"),
        (403, b"{}", "permission_denied"),
        (502, b"<html>", "unavailable"),
        (418, b"{}", "unknown"),
        (302, b"", "malformed"),
    ],
)
async def test_whatever_answers_instead_of_livekit_is_a_failure(
    status: int, body: bytes, reason: str
) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=status, body=body, content_type="application/json")

    async with (
        something_else(answer) as port,
        open_server(f"http://127.0.0.1:{port}", KEY, SECRET) as server,
    ):
        assert (await failure(server.rooms())).reason == reason


@asynccontextmanager
async def something_else(
    answer: Callable[[web.Request], Awaitable[web.Response]],
) -> AsyncGenerator[int, None]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def test_calls_share_connections(livekit: FakeLiveKit) -> None:
    with serving(livekit) as port:
        async with open_server(f"ws://127.0.0.1:{port}", KEY, SECRET) as server:
            for _ in range(3):
                await server.rooms()
            pool = server._rooms._client._session.connector
            assert isinstance(pool, aiohttp.TCPConnector)
            assert sum(len(kept) for kept in pool._conns.values()) == 1
        assert pool.closed


async def test_many_calls_at_once_are_all_answered(livekit: FakeLiveKit) -> None:
    async with asking(livekit) as server:
        found = await asyncio.gather(*(server.find("a") for _ in range(50)))
    assert {room.name for room in found if room} == {"a"}


def test_every_error_of_the_sdk_is_one_that_is_translated() -> None:
    kinds = [
        kind
        for _, kind in inspect.getmembers(api, inspect.isclass)
        if issubclass(kind, BaseException)
    ]
    assert kinds
    assert all(issubclass(kind, api.ServerError) for kind in kinds)
