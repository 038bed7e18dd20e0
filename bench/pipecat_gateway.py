"""The smallest gateway that Pipecat's public API makes: `python -m bench.pipecat_gateway`.

Runs in the environment of the extra `bench`. One pipeline for each connection: transport in, a
processor that counts, transport out; bare audio on the wire; every observer that can be left out
is left out, and speech goes out unpaced, because a second of it would else take a second.
"""

import json
import os
import sys

import uvicorn
from fastapi import FastAPI, WebSocket
from loguru import logger
from pipecat.frames.frames import (
    Frame,
    InputAudioRawFrame,
    InputTransportMessageFrame,
    OutputTransportMessageUrgentFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.serializers.base_serializer import FrameSerializer
from pipecat.transports.websocket.fastapi import FastAPIWebsocketParams, FastAPIWebsocketTransport
from pipecat.workers.runner import WorkerRunner
from typing_extensions import override

from bench.exchange import (
    FRAMES_PER_RESULT,
    READY,
    SPEECH,
    SPOKEN_FRAME_BYTES,
    complete,
    result,
)


class BareSerializer(FrameSerializer):  # type: ignore[misc] # Pipecat is not in .venv
    """Binary messages are audio, text messages JSON; what goes out is ready to go."""

    @override
    async def serialize(self, frame: Frame) -> str | bytes | None:
        """Return what the counter made."""
        if isinstance(frame, OutputTransportMessageUrgentFrame):
            made: str | bytes = frame.message["wire"]
            return made
        return None

    @override
    async def deserialize(self, data: str | bytes) -> Frame | None:
        """Tell audio from commands."""
        if isinstance(data, bytes):
            return InputAudioRawFrame(audio=data, sample_rate=16_000, num_channels=1)
        return InputTransportMessageFrame(message=json.loads(data))


class Counter(FrameProcessor):  # type: ignore[misc] # Pipecat is not in .venv
    """Answers every fiftieth frame, the first text and each `speak`."""

    def __init__(self) -> None:
        super().__init__()
        self._frames = 0

    @override
    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Take what this gateway is about; everything else passes."""
        await super().process_frame(frame, direction)
        if isinstance(frame, InputAudioRawFrame):
            self._frames += 1
            if self._frames % FRAMES_PER_RESULT == 0:
                await self._send(result(self._frames))
        elif isinstance(frame, InputTransportMessageFrame):
            if frame.message["type"] == "config":
                await self._send(READY)
            else:
                for at in range(0, len(SPEECH), SPOKEN_FRAME_BYTES):
                    await self._send(SPEECH[at : at + SPOKEN_FRAME_BYTES])
                await self._send(complete())
        else:
            await self.push_frame(frame, direction)

    async def _send(self, wire: str | bytes) -> None:
        await self.push_frame(OutputTransportMessageUrgentFrame(message={"wire": wire}))


async def converse(socket: WebSocket) -> None:
    """Hold one conversation."""
    await socket.accept()
    transport = FastAPIWebsocketTransport(
        websocket=socket,
        params=FastAPIWebsocketParams(
            audio_in_enabled=True, audio_in_sample_rate=16_000, serializer=BareSerializer()
        ),
    )
    worker = PipelineWorker(
        Pipeline([transport.input(), Counter(), transport.output()]),
        enable_rtvi=False,
        enable_turn_tracking=False,
        check_dangling_tasks=False,
        idle_timeout_secs=None,
    )

    @transport.event_handler("on_client_disconnected")  # type: ignore[untyped-decorator] # as above
    async def leave(*_: object) -> None:
        await worker.cancel()

    runner = WorkerRunner(handle_sigint=False, handle_sigterm=False)
    await runner.add_workers(worker)
    await runner.run()


def main() -> int:
    """Serve on a free port; uvicorn says which."""
    logger.remove()
    app = FastAPI()
    app.add_api_websocket_route("/ws", converse)
    uvicorn.run(app, host="127.0.0.1", port=0, access_log=False, loop="uvloop", http="httptools")
    return os.EX_OK


if __name__ == "__main__":
    sys.exit(main())
