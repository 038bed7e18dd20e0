"""A real uvicorn on a real port, spoken to in bytes."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from sayna.api.http_protocol import HttpProtocol, is_fast

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
async def open_server() -> AsyncGenerator[int, None]:
    config = uvicorn.Config(
        tell_method, http=HttpProtocol, port=0, lifespan="off", log_config=None, access_log=False
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
