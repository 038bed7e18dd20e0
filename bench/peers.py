"""The same work on plain Python servers, to be measured beside ours: `python -m bench.peers NAME`.

Each accepts `/ws`, answers the first text with `ready`, counts binary frames, sends a result every
fiftieth and answers `speak` with a second of audio in 10 ms frames and a completion; aiohttp also
answers `GET /` and `POST /speak`, and knows the model `slow`. No sessions, no validation, no
queues: the least that a hand-written gateway could do.

With `DEEPGRAM_WS_URL` in its environment, aiohttp does not count: frames go on to that vendor,
whose results and speech come back, as `--provider deepgram` has it.
"""

import argparse
import asyncio
import json
import os
import sys
from collections.abc import AsyncGenerator
from urllib.parse import urlencode

from aiohttp import (
    ClientSession,
    ClientWebSocketResponse,
    TCPConnector,
    WSMsgType,
    web,
)

from bench.exchange import (
    FRAME,
    FRAME_S,
    FRAMES_PER_RESULT,
    READY,
    SLOW_FIRST_BYTE_S,
    SLOW_PIECES,
    SPEECH,
    SPOKEN_FRAME_BYTES,
    complete,
    result,
)

VENDORS = web.AppKey("vendors", ClientSession)
LISTEN = urlencode(
    {
        "model": "nova-3",
        "encoding": "linear16",
        "sample_rate": 16_000,
        "interim_results": "true",
    }
)


async def serve_aiohttp(request: web.Request) -> web.WebSocketResponse:
    """Hold one conversation on aiohttp."""
    socket = web.WebSocketResponse(compress=False, max_msg_size=1 << 24)
    await socket.prepare(request)
    frames = 0
    slow = False
    async for message in socket:
        if message.type is WSMsgType.BINARY:
            frames += 1
            if frames % FRAMES_PER_RESULT == 0:
                await socket.send_str(result(frames))
        elif (told := json.loads(message.data))["type"] == "config":
            slow = told["tts_config"]["model"] == "slow"
            await socket.send_str(READY)
        else:
            await (speak_slowly if slow else speak_at_once)(socket)
    return socket


async def relay_aiohttp(request: web.Request) -> web.WebSocketResponse:
    """Hold one conversation with a vendor behind it."""
    socket = web.WebSocketResponse(compress=False, max_msg_size=1 << 24)
    await socket.prepare(request)
    vendors = request.app[VENDORS]
    headers = {"Authorization": f"token {os.environ['DEEPGRAM_API_KEY']}"}
    model = json.loads(await socket.receive_str())["tts_config"]["model"]
    speak_url = f"{os.environ['DEEPGRAM_BASE_URL']}/v1/speak?model={model}"
    async with vendors.ws_connect(
        f"{os.environ['DEEPGRAM_WS_URL']}/v1/listen?{LISTEN}", headers=headers, compress=0
    ) as vendor:
        await socket.send_str(READY)
        telling = asyncio.create_task(tell_results(vendor, socket))
        async for message in socket:
            if message.type is WSMsgType.BINARY:
                await vendor.send_bytes(message.data)
            elif message.type is WSMsgType.TEXT:
                asked = {"text": json.loads(message.data)["text"]}
                async with vendors.post(speak_url, json=asked, headers=headers) as answer:
                    async for chunk in answer.content.iter_any():
                        for at in range(0, len(chunk), SPOKEN_FRAME_BYTES):
                            await socket.send_bytes(chunk[at : at + SPOKEN_FRAME_BYTES])
                await socket.send_str(complete())
        telling.cancel()
    return socket


async def tell_results(vendor: ClientWebSocketResponse, socket: web.WebSocketResponse) -> None:
    """Pass on what the vendor hears."""
    async for message in vendor:
        told = json.loads(message.data)
        if told["type"] == "Results":
            [best] = told["channel"]["alternatives"]
            await socket.send_str(result(int(best["transcript"])))


