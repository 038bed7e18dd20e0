"""The official client, unmodified, against a real server process with local engines only."""

import asyncio
import io
import logging
import wave
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager

import pytest
from sayna_client import SaynaClient, STTConfig, TTSConfig
from sayna_client.errors import SaynaConnectionError, SaynaValidationError
from sayna_client.types import (
    ErrorMessage,
    ReadyMessage,
    STTResultMessage,
    TTSPlaybackCompleteMessage,
)

from tests.running import RunningServer, running_server

pytestmark = pytest.mark.slow

LIMIT_S = 30.0
SENTENCE = "turn off the kitchen light"
"""A sentence of the demonstration grammar."""
STT = STTConfig(
    provider="local",
    language="en-US",
    sample_rate=16_000,
    channels=1,
    punctuation=True,
    encoding="linear16",
    model="grammar:demo",
)
TTS = TTSConfig(provider="local", model="", sample_rate=16_000)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[RunningServer, None, None]:
    with running_server(tmp_path_factory.mktemp("open")) as running:
        yield running


@pytest.fixture(scope="module")
def guarded_server(
    tmp_path_factory: pytest.TempPathFactory,
) -> Generator[RunningServer, None, None]:
    settings = {"AUTH_REQUIRED": "true", "AUTH_API_SECRET": "the-right-key"}
    with running_server(tmp_path_factory.mktemp("guarded"), environment=settings) as running:
        yield running


class Conversation:
    """A connected client and everything that it was told."""

    def __init__(self, client: SaynaClient) -> None:
        self.client = client
        self.audio = bytearray()
        self.frames: list[int] = []
        self.results: list[STTResultMessage] = []
        self.errors: list[str] = []
        self.completions: list[int] = []
        self.changed = asyncio.Event()
        client.register_on_ready(self.on_ready)
        client.register_on_stt_result(self.on_result)
        client.register_on_tts_audio(self.on_audio)
        client.register_on_tts_playback_complete(self.on_complete)
        client.register_on_error(self.on_error)

    def on_ready(self, _message: ReadyMessage) -> None:
        self.changed.set()

    def on_result(self, message: STTResultMessage) -> None:
        self.results.append(message)
        self.changed.set()

    def on_audio(self, audio: bytes) -> None:
        self.audio += audio
        self.frames.append(len(audio))
        self.changed.set()

    def on_complete(self, message: TTSPlaybackCompleteMessage | int) -> None:
        self.completions.append(message if isinstance(message, int) else message.timestamp)
        self.changed.set()

    def on_error(self, message: ErrorMessage) -> None:
        self.errors.append(message.message)
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
    server: RunningServer, *, key: str | None = None
) -> AsyncGenerator[Conversation, None]:
    client = SaynaClient(server.url, stt_config=STT, tts_config=TTS, api_key=key)
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


async def test_health_is_ok(server: RunningServer) -> None:
    async with rest(server) as client:
        assert (await client.health()).status == "OK"


async def test_voices_are_listed_by_provider(server: RunningServer) -> None:
    async with rest(server) as client:
        voices = await client.get_voices()
    assert "en-us" in {voice.id for voice in voices["local"]}


async def test_speak_over_rest_returns_audio_of_the_declared_format(server: RunningServer) -> None:
    async with rest(server) as client:
        audio, headers = await client.speak_rest("Hello there.", TTS)
        wav, wav_headers = await client.speak_rest(
            "Hello there.", TTS.model_copy(update={"audio_format": "wav"})
        )
    named = {name.lower(): value for name, value in headers.items()}
    assert named["content-type"] == "audio/pcm"
    assert named["x-sample-rate"] == "16000"
    assert int(named["content-length"]) == len(audio) > 16_000 // 2
    assert {name.lower(): value for name, value in wav_headers.items()}[
        "content-type"
    ] == "audio/wav"
    with wave.open(io.BytesIO(wav)) as reader:
        assert (reader.getframerate(), reader.getnchannels()) == (16_000, 1)


async def test_a_spoken_sentence_comes_back_word_for_word(server: RunningServer) -> None:
    async with rest(server) as client:
        audio, _headers = await client.speak_rest(SENTENCE, TTS)
    async with conversation(server) as talk:
        quiet = bytes(16_000 * 2 // 2)
        sound = quiet + audio + quiet + quiet
        for at in range(0, len(sound), 640):
            await talk.client.on_audio_input(sound[at : at + 640])
        heard = await talk.until_speech_final()
    assert heard.transcript == SENTENCE
    assert heard.is_final
    assert 0.0 <= heard.confidence <= 1.0
    assert talk.errors == []


async def test_speaking_sends_frames_of_ten_milliseconds_and_one_completion(
    server: RunningServer, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, logger="sayna_client.client"):
        async with conversation(server) as talk:
            await talk.client.speak("Good morning, how are you?")
            await talk.until_complete()
    assert set(talk.frames[:-1]) == {320}
    assert talk.frames[-1] <= 320
    assert len(talk.audio) > 16_000
    assert len(talk.completions) == 1
    assert isinstance(talk.completions[0], int)
    assert caplog.records == []  # the client warns about every message that it does not know


async def test_nothing_of_a_cleared_utterance_arrives_after_the_next_one_began(
    server: RunningServer,
) -> None:
    async with conversation(server) as talk:
        await talk.client.speak("This sentence will never be heard to its end. " * 40)
        await talk.client.clear()
        await talk.client.speak("Short.")
        await talk.until_complete()
    whole_long_text_bytes = 16_000 * 2 * 60
    assert len(talk.completions) == 1
    assert len(talk.audio) < whole_long_text_bytes
    assert talk.errors == []


async def test_a_stream_id_is_made_up_and_told(server: RunningServer) -> None:
    async with conversation(server) as talk:
        assert talk.client.received_stream_id


async def test_a_wrong_key_is_refused_on_rest_and_before_the_upgrade(
    guarded_server: RunningServer,
) -> None:
    async with rest(guarded_server, key="wrong") as client:
        with pytest.raises(SaynaValidationError, match="unauthorized"):
            await client.get_voices()
    client = SaynaClient(guarded_server.url, stt_config=STT, tts_config=TTS, api_key="wrong")
    with pytest.raises(SaynaConnectionError, match="401"):
        await client.connect()
    assert client._session is not None
    await client._session.close()


async def test_the_right_key_opens_both(guarded_server: RunningServer) -> None:
    async with rest(guarded_server, key="the-right-key") as client:
        assert "local" in await client.get_voices()
    async with conversation(guarded_server, key="the-right-key") as talk:
        assert talk.client.ready
