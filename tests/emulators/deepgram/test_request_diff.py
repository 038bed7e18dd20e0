"""Our requests beside those of Deepgram's own SDK, with equal options: every difference explained.

Both talk to the emulator; its recorder has what they sent. Values that differ from call to call
(keys of handshakes, hosts) are left out; the order of a query and the case of a header's name say
nothing.
"""

import json
import math
import re
import warnings
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import pytest
from pydantic import SecretStr

from sayna.providers.deepgram import open_provider
from sayna.settings.tree import Settings
from sayna.settings.vendors import DeepgramEndpoints, Providers
from sayna.speech.options import RecognizerOptions, SynthesizerOptions
from sayna.speech.protocols import Provider, TextStreaming
from tests.emulators.deepgram import KEY, open_deepgram
from tests.emulators.deepgram.test_sdk import open_client
from tests.emulators.pacing import Pace
from tests.emulators.recorder import Record, Recorder

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    from deepgram import AsyncDeepgramClient
    from deepgram.speak.v1.types import SpeakV1Text

pytestmark = [
    pytest.mark.slow,
    # the SDK asks websockets for its old client, which says so
    pytest.mark.filterwarnings("ignore:websockets:DeprecationWarning"),
]

CHANGING = {"host", "sec-websocket-key", "content-length"}
AUDIO = bytes(640)
TEXT = 'Grüße: "hello" & {x}\n'
CREDENTIALS = {"api_key": KEY}
HEARD = RecognizerOptions(
    "deepgram", model="nova-3", language="en-US", sample_rate=16_000, credentials=CREDENTIALS
)
SAID = SynthesizerOptions(
    "deepgram", model="aura-2-thalia-en", sample_rate=16_000, speaking_rate=1.2,
    credentials=CREDENTIALS,
)  # fmt: skip
LISTEN: Mapping[str, Any] = {
    "model": "nova-3", "language": "en-US", "sample_rate": 16000, "channels": 1,
    "punctuate": True, "interim_results": True, "smart_format": True, "encoding": "linear16",
    "endpointing": 200,
}  # fmt: skip
SPEAK: Mapping[str, Any] = {
    "model": "aura-2-thalia-en", "encoding": "linear16", "sample_rate": 16000, "speed": 1.2,
}  # fmt: skip


async def sdk_listens(client: AsyncDeepgramClient) -> None:
    async with client.listen.v1.connect(**LISTEN) as socket:
        for _ in range(3):
            await socket.send_media(AUDIO)
        await socket.send_finalize()
        await socket.send_close_stream()
        _ = [message async for message in socket]


async def we_listen(provider: Provider) -> None:
    async with provider.open_recognizer(HEARD) as recognizer:
        for _ in range(3):
            recognizer.send_audio(AUDIO)
        recognizer.finalize()
        recognizer.finish()
        _ = [event async for event in recognizer.events()]


async def sdk_says(client: AsyncDeepgramClient) -> None:
    chunks = client.speak.v1.audio.generate(text=TEXT, container="none", **SPEAK)
    _ = [chunk async for chunk in chunks]


async def we_say(provider: Provider) -> None:
    async with provider.open_synthesizer(SAID) as voice:
        _ = [chunk async for chunk in voice.speak(TEXT)]


async def sdk_streams(client: AsyncDeepgramClient) -> None:
    async with client.speak.v1.connect(**SPEAK) as socket:
        await socket.send_text(SpeakV1Text(text=TEXT))
        await socket.send_flush()
        await socket.send_close()
        _ = [message async for message in socket]


async def we_stream(provider: Provider) -> None:
    async def texts() -> AsyncGenerator[str, None]:
        yield TEXT

    async with provider.open_synthesizer(SAID) as voice:
        assert isinstance(voice, TextStreaming)
        _ = [chunk async for chunk in voice.speak_stream(texts())]


async def sdk_lists(client: AsyncDeepgramClient) -> None:
    await client.manage.v1.models.list()


async def we_list(provider: Provider) -> None:
    await provider.voices()


@dataclass(frozen=True)
class Flow:
    """The same thing done by both."""

    path: str
    sdk: Callable[[AsyncDeepgramClient], Awaitable[None]]
    ours: Callable[[Provider], Awaitable[None]]


FLOWS = {
    "listen": Flow("/v1/listen", sdk_listens, we_listen),
    "speak": Flow("/v1/speak", sdk_says, we_say),
    "speak-socket": Flow("/v1/speak", sdk_streams, we_stream),
    "models": Flow("/v1/models", sdk_lists, we_list),
}


