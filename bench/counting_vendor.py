"""A Deepgram that only counts: `python -m bench.counting_vendor`. It costs next to nothing.

The emulated Deepgram of the tests listens and checks; it would need a core of its own long before
the server under measurement does. This one answers every fiftieth frame with an interim and any
text with a second of silence at once, or, for the voice `slow`, after 100 ms and at the pace of
speech. Streams and requests have a port each, both are printed.
"""

import asyncio
import json
import sys
from typing import cast

import uvloop
from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport, ws_create_server
from typing_extensions import override

from bench.exchange import FRAME, FRAME_S, FRAMES_PER_RESULT, SLOW_FIRST_BYTE_S, SLOW_PIECES, SPEECH

HOST = "127.0.0.1"
BACKLOG = 1024
OK = b"HTTP/1.1 200 OK\r\ncontent-type: audio/l16;rate=16000;channels=1\r\n"
WHOLE = OK + b"content-length: %d\r\n\r\n%b" % (len(SPEECH), SPEECH)
NOTHING = OK + b"content-length: 0\r\n\r\n"
PIECEWISE = OK + b"transfer-encoding: chunked\r\n\r\n"
PIECE = b"%x\r\n%b\r\n" % (len(FRAME), FRAME)
LAST_PIECE = b"0\r\n\r\n"
HEAD_END = b"\r\n\r\n"
METADATA = json.dumps({"type": "Metadata", "request_id": "counted"}).encode()


def results(frames: int) -> bytes:
    """Write an interim as Deepgram does."""
    alternative = {"transcript": str(frames), "confidence": 0.5, "words": list[object]()}
    return json.dumps(
        {
            "type": "Results",
            "channel_index": [0, 1],
            "duration": FRAMES_PER_RESULT * FRAME_S,
            "start": (frames - FRAMES_PER_RESULT) * FRAME_S,
            "is_final": False,
            "speech_final": False,
            "channel": {"alternatives": [alternative]},
            "from_finalize": False,
        }
    ).encode()


class Listener(WSListener):
    """One stream."""

    def __init__(self) -> None:
        self._frames = 0

    @override
    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Count; called by picows."""
        if frame.msg_type == WSMsgType.BINARY:
            self._frames += 1
            if self._frames % FRAMES_PER_RESULT == 0:
                transport.send(WSMsgType.TEXT, results(self._frames))
        elif frame.msg_type == WSMsgType.CLOSE:
            transport.disconnect()
        elif b"CloseStream" in frame.get_payload_as_bytes():
            transport.send(WSMsgType.TEXT, METADATA)
            transport.send_close(WSCloseCode.OK)


class Speaker(asyncio.Protocol):
    """One connection of requests for speech."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._asked = bytearray()
        self._alarm: asyncio.TimerHandle | None = None

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        if self._alarm is not None:
            self._alarm.cancel()

    @override
    def data_received(self, data: bytes) -> None:
        """Answer a request once all of it is there."""
        assert self._transport
        self._asked += data
        head, end, body = bytes(self._asked).lower().partition(HEAD_END)
        _, _, rest = head.partition(b"content-length: ")
        if not end or len(body) < int(rest.partition(b"\r\n")[0] or 0):
            return
        self._asked.clear()
        if not head.startswith(b"post"):
            self._transport.write(NOTHING)
        elif b"model=slow" in head:
            self._alarm = asyncio.get_running_loop().call_later(
                SLOW_FIRST_BYTE_S, self._go_on, SLOW_PIECES, PIECEWISE
            )
        else:
            self._transport.write(WHOLE)

    def _go_on(self, left: int, before: bytes = b"") -> None:
        assert self._transport
        if not left:
            self._transport.write(LAST_PIECE)
            return
        self._transport.write(before + PIECE)
        loop = asyncio.get_running_loop()
        self._alarm = loop.call_later(FRAME_S, self._go_on, left - 1)


async def serve() -> None:
    """Serve until killed; say where first."""
    loop = asyncio.get_running_loop()
    streams = await ws_create_server(lambda _: Listener(), HOST, 0, backlog=BACKLOG)
    requests = await loop.create_server(Speaker, HOST, 0, backlog=BACKLOG)
    for scheme, server in (("ws", streams), ("http", requests)):
        print(f"{scheme}://{HOST}:{server.sockets[0].getsockname()[1]}", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    sys.exit(uvloop.run(serve()))
