"""The client that `speak`, `listen` and `doctor` share, against a server with memory."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from sayna.cli.gateway import (
    Conversation,
    GatewayError,
    ListenRequest,
    Message,
    SpeechRequest,
    open_gateway,
)
from sayna.cli.sound import Sound
from tests.cli.fake_server import FakeSayna, open_fake_sayna

SOUND = Sound(b"\x01\x00" * 1600, 16_000)  # 100 ms
RESULT: Message = {
    "type": "stt_result",
    "transcript": "hello",
    "is_final": True,
    "is_speech_final": True,
    "confidence": 0.5,
}


@pytest.fixture
async def fake() -> AsyncGenerator[FakeSayna, None]:
    async with open_fake_sayna() as fake:
        yield fake


@asynccontextmanager
async def opened(fake: FakeSayna) -> AsyncGenerator[Conversation, None]:
    """Yield a conversation about `SOUND` that is ready."""
    async with (
        open_gateway(fake.url, None) as gateway,
        gateway.open_conversation(ListenRequest().to_config(SOUND)) as conversation,
    ):
        yield conversation


async def test_speech_comes_back_with_its_real_format_and_rate(fake: FakeSayna) -> None:
    fake.speech = (200, b"sound", {"x-audio-format": "mulaw", "x-sample-rate": "8000"})
    async with open_gateway(fake.url, None) as gateway:
        speech = await gateway.speak(SpeechRequest("hi"))
    assert (speech.audio, speech.audio_format, speech.sample_rate) == (b"sound", "mulaw", 8000)


async def test_what_was_not_asked_for_is_left_to_the_server(fake: FakeSayna) -> None:
    async with open_gateway(fake.url, None) as gateway:
        await gateway.speak(SpeechRequest("hi"))
        await gateway.speak(SpeechRequest("ho", "local", "en-gb", "mulaw", 8000, 1.5))
    assert fake.speak_requests == [
        {"text": "hi", "audio_format": "linear16", "sample_rate": 24000},
        {
            "text": "ho",
            "provider": "local",
            "voice_id": "en-gb",
            "audio_format": "mulaw",
            "sample_rate": 8000,
            "voice_settings": {"speaking_rate": 1.5},
        },
    ]


async def test_the_key_is_sent_as_a_bearer_token(fake: FakeSayna) -> None:
    async with open_gateway(fake.url, "k1") as gateway:
        await gateway.get_json("/")
        await gateway.speak(SpeechRequest("hi"))
        async with gateway.open_conversation(ListenRequest().to_config(SOUND)):
            pass
    assert fake.keys == ["Bearer k1"] * 3


async def test_a_stranger_sends_no_key(fake: FakeSayna) -> None:
    async with open_gateway(fake.url, "k1") as gateway:
        assert await gateway.status("/", anonymous=True) == 200
        assert await gateway.status("/none", anonymous=True) == 404
    assert fake.keys == ["", ""]


@pytest.mark.parametrize(
    ("status", "body", "text"),
    [
        (400, b'{"error": "Text cannot be empty"}', "answered 400: Text cannot be empty"),
        (401, b'{"error": "unauthorized", "message": "Wrong key"}', "401: Wrong key (give the key"),
        (500, b"oh no", "answered 500: oh no"),
        (502, b"[1]", "answered 502: [1]"),
        (503, b"", "answered 503: without a text"),
    ],
)
async def test_a_refusal_says_what_the_server_said(
    fake: FakeSayna, status: int, body: bytes, text: str
) -> None:
    fake.speech = (status, body, {})
    async with open_gateway(fake.url, None) as gateway:
        with pytest.raises(GatewayError) as refused:
            await gateway.speak(SpeechRequest("hi"))
    assert text in str(refused.value)


async def test_a_server_that_is_not_there_is_told_with_the_cure(unused_tcp_port: int) -> None:
    async with open_gateway(f"http://127.0.0.1:{unused_tcp_port}", None) as gateway:
        for call in (
            gateway.get_json("/"),
            gateway.status("/"),
            gateway.speak(SpeechRequest("hi")),
            gateway.open_conversation({}).__aenter__(),
        ):
            with pytest.raises(GatewayError, match=r"no Sayna server answers at .*`sayna`"):
                await call


async def test_something_that_is_no_url_is_told() -> None:
    with pytest.raises(GatewayError, match="is not a URL"):
        async with open_gateway("nonsense", None) as gateway:
            await gateway.get_json("/")


async def test_a_refused_handshake_is_told_with_its_status(fake: FakeSayna) -> None:
    fake.handshake_status = 401
    async with open_gateway(fake.url, None) as gateway:
        with pytest.raises(GatewayError, match="answered 401"):
            async with gateway.open_conversation({}):
                pass


async def test_a_refused_config_is_told_in_the_servers_words(fake: FakeSayna) -> None:
    fake.config_answer = {"type": "error", "message": "Unsupported provider: zzz"}
    async with open_gateway(fake.url, None) as gateway:
        with pytest.raises(GatewayError, match="Unsupported provider: zzz"):
            async with gateway.open_conversation({}):
                pass


async def test_the_config_describes_the_sound(fake: FakeSayna) -> None:
    stereo = Sound(b"", 44_100, 2)
    async with open_gateway(fake.url, None) as gateway:
        config = ListenRequest("local", "grammar:demo", "en-GB").to_config(stereo)
        async with gateway.open_conversation(config):
            pass
    (got,) = fake.configs
    assert got["type"] == "config"
    assert got["stt_config"] == {
        "provider": "local",
        "language": "en-GB",
        "sample_rate": 44100,
        "channels": 2,
        "punctuation": True,
        "encoding": "linear16",
        "model": "grammar:demo",
    }


async def test_a_sound_is_sent_in_frames_of_20_ms_with_a_silent_tail(fake: FakeSayna) -> None:
    fake.said = [RESULT]
    heard: list[Message] = []
    async with opened(fake) as conversation:
        await conversation.transcribe(SOUND, heard.append, quiet_s=0.2)
    assert heard == [RESULT]
    assert {len(frame) for frame in fake.frames} == {640}
    sent = b"".join(fake.frames)
    assert sent.startswith(SOUND.pcm)
    assert sent[len(SOUND.pcm) :] == bytes(32 * 1_500)


async def test_listening_ends_at_once_when_enough_was_heard(fake: FakeSayna) -> None:
    fake.said = [RESULT, RESULT]
    heard: list[Message] = []
    async with opened(fake) as conversation, asyncio.timeout(5):
        await conversation.transcribe(SOUND, heard.append, quiet_s=60, until=lambda: bool(heard))
    assert heard == [RESULT]


async def test_realtime_sending_takes_as_long_as_the_sound(
    fake: FakeSayna, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sayna.cli.gateway.TAIL_MS", 100)
    clock = asyncio.get_running_loop()
    async with opened(fake) as conversation:
        started = clock.time()
        await conversation.transcribe(SOUND, lambda _: None, realtime=True, quiet_s=0.05)
        took = clock.time() - started
    assert took >= 0.18  # 100 ms of sound and 100 ms of silence, less the last frame
    assert len(fake.frames) == 10


async def test_a_socket_that_closes_midway_is_told(fake: FakeSayna) -> None:
    async with opened(fake) as conversation:
        await conversation._socket.close()
        with pytest.raises(GatewayError, match="closed the socket"):
            await conversation.receive()
