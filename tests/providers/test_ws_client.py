import asyncio
import socket as sockets
from contextlib import suppress

import pytest
from websockets.asyncio.server import ServerConnection

from sayna.errors import ConnectionFailed
from sayna.providers.wires import Message
from sayna.providers.ws_client import (
    Dial,
    HandshakeRefused,
    VendorSocket,
    dial_vendor,
    open_vendor_socket,
)
from tests.fakes.vendor_server import Hands, open_rude_vendor, open_ws_vendor, shake_hands, until


class Basket:
    """An inlet that keeps everything."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.ends: list[tuple[int | None, str]] = []

    def take_message(self, message: Message) -> None:
        self.messages.append(message)

    def take_end(self, code: int | None, reason: str) -> None:
        self.ends.append((code, reason))


def dial_to(url: str, **more: float) -> Dial:
    return Dial(url, {"authorization": "token k"}, **more)  # type: ignore[arg-type]


async def echo(client: ServerConnection) -> None:
    async for message in client:
        await client.send(message)


async def test_messages_go_out_and_come_in_as_they_are() -> None:
    basket = Basket()
    async with (
        open_ws_vendor(echo) as url,
        open_vendor_socket(dial_to(url), basket, tls=None) as socket,
    ):
        socket.send("grüße")
        socket.send(b"\x00\x01", audio_bytes=2)
        await until(lambda: len(basket.messages) == 2)
        assert socket.signs_of_life == 2
    assert basket.messages == ["grüße", b"\x00\x01"]
    assert len(basket.ends) == 1


async def test_the_handshake_carries_the_query_and_the_headers() -> None:
    seen: list[tuple[str, str | None]] = []

    async def look(client: ServerConnection) -> None:
        assert client.request is not None
        seen.append((client.request.path, client.request.headers.get("authorization")))
        await client.wait_closed()

    async with open_ws_vendor(look) as url:
        address = f"{url}/v1/listen?tag=a%20b%26c"
        async with open_vendor_socket(dial_to(address), Basket(), tls=None):
            await until(lambda: seen)
    assert seen == [("/v1/listen?tag=a%20b%26c", "token k")]


async def test_small_packets_are_not_held_back() -> None:
    async with (
        open_ws_vendor(echo) as url,
        open_vendor_socket(dial_to(url), Basket(), tls=None) as socket,
    ):
        assert socket._transport is not None
        raw = socket._transport.underlying_transport.get_extra_info("socket")
        assert raw.getsockopt(sockets.IPPROTO_TCP, sockets.TCP_NODELAY) == 1


async def test_fragments_become_one_message() -> None:
    async def tell(client: ServerConnection) -> None:
        await client.send(["a", "b", "c"])
        await client.send([b"1", b"2"])
        await client.wait_closed()

    basket = Basket()
    async with open_ws_vendor(tell) as url, open_vendor_socket(dial_to(url), basket, tls=None):
        await until(lambda: len(basket.messages) == 2)
    assert basket.messages == ["abc", b"12"]


async def test_a_close_tells_its_code_and_reason() -> None:
    async def close(client: ServerConnection) -> None:
        await client.close(1011, "NET-0001")

    basket = Basket()
    async with (
        open_ws_vendor(close) as url,
        open_vendor_socket(dial_to(url), basket, tls=None) as socket,
    ):
        await socket.wait_over()
        assert not socket.is_open
        socket.send("too late")
    assert basket.ends == [(1011, "NET-0001")]


async def test_a_lost_connection_has_no_code() -> None:
    async def drop(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await shake_hands(reader, writer)
        writer.transport.abort()

    basket = Basket()
    async with (
        open_rude_vendor(drop) as address,
        open_vendor_socket(dial_to(f"ws://{address}"), basket, tls=None) as socket,
    ):
        await socket.wait_over()
    assert basket.ends == [(None, "")]


async def test_a_refusal_tells_status_headers_and_body() -> None:
    refuse = (402, {"DG-Error": "no money"}, b'{"err_msg":"pay"}')
    async with open_ws_vendor(echo, refuse) as url:
        with pytest.raises(HandshakeRefused) as told:
            await dial_vendor(dial_to(url), Basket(), tls=None)
    assert told.value.status == 402
    assert told.value.headers["dg-error"] == "no money"
    assert told.value.body == b'{"err_msg":"pay"}'


async def test_a_redirect_is_a_refusal_and_the_key_stays_here() -> None:
    elsewhere = {"Location": "ws://127.0.0.1:1/elsewhere"}
    async with open_ws_vendor(echo, (302, elsewhere, b"")) as url:
        with pytest.raises(HandshakeRefused) as told:
            await dial_vendor(dial_to(url), Basket(), tls=None)
    assert told.value.status == 302


async def test_a_port_where_nobody_listens_is_told_without_its_address() -> None:
    with sockets.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(ConnectionFailed, match="cannot reach the vendor") as told:
        await dial_vendor(dial_to(f"ws://127.0.0.1:{port}"), Basket(), tls=None)
    assert told.value.retryable
    assert str(port) not in str(told.value)


async def test_a_vendor_that_does_not_answer_is_given_up() -> None:
    gone = asyncio.Event()

    async def say_nothing(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while await reader.read(1024):
                pass
        gone.set()

    async with open_rude_vendor(say_nothing) as address:
        with pytest.raises(ConnectionFailed, match="Connection timeout"):
            await dial_vendor(dial_to(f"ws://{address}", limit_s=0.05), Basket(), tls=None)
        async with asyncio.timeout(10):
            await gone.wait()


async def test_a_vendor_that_hangs_up_before_it_answers_is_told() -> None:
    async def hang_up(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read(16)

    async with open_rude_vendor(hang_up) as address:
        with pytest.raises(ConnectionFailed, match="hung up before it answered"):
            await dial_vendor(dial_to(f"ws://{address}"), Basket(), tls=None)


async def test_what_is_no_websocket_is_told() -> None:
    async def speak_http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 101 Fine\r\n\r\n")
        await writer.drain()

    async with open_rude_vendor(speak_http) as address:
        with pytest.raises((ConnectionFailed, HandshakeRefused)):
            await dial_vendor(dial_to(f"ws://{address}"), Basket(), tls=None)


async def test_while_the_vendor_does_not_read_the_oldest_audio_is_dropped_and_counted() -> None:
    proceed = asyncio.Event()
    received = bytearray()

    async def dawdle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await shake_hands(reader, writer)
        await proceed.wait()
        while piece := await reader.read(65536):
            received.extend(piece)

    async with (
        open_rude_vendor(dawdle) as address,
        open_vendor_socket(
            dial_to(f"ws://{address}", max_waiting_bytes=10_000), Basket(), tls=None
        ) as socket,
    ):
        sent = fill(socket)
        socket.send("control")
        for _ in range(20):
            socket.send(bytes(1_000), audio_bytes=1_000)
        assert socket.dropped_bytes == 10_000
        assert [size for _, _, size in socket._waiting].count(0) == 1
        proceed.set()
        await until(lambda: not socket._waiting)
        await until(lambda: len(received) >= sent)


def fill(socket: VendorSocket) -> int:
    """Send until the vendor's side is full."""
    sent = 0
    while socket._writable:
        socket.send(bytes(60_000), audio_bytes=60_000)
        sent += 60_000
        assert sent < 200_000_000
    return sent


