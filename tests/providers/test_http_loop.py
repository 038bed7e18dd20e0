import asyncio
import socket as sockets
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing, asynccontextmanager

import pytest
from aiohttp import web

from sayna.errors import (
    AudioRejected,
    NetworkFailed,
    ProviderError,
    ProviderRefused,
    ProviderTimeout,
)
from sayna.providers import http_loop
from sayna.providers.http_loop import VendorHttp, open_vendor_http
from sayna.providers.wires import VendorRequest
from tests.fakes.vendor_server import open_rude_vendor, until

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def open_vendor(answer: Answer) -> AsyncGenerator[str, None]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def refusal(status: int, headers: Mapping[str, str], body: str) -> ProviderError:
    return ProviderRefused(f"{status} {headers.get('x-why')} {body}")


def ask(
    http: VendorHttp, url: str, *, limit_s: float = 10, unspeakable: tuple[str, ...] = ()
) -> AsyncGenerator[bytes, None]:
    request = VendorRequest(f"{url}/say", {"authorization": "k"}, b"text", unspeakable)
    return http.post_for_audio(request, refusal, connect_limit_s=5, limit_s=limit_s)


async def test_audio_is_passed_on_as_it_comes() -> None:
    proceed = asyncio.Event()
    asked: list[tuple[str, str, str | None, bytes]] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        key = request.headers.get("authorization")
        asked.append((request.method, request.path, key, await request.read()))
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"abc")
        await proceed.wait()
        await response.write(b"defg")
        return response

    async with open_vendor(answer) as url, open_vendor_http() as http:
        audio = ask(http, url)
        assert await anext(audio) == b"abc"
        proceed.set()
        assert b"".join([chunk async for chunk in audio]) == b"defg"
    assert asked == [("POST", "/say", "k", b"text")]


async def test_an_answer_without_audio_yields_nothing() -> None:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response()

    async with open_vendor(answer) as url, open_vendor_http() as http:
        assert [chunk async for chunk in ask(http, url)] == []


async def test_a_refusal_is_told_with_its_reason_and_without_secrets() -> None:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(status=429, headers={"X-Why": "busy"}, text="key secret1\nis tired")

    async with open_vendor(answer) as url, open_vendor_http() as http:
        with pytest.raises(ProviderRefused) as told:
            await anext(ask(http, url, unspeakable=("secret1",)))
    assert str(told.value) == "429 busy key *** is tired"


async def test_a_reason_that_never_ends_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_loop, "ERROR_LIMIT_S", 0.05)

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=500)
        await response.prepare(request)
        await response.write(b"because ")
        await asyncio.sleep(30)
        return response

    async with open_vendor(answer) as url, open_vendor_http() as http:
        with pytest.raises(ProviderRefused, match="500 None because"):
            await anext(ask(http, url))


async def test_a_redirect_is_a_refusal_and_the_key_stays_here() -> None:
    async def answer(_: web.Request) -> web.StreamResponse:
        raise web.HTTPFound("http://127.0.0.1:1/elsewhere")

    async with open_vendor(answer) as url, open_vendor_http() as http:
        with pytest.raises(ProviderRefused, match="302"):
            await anext(ask(http, url))


