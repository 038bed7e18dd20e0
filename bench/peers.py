"""The same work on plain Python servers, to be measured beside ours: `python -m bench.peers NAME`.

Each accepts `/ws`, answers the first text with `ready`, counts binary frames, sends a result every
fiftieth and answers `speak` with a second of audio in 10 ms frames and a completion; aiohttp also
answers `POST /speak`. No sessions, no validation, no queues: the least that a hand-written gateway
could do.
"""

import argparse
import json
import sys
import time

from aiohttp import WSMsgType, web
from fastapi import FastAPI, WebSocket, WebSocketDisconnect

from bench.counting import FRAMES_PER_RESULT, SPEECH

FRAME_BYTES = 320
READY = json.dumps({"type": "ready"})


def result(frames: int) -> str:
    """Render a result as ours does."""
    return json.dumps(
        {
            "type": "stt_result",
            "transcript": str(frames),
            "is_final": False,
            "is_speech_final": False,
            "confidence": 0.5,
        }
    )


def complete() -> str:
    """Render a completion."""
    return json.dumps({"type": "tts_playback_complete", "timestamp": int(time.time() * 1000)})


async def serve_aiohttp(request: web.Request) -> web.WebSocketResponse:
    """Hold one conversation on aiohttp."""
    socket = web.WebSocketResponse(compress=False, max_msg_size=1 << 24)
    await socket.prepare(request)
    frames = 0
    async for message in socket:
        if message.type is WSMsgType.BINARY:
            frames += 1
            if frames % FRAMES_PER_RESULT == 0:
                await socket.send_str(result(frames))
        elif json.loads(message.data)["type"] == "config":
            await socket.send_str(READY)
        else:
            for at in range(0, len(SPEECH), FRAME_BYTES):
                await socket.send_bytes(SPEECH[at : at + FRAME_BYTES])
            await socket.send_str(complete())
    return socket


async def speak_aiohttp(request: web.Request) -> web.Response:
    """Answer a text with a second of audio."""
    await request.json()
    return web.Response(body=SPEECH, content_type="audio/pcm")


def run_aiohttp() -> None:
    """Serve on a free port and say which."""
    app = web.Application()
    app.router.add_get("/ws", serve_aiohttp)
    app.router.add_post("/speak", speak_aiohttp)
    web.run_app(
        app,
        host="127.0.0.1",
        port=0,
        access_log=None,
        print=lambda *words: print(*words, flush=True),
    )


def run_fastapi() -> None:
    """Serve on FastAPI with uvicorn's defaults."""
    import uvicorn

    app = FastAPI()

    @app.websocket("/ws")
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
                    for at in range(0, len(SPEECH), FRAME_BYTES):
                        await socket.send_bytes(SPEECH[at : at + FRAME_BYTES])
                    await socket.send_text(complete())
        except WebSocketDisconnect:
            return

    uvicorn.run(app, host="127.0.0.1", port=0, access_log=False)


PEERS = {"aiohttp": run_aiohttp, "fastapi": run_fastapi}


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("name", choices=PEERS)
    sys.exit(PEERS[parser.parse_args().name]())