class Explained(NamedTuple):
    """A difference that is meant."""

    ours: str | None
    """What we send, as a pattern; None: nothing."""
    why: str


THEIRS_ALONE = {
    f"header {name}": Explained(None, "the SDK tells about itself; it changes no answer")
    for name in (
        "x-deepgram-session-id",
        "x-fern-language",
        "x-fern-platform",
        "x-fern-runtime",
        "x-fern-sdk-name",
        "x-fern-sdk-version",
    )
}
REQUEST = THEIRS_ALONE | {
    "header connection": Explained(None, "HTTP/1.1 keeps connections anyway"),
    "header user-agent": Explained(r"Python/\S+ aiohttp/\S+", "the client that is really used"),
}
UPGRADE = THEIRS_ALONE | {
    "header user-agent": Explained(None, "a socket needs none"),
    "header authorization": Explained(
        f"token {KEY}", "schemes have no case (RFC 9110, 11.1); recorded sessions have it so"
    ),
    "header sec-websocket-extensions": Explained(
        None, "audio does not compress, and it costs time"
    ),
}
EXPLAINED: Mapping[str, Mapping[str, Explained]] = {
    "listen": UPGRADE,
    "speak": REQUEST | {"body": Explained(r'.*\{x\}"\}', "texts are trimmed before they are said")},
    "speak-socket": UPGRADE
    | {"frame 2": Explained(r'\["close", \d+\]', "all is said by then: nothing is left to flush")},
    "models": REQUEST,
}


def request_parts(request: Record) -> dict[str, object]:
    """Return what a request consists of, part by part."""
    parts: dict[str, object] = {"method": request.method, "path": request.path}
    parts |= {f"query {name}": value for name, value in request.query}
    for name, value in request.headers:
        if name.lower() not in CHANGING:
            parts[f"header {name.lower()}"] = value
    parts["body"] = json.dumps(request.json)
    return parts


def frame_parts(recorder: Recorder, connection: int) -> dict[str, object]:
    """Return what followed on the connection: texts with their fields, audio by its size."""
    sent = recorder.select(connection=connection, sender="client")[1:]
    shown = [one.json if one.kind == "text" else [one.kind, one.size] for one in sent]
    return {f"frame {number}": json.dumps(one) for number, one in enumerate(shown)}


def sent_over(recorder: Recorder, path: str) -> dict[str, object]:
    (request,) = [one for one in recorder.requests(path) if one.method != "HEAD"]
    return request_parts(request) | frame_parts(recorder, request.connection)


async def differences(flow: Flow) -> dict[str, tuple[object, object]]:
    """Return what differs: the part, then the SDK's and ours; None: it has no such part."""
    async with open_deepgram(pace=Pace(speed=math.inf)) as emulator:
        async with open_client(emulator) as client:
            await flow.sdk(client)
        theirs = sent_over(emulator.recorder, flow.path)
        emulator.recorder.clear()
        endpoints = DeepgramEndpoints(base_url=emulator.http_url, ws_url=emulator.ws_url)
        settings = Settings(
            providers=Providers(deepgram_api_key=SecretStr(KEY), deepgram=endpoints)
        )
        async with open_provider(settings) as provider:
            await flow.ours(provider)
        ours = sent_over(emulator.recorder, flow.path)
    return {
        part: (theirs.get(part), ours.get(part))
        for part in sorted(theirs.keys() | ours.keys())
        if theirs.get(part) != ours.get(part)
    }


@pytest.mark.parametrize("name", FLOWS)
async def test_our_requests_differ_from_the_sdks_only_where_it_is_explained(name: str) -> None:
    found = {part: ours for part, (_, ours) in (await differences(FLOWS[name])).items()}
    explained = EXPLAINED[name]
    assert set(found) == set(explained)
    for part, ours in found.items():
        pattern = explained[part].ours
        assert (ours is None) if pattern is None else re.fullmatch(pattern, str(ours)), part


async def test_a_difference_that_nobody_explained_is_found() -> None:
    async def we_hear_german(provider: Provider) -> None:
        async with provider.open_recognizer(replace(HEARD, language="de")) as recognizer:
            for _ in range(2):
                recognizer.send_audio(AUDIO)
            recognizer.finish()
            _ = [event async for event in recognizer.events()]

    found = await differences(replace(FLOWS["listen"], ours=we_hear_german))
    unexplained = {part: both for part, both in found.items() if part not in EXPLAINED["listen"]}
    assert unexplained["query language"] == ("en-US", "de")
    assert unexplained["frame 2"] == ('["binary", 640]', '{"type": "CloseStream"}')
    assert unexplained["frame 4"] == ('{"type": "CloseStream"}', None)
