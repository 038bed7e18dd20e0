"""The fake Deepgram that the recorded sessions were made with: what a text says, it does.

`LEN500 a` is 500 bytes of `a`, `DRIP a` 1000 bytes each 50 ms, 60 times, `SLOW600 ...` begins after
600 ms, `E401` is refused, `EMPTY` has no audio, `CUT a` breaks off after 1000 bytes, `RESET` at
once; any other text is 1000 bytes of its last character, as far as that fits into a byte. What the
streams say comes from the test, as does the list of models.
"""

import asyncio
import re
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSMsgType, web


@dataclass
class Request:
    """A request for speech."""

    path: str
    body: str
    headers: Mapping[str, str]
    """Names in lower case."""

    @property
    def authorization(self) -> str | None:
        return self.headers.get("authorization")


@dataclass
class Stream:
    """One listen socket."""

    path: str
    authorization: str | None
    socket: web.WebSocketResponse
    request: web.Request
    got: list[str | int] = field(default_factory=list[str | int])
    """Texts, and the sizes of binary messages."""
    is_over: bool = False


@dataclass
class RecordedDeepgram:
    """What the vendor saw."""

    requests: list[Request] = field(default_factory=list[Request])
    streams: list[Stream] = field(default_factory=list[Stream])
    refuse: tuple[int, dict[str, str], str] | None = None
    """Answer to every stream."""
    models: dict[str, Any] = field(default_factory=dict[str, Any])
    port: int = 0

    async def listen(self, request: web.Request) -> web.StreamResponse:
        if self.refuse is not None:
            status, headers, body = self.refuse
            return web.Response(status=status, headers=headers, body=body.encode())
        socket = web.WebSocketResponse(autoclose=True)
        await socket.prepare(request)
        authorization = request.headers.get("authorization")
        stream = Stream(request.raw_path, authorization, socket, request)
        self.streams.append(stream)
        async for message in socket:
            stream.got.append(
                len(message.data) if message.type is WSMsgType.BINARY else message.data
            )
            if message.data == '{"type":"CloseStream"}':
                await socket.send_json({"type": "Metadata", "request_id": "r"})
                await socket.close()
        stream.is_over = True
        return socket

    async def speak(self, request: web.Request) -> web.StreamResponse:
        text = (await request.json())["text"]
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.requests.append(Request(request.raw_path, await request.text(), headers))
        if text == "RESET" and request.transport is not None:
            request.transport.abort()
            return web.Response()
        if found := re.match(r"SLOW(\d+)", text):
            await asyncio.sleep(int(found[1]) / 1000)
        if found := re.fullmatch(r"E(\d{3})", text):
            return web.json_response(refusal_of(found[1]), status=int(found[1]))
        pieces, gap_s, is_cut = audio_of(text)
        response = web.StreamResponse()
        if is_cut:
            response.content_length = 100_000
        await response.prepare(request)
        for piece in pieces:
            await response.write(piece)
            await asyncio.sleep(gap_s)
        if is_cut and request.transport is not None:
            request.transport.abort()
        return response

    async def list_models(self, _: web.Request) -> web.Response:
        return web.json_response(self.models)


def refusal_of(status: str) -> dict[str, str]:
    """Return the body of a refusal."""
    return {"err_code": "TEST", "err_msg": f"said no {status}", "request_id": "r-1"}


def audio_of(text: str) -> tuple[Sequence[bytes], float, bool]:
    """Return the pieces of a text's audio, the seconds between them, and whether it breaks off."""
    fill = bytes([ord(text[-1]) & 0xFF])
    if text == "EMPTY":
        return (), 0, False
    if found := re.search(r"LEN(\d+)", text):
        return (fill * int(found[1]),), 0, False
    if text.startswith("DRIP"):
        return (fill * 1000,) * 60, 0.05, False
    return (fill * 1000,), 0, text.startswith("CUT")


@asynccontextmanager
async def open_recorded_deepgram() -> AsyncGenerator[RecordedDeepgram, None]:
    """Serve on 127.0.0.1 within the block."""
    vendor = RecordedDeepgram()
    app = web.Application()
    app.router.add_get("/v1/listen", vendor.listen)
    app.router.add_post("/v1/speak", vendor.speak)
    app.router.add_get("/v1/models", vendor.list_models)
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    vendor.port = runner.addresses[0][1]
    try:
        yield vendor
    finally:
        await runner.cleanup()
