"""A Sayna server that remembers what it was asked and answers what it was told to."""

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import WSMsgType, web

READY = {"type": "ready", "stream_id": "s", "livekit_url": "http://localhost:7880"}


class FakeSayna:
    """Set `pages`, `speech` and `said` before a request; read the rest after it."""

    def __init__(self) -> None:
        self.url = ""
        self.pages: dict[str, tuple[int, Any]] = {"/": (200, {"status": "OK"})}
        self.speech: tuple[int, bytes, dict[str, str]] = (200, b"", {})
        self.config_answer: dict[str, Any] = READY
        self.said: list[dict[str, Any]] = []
        """Sent once the audio that comes after this many bytes has arrived."""
        self.say_after_bytes = 1
        self.handshake_status = 101

        self.speak_requests: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.configs: list[dict[str, Any]] = []
        self.frames: list[bytes] = []

    def application(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/ws", self._ws)
        app.router.add_post("/speak", self._speak)
        app.router.add_get("/{path:.*}", self._page)
        return app

    async def _page(self, request: web.Request) -> web.Response:
        self.keys.append(request.headers.get("authorization"))
        status, body = self.pages.get(request.path, (404, {"error": "not found"}))
        return web.json_response(body, status=status)

    async def _speak(self, request: web.Request) -> web.Response:
        self.keys.append(request.headers.get("authorization"))
        self.speak_requests.append(await request.json())
        status, body, headers = self.speech
        return web.Response(status=status, body=body, headers=headers)

    async def _ws(self, request: web.Request) -> web.StreamResponse:
        self.keys.append(request.headers.get("authorization"))
        if self.handshake_status != 101:
            return web.json_response({"error": "unauthorized"}, status=self.handshake_status)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        heard = 0
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                self.configs.append(json.loads(message.data))
                await socket.send_json(self.config_answer)
            elif message.type is WSMsgType.BINARY:
                self.frames.append(message.data)
                before, heard = heard, heard + len(message.data)
                if before < self.say_after_bytes <= heard:
                    for said in self.said:
                        await socket.send_json(said)
        return socket


@asynccontextmanager
async def open_fake_sayna() -> AsyncGenerator[FakeSayna, None]:
    fake = FakeSayna()
    runner = web.AppRunner(fake.application())
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        fake.url = f"http://{host}:{port}"
        yield fake
    finally:
        await runner.cleanup()
