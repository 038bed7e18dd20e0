"""What tests with the official client share: the client, and everything that it was told."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

from sayna_client import SaynaClient, STTConfig, TTSConfig
from sayna_client.types import (
    ErrorMessage,
    ReadyMessage,
    SipTransferErrorMessage,
    STTResultMessage,
    TTSPlaybackCompleteMessage,
)

from tests.running import RunningServer

LIMIT_S = 30.0


class Conversation:
    """A connected client and everything that it was told."""

    def __init__(self, client: SaynaClient) -> None:
        self.client = client
        self.ready: list[ReadyMessage] = []
        self.told: list[str] = []  # what came, in order
        self.audio = bytearray()
        self.frames: list[int] = []
        self.results: list[STTResultMessage] = []
        self.errors: list[str] = []
        self.transfer_errors: list[str] = []
        self.completions: list[int] = []
        self.changed = asyncio.Event()
        client.register_on_ready(self.on_ready)
        client.register_on_stt_result(self.on_result)
        client.register_on_tts_audio(self.on_audio)
        client.register_on_tts_playback_complete(self.on_complete)
        client.register_on_error(self.on_error)
        client.register_on_sip_transfer_error(self.on_transfer_error)

    def on_ready(self, message: ReadyMessage) -> None:
        self.ready.append(message)
        self.told.append("ready")
        self.changed.set()

    def on_result(self, message: STTResultMessage) -> None:
        self.results.append(message)
        self.told.append("result")
        self.changed.set()

    def on_audio(self, audio: bytes) -> None:
        self.audio += audio
        self.frames.append(len(audio))
        self.changed.set()

    def on_complete(self, message: TTSPlaybackCompleteMessage | int) -> None:
        self.told.append("complete")
        self.completions.append(message if isinstance(message, int) else message.timestamp)
        self.changed.set()

    def on_error(self, message: ErrorMessage) -> None:
        self.errors.append(message.message)
        self.told.append("error")
        self.changed.set()

    def on_transfer_error(self, message: SipTransferErrorMessage) -> None:
        self.transfer_errors.append(message.message)
        self.told.append("transfer error")
        self.changed.set()

    async def until_ready(self) -> None:
        async with asyncio.timeout(LIMIT_S):
            while not self.client.ready:
                self.changed.clear()
                await self.changed.wait()

    async def until_complete(self, count: int = 1) -> None:
        async with asyncio.timeout(LIMIT_S):
            while len(self.completions) < count:
                self.changed.clear()
                await self.changed.wait()

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait until something that the client was told has made a condition true."""
        async with asyncio.timeout(LIMIT_S):
            while not condition():
                self.changed.clear()
                await self.changed.wait()

    async def until_speech_final(self) -> STTResultMessage:
        async with asyncio.timeout(LIMIT_S):
            while True:
                for result in self.results:
                    if result.is_speech_final and result.transcript:
                        return result
                self.changed.clear()
                await self.changed.wait()


@asynccontextmanager
async def conversation(
    server: RunningServer,
    stt: STTConfig,
    tts: TTSConfig,
    **arguments: Any,  # noqa: ANN401
) -> AsyncGenerator[Conversation, None]:
    """Connect, wait until the session is ready, disconnect."""
    client = SaynaClient(server.url, stt_config=stt, tts_config=tts, **arguments)
    talk = Conversation(client)
    await client.connect()
    try:
        await talk.until_ready()
        yield talk
    finally:
        await client.disconnect()


@asynccontextmanager
async def rest(
    server: RunningServer, *, key: str | None = None
) -> AsyncGenerator[SaynaClient, None]:
    client = SaynaClient(server.url, without_audio=True, api_key=key)
    try:
        yield client
    finally:
        await client._http_client.close()