async def keep_vendors(app: web.Application) -> AsyncGenerator[None, None]:
    """Share one client."""
    app[VENDORS] = ClientSession(connector=TCPConnector(limit=0))
    yield
    await app[VENDORS].close()


async def speak_at_once(socket: web.WebSocketResponse) -> None:
    """Answer one `speak` with audio that is there already."""
    for at in range(0, len(SPEECH), SPOKEN_FRAME_BYTES):
        await socket.send_bytes(SPEECH[at : at + SPOKEN_FRAME_BYTES])
    await socket.send_str(complete())


async def speak_slowly(socket: web.WebSocketResponse) -> None:
    """Answer one `speak` as the engine delivers; the next one is begun after that."""
    loop = asyncio.get_running_loop()
    begins_at = loop.time() + SLOW_FIRST_BYTE_S
    for number in range(SLOW_PIECES):
        await asyncio.sleep(begins_at + number * FRAME_S - loop.time())
        for at in range(0, len(FRAME), SPOKEN_FRAME_BYTES):
            await socket.send_bytes(FRAME[at : at + SPOKEN_FRAME_BYTES])
    await socket.send_str(complete())


async def speak_aiohttp(request: web.Request) -> web.Response:
    """Answer a text with a second of audio."""
    await request.json()
    return web.Response(body=SPEECH, content_type="audio/pcm")


async def relay_speak_aiohttp(request: web.Request) -> web.StreamResponse:
    """Answer a text with what a vendor says to it."""
    asked = {"text": (await request.json())["text"]}
    headers = {"Authorization": f"token {os.environ['DEEPGRAM_API_KEY']}"}
    url = f"{os.environ['DEEPGRAM_BASE_URL']}/v1/speak"
    async with request.app[VENDORS].post(url, json=asked, headers=headers) as answer:
        return web.Response(body=await answer.read(), content_type="audio/pcm")


async def live_aiohttp(request: web.Request) -> web.Response:
    """Say that the server is there."""
    del request
    return web.json_response({"status": "OK"})


def run_aiohttp(port: int) -> None:
    """Serve and say where."""
    app = web.Application()
    app.router.add_get("/", live_aiohttp)
    app.cleanup_ctx.append(keep_vendors)
    relays = "DEEPGRAM_WS_URL" in os.environ
    app.router.add_get("/ws", relay_aiohttp if relays else serve_aiohttp)
    app.router.add_post("/speak", relay_speak_aiohttp if relays else speak_aiohttp)
    web.run_app(
        app,
        host="127.0.0.1",
        port=port,
        access_log=None,
        print=lambda *words: print(*words, flush=True),
    )


def run_fastapi(port: int) -> None:
    """Serve on FastAPI with uvicorn's defaults."""
    import uvicorn
    from fastapi import FastAPI, WebSocket, WebSocketDisconnect

    app = FastAPI()

    async def talk(socket: WebSocket) -> None:
        await socket.accept()
        frames = 0
        try:
            while True:
                message = await socket.receive()
                if (audio := message.get("bytes")) is not None:
                    frames += bool(audio)
                    if frames % FRAMES_PER_RESULT == 0:
                        await socket.send_text(result(frames))
                elif "text" not in message:
                    return
                elif json.loads(message["text"])["type"] == "config":
                    await socket.send_text(READY)
                else:
                    for at in range(0, len(SPEECH), SPOKEN_FRAME_BYTES):
                        await socket.send_bytes(SPEECH[at : at + SPOKEN_FRAME_BYTES])
                    await socket.send_text(complete())
        except WebSocketDisconnect:
            return

    app.add_api_websocket_route("/ws", talk)
    uvicorn.run(app, host="127.0.0.1", port=port, access_log=False)


PEERS = {"aiohttp": run_aiohttp, "fastapi": run_fastapi}


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("name", choices=PEERS)
    parser.add_argument("--port", type=int, default=0)
    chosen = parser.parse_args()
    sys.exit(PEERS[chosen.name](chosen.port))