async def test_a_connection_is_used_again_whoever_asks() -> None:
    peers: set[object] = set()

    async def answer(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        peers.add(request.transport.get_extra_info("peername"))
        return web.Response(body=b"x")

    async with open_vendor(answer) as url, open_vendor_http() as http:
        for _ in range(3):
            assert b"".join([chunk async for chunk in ask(http, url)]) == b"x"
    assert len(peers) == 1


async def test_a_warm_up_opens_the_connection_that_the_first_request_uses() -> None:
    seen: list[tuple[str, object]] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        seen.append((request.method, request.transport.get_extra_info("peername")))
        return web.Response(body=b"x")

    async with open_vendor(answer) as url, open_vendor_http() as http:
        http.warm(url)
        http.warm(url)
        await until(lambda: http._warming is not None and http._warming.done())
        assert [chunk async for chunk in ask(http, url)] == [b"x"]
        http.warm(url)
    assert [method for method, _ in seen] == ["HEAD", "POST"]
    assert len({peer for _, peer in seen}) == 1


async def test_a_warm_up_that_fails_or_hangs_disturbs_nobody() -> None:
    async def say_nothing(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read(-1)

    async with open_rude_vendor(say_nothing) as address, open_vendor_http() as http:
        http.warm(f"http://{address}")
        await asyncio.sleep(0)
    async with open_vendor_http() as http:
        http.warm(f"http://{address}")
        await until(lambda: http._warming is not None and http._warming.done())


async def test_there_is_no_limit_to_requests_at_a_time() -> None:
    together = asyncio.Barrier(150)

    async def answer(_: web.Request) -> web.StreamResponse:
        await together.wait()
        return web.Response(body=b"x")

    async def listen(http: VendorHttp, url: str) -> bytes:
        return b"".join([chunk async for chunk in ask(http, url)])

    async with open_vendor(answer) as url, open_vendor_http() as http, asyncio.timeout(20):
        said = await asyncio.gather(*(listen(http, url) for _ in range(150)))
    assert said == [b"x"] * 150


async def test_closing_in_the_middle_ends_the_request_at_once() -> None:
    gone = asyncio.Event()

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(bytes(1000))
                await asyncio.sleep(0)
        finally:
            gone.set()

    async with open_vendor(answer) as url, open_vendor_http() as http:
        async with aclosing(ask(http, url)) as audio:
            await anext(audio)
        async with asyncio.timeout(10):
            await gone.wait()


async def test_a_first_byte_that_does_not_come_is_not_waited_for() -> None:
    async def answer(_: web.Request) -> web.StreamResponse:
        await asyncio.sleep(30)
        return web.Response()

    async with open_vendor(answer) as url, open_vendor_http() as http:
        with pytest.raises(ProviderTimeout, match=r"no audio within 0\.05 s") as told:
            await anext(ask(http, url, limit_s=0.05))
    assert not told.value.retryable  # the client said how long it wants to wait


async def test_a_next_chunk_that_does_not_come_is_not_waited_for() -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"x")
        await asyncio.sleep(30)
        return response

    async with open_vendor(answer) as url, open_vendor_http() as http:
        audio = ask(http, url, limit_s=0.1)
        assert await anext(audio) == b"x"
        with pytest.raises(ProviderTimeout):
            await anext(audio)


async def test_a_vendor_that_nobody_is_may_be_asked_again() -> None:
    with sockets.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    async with open_vendor_http() as http:
        with pytest.raises(NetworkFailed) as told:
            await anext(ask(http, url))
    assert told.value.retryable
    assert str(told.value) == "Request failed: cannot reach the vendor"


async def test_a_vendor_that_hangs_up_may_be_asked_again() -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(16)
        writer.transport.abort()

    async with open_rude_vendor(hang_up) as address, open_vendor_http() as http:
        with pytest.raises(NetworkFailed, match="Request failed: the vendor hung up") as told:
            await anext(ask(http, f"http://{address}"))
    assert told.value.retryable


async def test_audio_that_breaks_off_is_told_behind_what_came() -> None:
    async def break_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc")
        await writer.drain()

    async with open_rude_vendor(break_off) as address, open_vendor_http() as http:
        audio = ask(http, f"http://{address}")
        assert await anext(audio) == b"abc"
        with pytest.raises(AudioRejected, match="Failed to read audio: the vendor broke off"):
            await anext(audio)


async def test_a_list_is_read_whole() -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        assert request.method == "GET"
        return web.Response(body=b"[" + b"1," * 100_000 + b"1]")

    async with open_vendor(answer) as url, open_vendor_http() as http:
        body = await http.get_json(VendorRequest(url, {}), refusal, limit_s=5)
    assert len(body) == 200_003


async def test_a_list_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_loop, "MAX_JSON_BYTES", 1000)

    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(body=bytes(5000))

    async with open_vendor(answer) as url, open_vendor_http() as http:
        with pytest.raises(NetworkFailed, match="no end"):
            await http.get_json(VendorRequest(url, {}), refusal, limit_s=5)


async def test_a_refused_list_is_told() -> None:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(status=403, text="no")

    async with open_vendor(answer) as url, open_vendor_http() as http:
        with pytest.raises(ProviderRefused, match="403 None no"):
            await http.get_json(VendorRequest(url, {}), refusal, limit_s=5)