async def test_a_vendor_that_never_reads_cannot_hold_up_the_closing() -> None:
    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await shake_hands(reader, writer)
        await writer.wait_closed()

    basket = Basket()
    async with open_rude_vendor(say_nothing) as address:
        async with open_vendor_socket(dial_to(f"ws://{address}"), basket, tls=None) as socket:
            fill(socket)
        assert basket.ends == [(None, "")]


async def test_a_silent_vendor_is_asked_for_a_sign_while_we_send() -> None:
    hands = Hands()
    dial = Dial("", {}, ping_s=0.5, ping_when_idle=False)
    async with open_ws_vendor(echo) as url:
        dial = Dial(url, {}, ping_s=0.5, ping_when_idle=False)
        async with open_vendor_socket(
            dial, Basket(), tls=None, call_later=hands.call_later
        ) as socket:
            hands.advance(5)
            assert socket.signs_of_life == 0
            socket.send(b"x", audio_bytes=1)
            await until(lambda: socket.signs_of_life == 1)
            hands.advance(0.5)  # it has just been heard: no ping
            socket.send("", audio_bytes=1)
            hands.advance(0.5)
            await until(lambda: socket.signs_of_life == 3)
    assert hands.waiting == 0


async def test_an_idle_connection_is_kept_open_by_pings_where_that_is_wanted() -> None:
    hands = Hands()
    async with (
        open_ws_vendor(echo) as url,
        open_vendor_socket(
            Dial(url, {}, ping_s=20), Basket(), tls=None, call_later=hands.call_later
        ) as socket,
    ):
        hands.advance(20)
        await until(lambda: socket.signs_of_life == 1)


async def test_whoever_stops_dialling_leaves_nothing_open() -> None:
    gone = asyncio.Event()
    arrived = asyncio.Event()

    async def late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        arrived.set()
        await reader.read(16)
        with suppress(ConnectionError):
            while await reader.read(1024):
                pass
        gone.set()

    async with open_rude_vendor(late) as address:
        dialling = asyncio.create_task(
            dial_vendor(dial_to(f"ws://{address}", limit_s=0.2), Basket(), tls=None)
        )
        await arrived.wait()
        dialling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await dialling
        async with asyncio.timeout(10):
            await gone.wait()
