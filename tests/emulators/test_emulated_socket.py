"""What rules make of a socket, shown with a vendor that answers each frame with the same."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import WSMsgType, web

from tests.emulators.answers import Refused
from tests.emulators.clock import SteppedClock
from tests.emulators.rules import (
    Action,
    DropAfter,
    Duplicate,
    ErrorMessage,
    ExpireToken,
    Hang,
    IdleClose,
    Malformed,
    MaxSession,
    ReadyDelay,
    Reorder,
)
from tests.emulators.server import Dialect, Emulator, Exchange, open_emulator

LIMIT_S = 5.0


async def _echo(exchange: Exchange) -> None:
    async with exchange.socket(headers={}) as socket:
        socket.watch(10.0, 1011, "idle")
        await socket.send_ready({"type": "Ready"})
        async for message in socket.messages():
            await socket.send(message, is_final=True)


def _refusal(exchange: Exchange, refused: Refused) -> web.Response:
    del exchange
    return web.Response(status=refused.status, text=str(refused.body))


ECHO = Dialect(
    name="echo",
    routes={("GET", "/echo"): _echo},
    key_of=lambda request: request.headers.get("key"),
    refusal=_refusal,
    socket_error={"type": "Error"},
)


@asynccontextmanager
async def _talking(
    *actions: Action, clock: SteppedClock | None = None
) -> AsyncGenerator[tuple[Emulator, aiohttp.ClientWebSocketResponse], None]:
    async with (
        open_emulator(ECHO, clock=clock) as emulator,
        aiohttp.ClientSession() as session,
    ):
        emulator.rules.add(*actions)
        url = f"{emulator.ws_url}/echo"
        patience = aiohttp.ClientWSTimeout(ws_close=0.1)  # pyright: ignore[reportCallIssue] - attrs
        async with session.ws_connect(url, headers={"key": "k"}, timeout=patience) as socket:
            yield emulator, socket


async def _read(socket: aiohttp.ClientWebSocketResponse) -> str:
    """Return the next frame, short."""
    frame = await socket.receive(LIMIT_S)
    match frame.type:
        case WSMsgType.TEXT:
            return str(frame.data)
        case WSMsgType.BINARY:
            return f"<{len(frame.data)}>"
        case WSMsgType.CLOSE:
            return f"close {frame.data} {frame.extra}"
        case _:
            return frame.type.name.lower()


READY = '{"type":"Ready"}'


async def test_without_rules_a_socket_is_as_the_vendor_means_it() -> None:
    async with _talking() as (emulator, socket):
        assert await _read(socket) == READY
        await socket.send_str("hello")
        assert await _read(socket) == "hello"
        await socket.send_bytes(b"123")
        assert await _read(socket) == "<3>"
        assert emulator.stats.sockets_open == 1
        await socket.close(code=4001)
        await emulator.recorder.wait_for(1, kind="close")
    assert emulator.recorder.all.types == [
        "request", "Ready", "text", "text", "binary", "binary", "close",
    ]  # fmt: skip
    assert emulator.recorder.all.last.status == 4001
    assert emulator.stats.sockets_open == 0


@pytest.mark.parametrize(
    ("drop", "end"),
    [
        (DropAfter(messages=2, mode="close", code=1013, reason="later"), "close 1013 later"),
        (DropAfter(messages=2, mode="eof"), "closed"),
        (DropAfter(messages=2, mode="reset"), "closed"),
        (DropAfter(messages=1, of="received", mode="close"), "close 1011 "),
    ],
)
async def test_a_connection_is_dropped_in_its_place(drop: DropAfter, end: str) -> None:
    async with _talking(drop) as (emulator, socket):
        assert await _read(socket) == READY
        await socket.send_str("last")
        assert await _read(socket) == "last"
        assert await _read(socket) == end
        await emulator.recorder.wait_for(1, sender="emulator", kind=emulator.recorder.all.last.kind)
    assert emulator.recorder.all.last.kind in {"close", "eof"}


async def test_audio_is_cut_exactly_where_the_connection_drops() -> None:
    async with _talking(DropAfter(bytes=len(READY) + 5, mode="close")) as (_, socket):
        await _read(socket)
        await socket.send_bytes(bytes(100))
        assert await _read(socket) == "<5>"
        assert await _read(socket) == "close 1011 "


async def test_a_half_open_connection_is_silent_and_reads_nothing() -> None:
    async with _talking(DropAfter(messages=1, mode="half-open")) as (emulator, socket):
        assert await _read(socket) == READY
        await emulator.recorder.wait_for(1, kind="eof", sender="emulator")
        await socket.send_str("is anybody there")
        async with (  # in the meantime others are served
            aiohttp.ClientSession() as other,
            other.ws_connect(f"{emulator.ws_url}/echo") as healthy,
        ):
            assert await _read(healthy) == READY
        assert emulator.recorder.select(connection=0).types == ["request", "Ready", "eof"]


async def test_a_hanging_socket_reads_but_says_nothing() -> None:
    clock = SteppedClock()
    rules = Hang(messages=1), IdleClose(s=10**6)
    async with _talking(*rules, clock=clock) as (emulator, socket):
        assert await _read(socket) == READY
        await socket.send_str("hello")
        await emulator.recorder.wait_for(1, kind="text", sender="client")
        await clock.advance(10**5)
        assert emulator.recorder.select(sender="emulator").types == ["Ready"]
        assert emulator.stats.sockets_open == 1
        await socket.send_str("still here")
        await emulator.recorder.wait_for(2, kind="text", sender="client")


async def test_a_socket_hangs_for_a_while() -> None:
    clock = SteppedClock()
    async with _talking(Hang(messages=1, ms=5000), clock=clock) as (emulator, socket):
        assert await _read(socket) == READY
        await socket.send_str("hello")
        await emulator.recorder.wait_for(1, kind="text", sender="client")
        assert emulator.recorder.select(sender="emulator").types == ["Ready"]
        await clock.advance(5)
        assert await _read(socket) == "hello"


@pytest.mark.parametrize(("fatal", "after"), [(True, "close 1011 "), (False, "hello")])
async def test_an_error_comes_in_band(fatal: bool, after: str) -> None:
    async with _talking(ErrorMessage(messages=1, fatal=fatal)) as (_, socket):
        assert await _read(socket) == READY
        assert await _read(socket) == '{"type":"Error"}'
        await socket.send_str("hello")
        assert await _read(socket) == after


async def test_an_error_says_what_the_rule_says() -> None:
    error = ErrorMessage(body={"type": "Oops"}, fatal=False)
    async with _talking(error) as (_, socket):
        assert [await _read(socket), await _read(socket)] == ['{"type":"Oops"}', READY]


@pytest.mark.parametrize(
    ("rule", "broken"),
    [
        (Malformed(kind="truncated_json"), '{"type":'),
        (Malformed(kind="not_json"), "nonsense"),
        (Malformed(kind="empty_binary"), "<0>"),
    ],
)
async def test_a_broken_copy_goes_ahead_of_a_message(rule: Malformed, broken: str) -> None:
    async with _talking(rule) as (_, socket):
        assert [await _read(socket), await _read(socket)] == [broken, READY]


async def test_bytes_that_are_no_text_are_a_protocol_error() -> None:
    async with _talking(Malformed(kind="non_utf8")) as (_, socket):
        assert await _read(socket) == "error"


async def test_finals_are_doubled_and_delayed() -> None:
    async with _talking(Duplicate(n=1)) as (_, socket):
        await _read(socket)
        await socket.send_str("a")
        await socket.send_str("b")
        assert [await _read(socket) for _ in range(3)] == ["a", "a", "b"]
    async with _talking(Reorder(n=1)) as (_, socket):
        await _read(socket)
        await socket.send_str("a")
        await socket.send_str("b")
        assert [await _read(socket) for _ in range(2)] == ["b", "a"]


async def test_the_first_message_is_held_back() -> None:
    clock = SteppedClock()
    async with _talking(ReadyDelay(ms=900), clock=clock) as (emulator, socket):
        await emulator.socket("/echo")
        await clock.advance(0.8)
        assert len(emulator.recorder.select(sender="emulator")) == 0
        await clock.advance(0.2)
        assert await _read(socket) == READY


@pytest.mark.parametrize(
    ("rule", "limit_s", "end"),
    [
        (IdleClose(s=20), 20, "close 1011 idle"),
        (MaxSession(s=5), 5, "close 1011 session limit reached"),
        (Duplicate(n=0), 10, "close 1011 idle"),
    ],
)
async def test_a_silent_client_is_closed(rule: Action, limit_s: float, end: str) -> None:
    clock = SteppedClock()
    async with _talking(rule, clock=clock) as (emulator, socket):
        assert await _read(socket) == READY
        await clock.advance(limit_s - 0.1)
        assert len(emulator.recorder.select(kind="close")) == 0
        await clock.advance(0.2)
        assert await _read(socket) == end


async def test_whoever_speaks_is_not_silent() -> None:
    clock = SteppedClock()
    async with _talking(clock=clock) as (emulator, socket):
        await _read(socket)
        for _ in range(4):
            await clock.advance(8)
            await socket.send_str("still here")
            assert await _read(socket) == "still here"
        assert len(emulator.recorder.select(kind="close")) == 0
        await clock.advance(10)
        assert await _read(socket) == "close 1011 idle"


async def test_a_key_expires_in_the_midst_of_a_session() -> None:
    async with _talking(ExpireToken(messages=1)) as (emulator, socket):
        await _read(socket)
        await socket.send_str("a")
        assert await _read(socket) == "a"
        assert emulator.expired_keys == {"k"}


async def test_a_test_can_speak_as_the_vendor() -> None:
    async with _talking() as (emulator, socket):
        await _read(socket)
        vendor = await emulator.socket("/echo")
        await vendor.send('{"type":"Whatever"}')
        assert await _read(socket) == '{"type":"Whatever"}'
        await asyncio.gather(vendor.close(1001, "bye"), _read_end(socket))
        assert vendor.is_gone


async def _read_end(socket: aiohttp.ClientWebSocketResponse) -> None:
    assert await _read(socket) == "close 1001 bye"


@pytest.mark.parametrize(
    ("action", "end"),
    [
        (DropAfter(mode="close", code=1013), "close 1013 "),
        (DropAfter(mode="eof"), "closed"),
        (ErrorMessage(), '{"type":"Error"}'),
    ],
)
async def test_a_connection_can_end_before_a_word_was_said(action: Action, end: str) -> None:
    async with _talking(action) as (emulator, socket):
        assert await _read(socket) == end
    assert emulator.sockets == []


async def test_a_vendor_that_hangs_answers_no_ping_and_one_that_lives_does() -> None:
    for actions, answered in (((), True), ((Hang(),), False)):
        async with _talking(*actions) as (emulator, socket):
            socket._autoping, socket._autoclose = False, False
            await socket.ping(b"there?")
            await socket.send_str("said")
            records = await emulator.recorder.wait_for(1, sender="client", kind="text")
            assert records[0].payload == "said"
            if answered:
                while (frame := await socket.receive(LIMIT_S)).type is not WSMsgType.PONG:
                    pass
                assert frame.data == b"there?"
            else:
                with pytest.raises(TimeoutError):
                    await socket.receive(0.05)
