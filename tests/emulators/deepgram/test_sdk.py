"""Deepgram's own SDK takes the emulator for the vendor: every flow, every field, no warning."""

import asyncio
import logging
import math
import warnings
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any, TypeVar, cast

import httpx
import pydantic
import pytest

from tests.emulators.deepgram import KEY, open_deepgram
from tests.emulators.hearing import Line
from tests.emulators.pacing import Pace
from tests.emulators.server import Emulator

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    from deepgram import AsyncDeepgramClient, DeepgramClient
    from deepgram.core.api_error import ApiError
    from deepgram.environment import DeepgramClientEnvironment
    from deepgram.listen.v1.socket_client import AsyncV1SocketClient as ListenSocket
    from deepgram.listen.v1.types import ListenV1Configure, ListenV1Error, ListenV1Results
    from deepgram.speak.v1.types import SpeakV1Text, SpeakV1Warning
    from websockets.exceptions import InvalidStatus

LISTEN: dict[str, Any] = {
    "model": "nova-3",
    "encoding": "linear16",
    "sample_rate": 16000,
    "interim_results": True,
    "endpointing": 300,
    "vad_events": True,
    "utterance_end_ms": 1000,
    "smart_format": True,
    "language": "multi",
    "keyterm": ["Sayna & friends", "LiveKit"],
    "tag": ["a b", "c"],
}
Result = TypeVar("Result")
SPEAK: dict[str, Any] = {
    "model": "aura-2-thalia-en", "encoding": "linear16", "sample_rate": 16000,
}  # fmt: skip
pytestmark = [
    pytest.mark.slow,
    # the SDK asks websockets for its old client, which says so
    pytest.mark.filterwarnings("ignore:websockets:DeprecationWarning"),
]


@asynccontextmanager
async def _serving(key: str = KEY) -> AsyncGenerator[tuple[Emulator, AsyncDeepgramClient], None]:
    """Serve Deepgram to a client of its SDK that has a key."""
    async with (
        open_deepgram(pace=Pace(speed=math.inf)) as emulator,
        open_client(emulator, key) as client,
    ):
        yield emulator, client


def _environment(emulator: Emulator) -> DeepgramClientEnvironment:
    return DeepgramClientEnvironment(
        base=emulator.http_url,
        production=emulator.ws_url,
        agent=emulator.ws_url,
        agent_rest=emulator.http_url,
    )


@asynccontextmanager
async def open_client(
    emulator: Emulator, key: str = KEY
) -> AsyncGenerator[AsyncDeepgramClient, None]:
    """Open the SDK's client of an emulator."""
    async with httpx.AsyncClient() as http:
        environment = _environment(emulator)
        yield AsyncDeepgramClient(api_key=key, environment=environment, httpx_client=http)


async def _in_thread(
    use: Callable[[DeepgramClient], Result], emulator: Emulator, key: str = KEY
) -> Result:
    """Use the synchronous client where it may block."""

    def run() -> Result:
        with httpx.Client() as http:
            environment = _environment(emulator)
            return use(DeepgramClient(api_key=key, environment=environment, httpx_client=http))

    return await asyncio.to_thread(run)


def _unknown_fields(model: object, path: str = "") -> Iterator[str]:
    """Yield what the SDK's models have no name for, and what they expect and did not get."""
    match model:
        case pydantic.BaseModel():
            fields = type(model).model_fields
            yield from (f"{path}.{name}" for name in model.model_extra or {})
            for name, field in fields.items():
                if field.is_required() and name not in model.model_fields_set:
                    yield f"{path}.{name} is missing"
                yield from _unknown_fields(getattr(model, name, None), f"{path}.{name}")
        case list():
            for each in model:  # pyright: ignore[reportUnknownVariableType]
                yield from _unknown_fields(each, f"{path}[]")  # pyright: ignore[reportUnknownArgumentType]
        case _:
            pass


def _names(messages: list[Any]) -> list[str]:
    return [type(each).__name__ for each in messages]


