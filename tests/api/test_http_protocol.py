"""A real uvicorn on a real port, spoken to in bytes."""

import asyncio
import socket
import struct
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress

import pytest
import uvicorn
from fastapi import FastAPI, WebSocket
from starlette.types import ASGIApp, Receive, Scope, Send

from sayna.api import http_protocol
from sayna.api.http_protocol import (
    MAX_SILENT_BYTES,
    HttpProtocol,
    PatientProtocol,
    is_fast,
    takes_socket,
)

LIMIT_S = 10.0


async def tell_method(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with the method and path, after the whole body was read."""
    if scope["type"] != "http":
        return
    while (await receive()).get("more_body"):
        pass
    body = f"{scope['method']} {scope['raw_path'].decode()}".encode()
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@asynccontextmanager
async def open_server(app: ASGIApp = tell_method) -> AsyncGenerator[int, None]:
    config = uvicorn.Config(
        app, http=HttpProtocol, port=0, lifespan="off", log_config=None, access_log=False
    )
    server = uvicorn.Server(config)
    config.load()
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        await server.shutdown()


async def converse(port: int, *pieces: bytes) -> bytes:
    """Send pieces one by one, the loop running in between; return all that comes back."""
    async with asyncio.timeout(LIMIT_S):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)
        received = await reader.read()
        writer.close()
        await writer.wait_closed()
        return received


CLOSE = b"host: a\r\nconnection: close\r\n\r\n"


@pytest.mark.parametrize("method", [b"GET", b"FOO", b"get", b"M-SEARCH", b"OPTIONS", b"GETX"])
async def test_any_method_reaches_the_application(method: bytes) -> None:
    async with open_server() as port:
        answer = await converse(port, method + b" /a HTTP/1.1\r\n" + CLOSE)
    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.endswith(method + b" /a")


async def test_an_opening_in_single_bytes_is_understood() -> None:
    request = b"\r\nFOO /a HTTP/1.1\r\n" + CLOSE
    async with open_server() as port:
        answer = await converse(port, *(request[i : i + 1] for i in range(len(request))))
    assert answer.endswith(b"FOO /a")


async def test_an_unknown_method_may_follow_a_known_one() -> None:
    async with open_server() as port, asyncio.timeout(LIMIT_S):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /1 HTTP/1.1\r\nhost: a\r\n\r\n")
        await reader.readuntil(b"GET /1")
        writer.write(b"FOO /2 HTTP/1.1\r\n" + CLOSE)
        assert (await reader.read()).endswith(b"FOO /2")
        writer.close()
        await writer.wait_closed()


async def test_requests_sent_ahead_are_answered_in_order_however_they_are_cut() -> None:
    first = b"POST /1 HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc"
    request = first + b"GET /2 HTTP/1.1\r\n" + CLOSE
    async with open_server() as port:
        for cut in (5, len(first) - 1, len(first), len(first) + 2, len(first) + 12):
            answer = await converse(port, request[:cut], request[cut:])
            assert answer.count(b"HTTP/1.1 200") == 2
            assert answer.index(b"POST /1") < answer.index(b"GET /2")


OFFER = b"upgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAAP\r\nconnection: Upgrade, HTTP2-Settings\r\n"


async def test_an_offer_to_upgrade_is_ignored_and_the_body_read() -> None:
    request = b"POST /1 HTTP/1.1\r\nhost: a\r\n" + OFFER + b"content-length: 3\r\n\r\nabc"
    ahead = request + b"GET /2 HTTP/1.1\r\n" + CLOSE
    async with open_server() as port:
        for cut in (10, len(request) - 3, len(request) - 1, len(request), len(ahead)):
            answer = await converse(port, ahead[:cut], ahead[cut:])
            assert answer.count(b"HTTP/1.1 200") == 2
            assert answer.index(b"POST /1") < answer.index(b"GET /2")


@pytest.mark.parametrize(
    ("opening", "told"),
    [
        (b"GET /ws/ HTTP/1.1\r\n", b"GET /ws/"),
        (b"POST /ws HTTP/1.1\r\n", b"POST /ws"),
        (b"HEAD /ws HTTP/1.1\r\n", b"\r\n\r\n"),
        (b"FOO /ws HTTP/1.1\r\n", b"FOO /ws"),
        (b"GET /ws HTTP/1.0\r\n", b"GET /ws"),
    ],
)
async def test_only_a_get_of_the_socket_becomes_a_socket(opening: bytes, told: bytes) -> None:
    offer = b"host: a\r\nupgrade: websocket\r\nconnection: close, Upgrade\r\n\r\n"
    async with open_server() as port:
        answer = await converse(port, opening + offer)
    assert b" 200 OK\r\n" in answer
    assert answer.endswith(told)


@pytest.mark.parametrize(
    ("opening", "filler"),
    [
        (b"GET / HTTP/1.1\r\nx: ", b"a"),
        (b"GET /", b"a"),
        (b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n0\r\nx: ", b"a"),
    ],
    ids=["header", "target", "trailer"],
)
async def test_a_head_that_does_not_end_is_cut_off(opening: bytes, filler: bytes) -> None:
    async with open_server() as port, asyncio.timeout(LIMIT_S):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(opening)
        reading = asyncio.create_task(reader.read())
        with suppress(ConnectionError):
            while not reading.done():
                writer.write(filler * 16_384)
                await writer.drain()
                await asyncio.sleep(0)
        with suppress(ConnectionError):
            answer = await reading
            assert answer.startswith((b"HTTP/1.1 431", b"HTTP/1.1 400"))
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def test_a_trailer_is_no_header() -> None:
    seen: list[bytes] = []

    async def note_headers(scope: Scope, receive: Receive, send: Send) -> None:
        await tell_method(scope, receive, send)
        seen.extend(name for name, _ in scope["headers"])

    chunks = b"transfer-encoding: chunked\r\n" + CLOSE + b"1\r\na\r\n0\r\nauthorization: x\r\n\r\n"
    async with open_server(note_headers) as port:
        assert (await converse(port, b"POST /a HTTP/1.1\r\n" + chunks)).endswith(b"POST /a")
    assert seen == [b"transfer-encoding", b"host", b"connection"]


async def test_a_long_body_is_not_a_long_head() -> None:
    size = 4 * MAX_SILENT_BYTES
    request = b"POST /a HTTP/1.1\r\ncontent-length: %d\r\n" % size + CLOSE
    async with open_server() as port:
        for piece in (size, 65_536):  # as large as the loop takes at once; smaller than the limit
            answer = await converse(port, request, *[b"x" * piece] * (size // piece))
            assert answer.endswith(b"POST /a")


async def test_a_request_that_never_arrives_does_not_hold_up_the_end() -> None:
    async with asyncio.timeout(LIMIT_S):
        async with open_server() as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"POST /a HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nabc")
            await writer.drain()
            await asyncio.sleep(0.05)
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()


async def test_garbage_behind_a_request_does_not_cost_it_its_answer() -> None:
    async with open_server() as port:
        for ahead in (1, 2):
            requests = b"GET /a HTTP/1.1\r\nhost: a\r\n\r\n" * ahead
            answer = await converse(port, requests + b"FOO / HTTP/1.1\r\n" + CLOSE)
            assert answer.count(b"HTTP/1.1 200") == ahead
            assert answer.endswith(b"GET /a")


@pytest.mark.parametrize("method", [b"POST", b"FOO"])
async def test_a_body_that_cannot_be_read_is_refused_once(method: bytes) -> None:
    opening = method + b" / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n"
    async with open_server() as port:
        for pieces in ([opening + b"zz\r\n"], [opening, b"zz\r\n"]):
            answer = await converse(port, *pieces)
            assert answer.startswith(b"HTTP/1.1 400")
            assert answer.count(b"HTTP/1.1") == 1


async def test_a_tunnel_behind_another_request_is_not_dug() -> None:
    async with open_server() as port:
        answer = await converse(
            port, b"GET /1 HTTP/1.1\r\nhost: a\r\n\r\nCONNECT b:1 HTTP/1.1\r\nhost: b:1\r\n\r\n"
        )
    assert answer.endswith(b"GET /1")


@pytest.mark.parametrize(
    "garbage", [b"\x16\x03\x01\x02 hello\r\n\r\n", b"GET /\xff HTTP/1.1\r\n\r\n"]
)
async def test_bytes_that_are_not_http_are_refused_in_json(garbage: bytes) -> None:
    async with open_server() as port:
        answer = await converse(port, garbage)
    assert answer.startswith(b"HTTP/1.1 400")
    assert b"content-type: application/json" in answer
    assert answer.endswith(b'{"error":"Invalid HTTP request received."}')


def test_an_opening_is_judged_as_soon_as_it_can_be() -> None:
    assert is_fast(b"GET /voices") is True
    assert is_fast(b"GE") is None
    assert is_fast(b"") is None
    assert is_fast(b"GETX") is False
    assert is_fast(b"GET *") is False


def test_sockets_are_known_by_their_path() -> None:
    app = FastAPI()

    @app.websocket("/echo")
    async def echo(client: WebSocket) -> None:
        await client.close()

    assert [takes_socket(app, path) for path in (b"/ws", b"/echo", b"/ws/", b"/")] == [
        True,
        True,
        False,
        False,
    ]


@pytest.mark.parametrize(
    ("opening", "told"),
    [
        (b"", b"HTTP/1.1 408"),
        (b"GE", b"HTTP/1.1 408"),
        (b"GET / HTTP/1.1\r\nhost: a\r\n", b"HTTP/1.1 408"),
        (b"FOO / HTTP/1.1\r\nhost: a\r\n", b""),
    ],
)
async def test_a_head_that_does_not_arrive_ends_the_connection(
    monkeypatch: pytest.MonkeyPatch, opening: bytes, told: bytes
) -> None:
    monkeypatch.setattr(http_protocol, "HEAD_LIMIT_S", 0.01)
    async with open_server() as port:
        answer = await converse(port, opening)
    assert answer.startswith(told)
    assert bool(answer) == bool(told)


@pytest.mark.parametrize("method", [b"GET", b"FOO"])
async def test_a_head_in_time_starts_no_limit_for_the_idle_connection(
    monkeypatch: pytest.MonkeyPatch, method: bytes
) -> None:
    stopped: list[object] = []
    stop = http_protocol.HeadLimit.stop

    def note(limit: http_protocol.HeadLimit) -> None:
        stop(limit)
        stopped.append(limit._alarm)

    monkeypatch.setattr(http_protocol.HeadLimit, "stop", note)
    async with open_server() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(2):
            stopped.clear()
            writer.write(method + b" /a HTTP/1.1\r\nhost: a\r\n\r\n")
            async with asyncio.timeout(LIMIT_S):
                assert (await reader.readuntil(b" /a")).startswith(b"HTTP/1.1 200")
            assert stopped
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize("method", [b"GET", b"BREW"])
async def test_a_reset_between_two_requests_leaves_no_timer_behind(
    method: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost: list[HttpProtocol | PatientProtocol] = []
    gone = asyncio.Event()
    for kind in (HttpProtocol, PatientProtocol):

        def note(
            self: HttpProtocol | PatientProtocol,
            exc: Exception | None,
            original: Callable[..., None] = kind.connection_lost,
        ) -> None:
            original(self, exc)
            assert exc is not None, "this was no reset"
            lost.append(self)
            gone.set()

        monkeypatch.setattr(kind, "connection_lost", note)
    async with open_server() as port, asyncio.timeout(LIMIT_S):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(method + b" / HTTP/1.1\r\nhost: a\r\n\r\n")
        assert b"200 OK" in await reader.readuntil(b"\r\n\r\n")
        at_once = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
        writer.transport.abort()
        await gone.wait()
    assert [protocol.timeout_keep_alive_task for protocol in lost] == [None]