async def _listen(socket: ListenSocket) -> list[Any]:
    """Send everything a client can send; return what came."""
    await socket.send_keep_alive()
    for _ in range(40):
        await socket.send_media(bytes(3200))
    await socket.send_configure(ListenV1Configure(keyterms=["Sayna"]))
    await socket.send_configure(ListenV1Configure(keyterms=["a b"] * 251))
    await socket.send_finalize()
    await socket.send_close_stream()
    return [message async for message in socket]


async def test_listening_gives_typed_messages_of_every_kind(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with _serving() as (emulator, client):
        emulator.script(Line("Hello there.", at_s=0.5))
        with caplog.at_level(logging.WARNING):
            async with client.listen.v1.connect(**LISTEN) as socket:
                messages = await _listen(socket)
    assert _names(messages) == [
        "ListenV1SpeechStarted", "ListenV1Results", "ListenV1Results", "ListenV1Results",
        "ListenV1UtteranceEnd", "ListenV1ConfigureSuccess", "ListenV1ConfigureFailure",
        "ListenV1Results", "ListenV1Metadata",
    ]  # fmt: skip
    assert [name for each in messages for name in _unknown_fields(each, type(each).__name__)] == []
    final = messages[3]
    assert isinstance(final, ListenV1Results)
    assert (final.is_final, final.speech_final) == (True, True)
    assert final.channel.alternatives[0].words[0].punctuated_word == "Hello"
    assert not caplog.records


async def test_what_listening_asks_for_arrives_as_it_was_asked() -> None:
    async with _serving() as (emulator, client):
        async with client.listen.v1.connect(**LISTEN) as socket:
            await _listen(socket)
        [request] = emulator.recorder.requests("/v1/listen")
        sent = emulator.recorder.select(sender="client").order
    assert dict(request.query)["interim_results"] == "true"
    assert [value for name, value in request.query if name == "keyterm"] == LISTEN["keyterm"]
    assert request.target.startswith("/v1/listen?")
    assert request.header("authorization") == f"Token {KEY}"
    assert sent[:6] == [
        "request", "KeepAlive", "binary", "Configure", "Finalize", "CloseStream",
    ]  # fmt: skip


async def test_listening_with_the_synchronous_client_is_the_same() -> None:
    def listen(client: DeepgramClient) -> list[Any]:
        with client.listen.v1.connect(**LISTEN) as socket:
            for _ in range(40):
                socket.send_media(bytes(3200))
            socket.send_close_stream()
            return list(socket)

    async with _serving() as (emulator, _):
        emulator.script(Line("Hello there.", at_s=0.5))
        messages = await _in_thread(listen, emulator)
    assert _names(messages)[-1] == "ListenV1Metadata"
    assert _names(messages).count("ListenV1Results") == 4
    assert [name for each in messages for name in _unknown_fields(each)] == []


async def test_an_error_within_listening_is_typed() -> None:
    async with (
        _serving() as (_, client),
        client.listen.v1.connect(model="nova-3") as socket,
    ):
        await socket._send('{"type":"Dance"}')  # pyright: ignore[reportPrivateUsage]
        error = await socket.recv()
    assert isinstance(error, ListenV1Error)
    assert list(_unknown_fields(error)) == []


async def test_speech_is_asked_for_over_rest() -> None:
    def speak(client: DeepgramClient) -> bytes:
        return b"".join(client.speak.v1.audio.generate(text="hello", container="none", **SPEAK))

    async with _serving() as (emulator, client):
        chunks = client.speak.v1.audio.generate(text="hello", container="none", **SPEAK)
        audio = b"".join([chunk async for chunk in chunks])
        assert await _in_thread(speak, emulator) == audio
        requests = emulator.recorder.requests("/v1/speak")
    assert len(audio) > 1000
    assert [request.json for request in requests] == [{"text": "hello"}] * 2


async def test_speech_is_asked_for_over_a_socket() -> None:
    async with _serving() as (_, client), client.speak.v1.connect(**SPEAK) as socket:
        await socket.send_text(SpeakV1Text(text="never said"))
        await socket.send_clear()
        await socket.send_text(SpeakV1Text(text="hello"))
        await socket.send_flush()
        await socket.send_close()
        messages: list[Any] = [message async for message in socket]
    models = [each for each in messages if not isinstance(each, bytes)]
    assert [each.type for each in models] == ["Metadata", "Cleared", "Flushed"]
    assert [name for each in models for name in _unknown_fields(each)] == []
    assert len(b"".join(each for each in messages if isinstance(each, bytes))) > 1000


async def test_the_synchronous_client_is_warned_of_too_many_flushes() -> None:
    def speak(client: DeepgramClient) -> list[Any]:
        with client.speak.v1.connect(**SPEAK) as socket:
            for _ in range(21):
                socket.send_flush()
            return [socket.recv() for _ in range(22)]

    async with _serving() as (emulator, _):
        messages = await _in_thread(speak, emulator)
    assert [each.type for each in messages] == ["Metadata", *["Flushed"] * 20, "Warning"]
    assert isinstance(messages[-1], SpeakV1Warning)
    assert [name for each in messages for name in _unknown_fields(each)] == []


async def test_the_models_are_listed() -> None:
    async with _serving() as (emulator, client):
        models = await client.manage.v1.models.list()
        every = await _in_thread(
            lambda client: client.manage.v1.models.list(include_outdated=True), emulator
        )
    assert list(_unknown_fields(models)) == []
    assert models.tts
    assert every.tts
    assert len(every.tts) > len(models.tts)
    thalia = next(voice for voice in models.tts if voice.canonical_name == "aura-2-thalia-en")
    assert thalia.metadata
    assert thalia.metadata.tags == ["feminine", "clear"]


async def test_every_tenth_voice_of_the_list_speaks() -> None:
    async with _serving() as (_, client):
        models = await client.manage.v1.models.list()
        assert models.tts
        for voice in models.tts[::10]:
            chunks = client.speak.v1.audio.generate(text="a", model=voice.canonical_name)
            assert len(b"".join([chunk async for chunk in chunks])) > 1000


async def _read_speech(client: AsyncDeepgramClient, **query: str | int) -> None:
    _ = [chunk async for chunk in client.speak.v1.audio.generate(text="a", **cast("Any", query))]


async def test_a_wrong_key_is_an_api_error() -> None:
    async with _serving(key="wrong") as (_, client):
        with pytest.raises(ApiError) as refused:
            await client.manage.v1.models.list()
        assert refused.value.status_code == 401
        assert refused.value.body["err_code"] == "INVALID_AUTH"
        with pytest.raises(ApiError) as refused:
            await _read_speech(client)
        assert refused.value.status_code == 401
        for connect in (client.listen.v1.connect, client.speak.v1.connect):
            with pytest.raises(ApiError) as refused:
                async with connect(model="nova-3"):
                    pass
            assert refused.value.status_code == 401


async def test_a_wrong_key_on_a_socket_of_the_synchronous_client_is_a_refused_upgrade() -> None:
    # this SDK translates what websockets' old client raises only, and here it uses the new one
    def connect(client: DeepgramClient) -> None:
        with client.listen.v1.connect(model="nova-3"):
            pass

    async with _serving() as (emulator, _):
        with pytest.raises(InvalidStatus) as refused:
            await _in_thread(connect, emulator, key="wrong")
    assert refused.value.response.status_code == 401


async def test_a_wrong_parameter_is_a_bad_request() -> None:
    async with _serving() as (_, client):
        with pytest.raises(ApiError) as refused:
            async with client.listen.v1.connect(model="nova-3", encoding="pcm"):
                pass
        assert refused.value.status_code == 400
        with pytest.raises(ApiError) as refused:
            await _read_speech(client, encoding="mp3", sample_rate=22050)
        assert refused.value.status_code == 400
        assert refused.value.body["err_code"] == "UNSUPPORTED_AUDIO_FORMAT"
