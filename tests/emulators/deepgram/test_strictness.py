"""What the emulated Deepgram refuses, and in which words."""

from typing import Any

import aiohttp
import pytest

from tests.emulators.deepgram import open_deepgram
from tests.emulators.deepgram.catalogue import LISTEN_MODELS, VOICES

RAW = "encoding=linear16&sample_rate=16000"
QUERY, FORMAT = "INVALID_QUERY_PARAMETER", "UNSUPPORTED_AUDIO_FORMAT"

LISTEN = [
    ("colour=red", QUERY, "Unknown query parameter 'colour'."),
    ("Model=nova-3", QUERY, "Unknown query parameter 'Model'."),
    ("model=", QUERY, "Invalid 'model' value of ''."),
    ("model=nova-9", "Bad Request", "No such model/language/tier combination"),
    ("model=flux-general-en", QUERY, "/v2/listen"),
    ("language=", QUERY, "Invalid 'language' value of ''."),
    ("language=english!", QUERY, "Invalid 'language'"),
    ("punctuate=yes", QUERY, "Invalid 'punctuate' value of 'yes'."),
    ("punctuate=True", QUERY, "Invalid 'punctuate'"),
    ("punctuate=true&punctuate=true", QUERY, "Duplicate query parameter 'punctuate'."),
    ("encoding=pcm&sample_rate=16000", QUERY, "Invalid 'encoding' value of 'pcm'."),
    ("encoding=ulaw&sample_rate=8000", QUERY, "Invalid 'encoding'"),
    ("encoding=LINEAR16&sample_rate=8000", QUERY, "Invalid 'encoding'"),
    ("encoding=linear16", QUERY, "'sample_rate' is required"),
    ("sample_rate=16000", QUERY, "'encoding' is required"),
    ("encoding=linear16&sample_rate=0", QUERY, "Invalid 'sample_rate' value of '0'."),
    ("encoding=linear16&sample_rate=16k", QUERY, "Invalid 'sample_rate'"),
    (f"{RAW}&channels=0", QUERY, "Invalid 'channels'"),
    ("endpointing=soon", QUERY, "Invalid 'endpointing'"),
    ("utterance_end_ms=999&interim_results=true", QUERY, "'utterance_end_ms' value of '999'."),
    ("utterance_end_ms=1000", QUERY, "requires 'interim_results=true'"),
    ("model=nova-2&keyterm=Sayna", QUERY, "only available with nova-3"),
    ("model=nova-3&keywords=Sayna:2", QUERY, "use keyterm"),
    ("model=nova-2&keywords=Sayna:loud", QUERY, "Invalid 'keywords'"),
    ("model=nova-3&" + "&".join(["keyterm=a+b"] * 251), QUERY, "Keyterm limit"),
    ("callback=nowhere", QUERY, "Invalid 'callback'"),
    ("diarize_model=v2", QUERY, "Invalid 'diarize_model'"),
    ("diarize_model=v1&diarize=false", QUERY, "contradicts"),
]  # fmt: skip

SPEAK = [
    ("colour=red", QUERY, "Unknown query parameter 'colour'."),
    ("model=nobody", "Bad Request", "No such model 'nobody' found."),
    ("encoding=pcm", QUERY, "Invalid 'encoding' value of 'pcm'."),
    ("encoding=wav", QUERY, "Invalid 'encoding'"),
    ("encoding=ulaw", QUERY, "Invalid 'encoding'"),
    ("encoding=ogg", QUERY, "Invalid 'encoding'"),
    ("encoding=mp3&sample_rate=22050", FORMAT, "sample_rate is not applicable when encoding=mp3."),
    ("encoding=opus&sample_rate=48000", FORMAT, "sample_rate is not applicable"),
    ("encoding=aac&sample_rate=22050", FORMAT, "sample_rate is not applicable"),
    ("encoding=mp3&container=none", FORMAT, "container is not applicable when encoding=mp3."),
    ("encoding=flac&container=wav", FORMAT, "container is not applicable when encoding=flac."),
    ("encoding=linear16&container=ogg", FORMAT, "container=ogg is not supported"),
    ("encoding=opus&container=none", FORMAT, "container=none is not supported"),
    ("encoding=linear16&sample_rate=22050", FORMAT, "sample_rate=22050 is not supported"),
    ("encoding=linear16&sample_rate=44100", FORMAT, "sample_rate=44100 is not supported"),
    ("encoding=mulaw&sample_rate=24000", FORMAT, "sample_rate=24000 is not supported"),
    ("encoding=linear16&sample_rate=24000.0", QUERY, "Invalid 'sample_rate'"),
    ("encoding=linear16&bit_rate=48000", FORMAT, "bit_rate is not applicable"),
    ("encoding=mp3&bit_rate=40000", FORMAT, "bit_rate=40000 is not supported"),
    ("speed=0.5", QUERY, "Invalid 'speed' value of '0.5'."),
    ("speed=fast", QUERY, "Invalid 'speed'"),
    ("speed=nan", QUERY, "Invalid 'speed'"),
    ("mip_opt_out=1", QUERY, "Invalid 'mip_opt_out'"),
]  # fmt: skip

SPEAK_SOCKET = [
    ("encoding=mp3", QUERY, "Invalid 'encoding' value of 'mp3'."),
    ("encoding=linear16&container=none", QUERY, "Unknown query parameter 'container'."),
    ("encoding=mp3&bit_rate=48000", QUERY, "Invalid 'encoding'"),
    ("encoding=alaw&sample_rate=48000", FORMAT, "sample_rate=48000 is not supported"),
    ("model=nobody", "Bad Request", "No such model"),
]


async def _handshake(
    http: aiohttp.ClientSession, url: str, headers: dict[str, str] | None = None
) -> tuple[int, dict[str, Any], str]:
    """Try to upgrade; return status, body, and the reason among the headers."""
    wanted = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "MDEyMzQ1Njc4OWFiY2RlZg==",
    }
    async with http.get(url, headers=wanted | (headers or {})) as answer:
        return answer.status, await answer.json(), answer.headers.get("dg-error", "")


@pytest.mark.parametrize(
    ("path", "query", "code", "reason"),
    [("listen", *row) for row in LISTEN] + [("speak", *row) for row in SPEAK_SOCKET],
)
async def test_a_wrong_upgrade_is_refused_with_its_reason(
    http: aiohttp.ClientSession, path: str, query: str, code: str, reason: str
) -> None:
    async with open_deepgram() as emulator:
        url = f"{emulator.http_url}/v1/{path}?{query}"
        status, body, header = await _handshake(http, url)
    assert (status, body["err_code"]) == (400, code)
    assert reason in body["err_msg"]
    assert header == body["err_msg"]
    assert body["request_id"]


@pytest.mark.parametrize(("query", "code", "reason"), SPEAK)
async def test_a_wrong_request_for_speech_is_refused_with_its_reason(
    http: aiohttp.ClientSession, query: str, code: str, reason: str
) -> None:
    async with open_deepgram() as emulator:
        url = f"{emulator.http_url}/v1/speak?{query}"
        async with http.post(url, json={"text": "hello"}) as answer:
            body = await answer.json()
            assert (answer.status, body["err_code"]) == (400, code)
            assert answer.headers["dg-error"] == body["err_msg"]
    assert reason in body["err_msg"]


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"", "application/json", 400),
        (b"hello", "application/json", 400),
        (b"[]", "application/json", 400),
        (b"{}", "application/json", 400),
        (b'{"text":1}', "application/json", 400),
        (b'{"text":""}', "application/json", 400),
        (b'{"text":" \\n"}', "application/json", 400),
        (b'{"text":"a","voice":"b"}', "application/json", 400),
        (b'{"text":"a"}', "text/plain", 415),
        (b'{"text":"' + b"a" * 2000 + b'"}', "application/json", 200),
        (b'{"text":"' + b"a" * 2001 + b'"}', "application/json", 413),
    ],
)
async def test_a_body_must_be_a_text_of_a_certain_length(
    http: aiohttp.ClientSession, body: bytes, content_type: str, status: int
) -> None:
    async with open_deepgram() as emulator:
        url = f"{emulator.http_url}/v1/speak?encoding=mulaw&container=none"
        headers = {"content-type": content_type}
        async with http.post(url, data=body, headers=headers) as answer:
            assert answer.status == status
            if status == 400:
                assert "request_id" in await answer.json()


@pytest.mark.parametrize(
    ("headers", "is_let_in"),
    [
        ({"Authorization": "Token test-key"}, True),
        ({"Authorization": "token test-key"}, True),
        ({"Authorization": "Bearer test-key"}, True),
        ({"Sec-WebSocket-Protocol": "token, test-key"}, True),
        ({"Sec-WebSocket-Protocol": "bearer, test-key"}, True),
        ({}, False),
        ({"Authorization": "Token wrong"}, False),
        ({"Authorization": "Token"}, False),
        ({"Authorization": "test-key"}, False),
        ({"Authorization": "Basic test-key"}, False),
        ({"x-api-key": "test-key"}, False),
        ({"Sec-WebSocket-Protocol": "token"}, False),
        ({"Sec-WebSocket-Protocol": "test-key, token"}, False),
    ],
)
@pytest.mark.parametrize("path", ["listen", "speak"])
async def test_only_a_key_in_its_place_is_let_in(
    path: str, headers: dict[str, str], is_let_in: bool
) -> None:
    async with open_deepgram() as emulator, aiohttp.ClientSession() as http:
        url = f"{emulator.ws_url}/v1/{path}"
        protocols = headers.get("Sec-WebSocket-Protocol", "").split(", ")
        if is_let_in:
            offered = [each for each in protocols if each]
            plain = {name: value for name, value in headers.items() if name == "Authorization"}
            async with http.ws_connect(url, headers=plain, protocols=offered) as socket:
                assert socket.protocol == (offered[0] if offered else None)
            return
        status, body, reason = await _handshake(http, url.replace("ws", "http", 1), headers)
    assert (status, body["err_code"], reason) == (401, "INVALID_AUTH", "Invalid credentials.")


async def test_a_key_that_expired_is_let_in_no_more(http: aiohttp.ClientSession) -> None:
    async with open_deepgram() as emulator:
        emulator.expired_keys.add("test-key")
        async with http.get(f"{emulator.http_url}/v1/models") as answer:
            assert answer.status == 401
        emulator.reset()
        async with http.get(f"{emulator.http_url}/v1/models") as answer:
            assert answer.status == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/nothing", 404),
        ("DELETE", "/v1/models", 405),
        ("GET", "/v1/listen", 400),
        ("GET", "/v1/models?x=1", 400),
        ("GET", "/v1/models?include_outdated=1", 400),
    ],
)
async def test_other_paths_and_methods_are_unknown(
    http: aiohttp.ClientSession, method: str, path: str, status: int
) -> None:
    async with (
        open_deepgram() as emulator,
        http.request(method, emulator.http_url + path) as answer,
    ):
        assert answer.status == status
        assert "err_code" in await answer.json()


async def test_any_model_is_taken_when_told_to(http: aiohttp.ClientSession) -> None:
    async with open_deepgram(any_model=True) as emulator:
        async with http.ws_connect(f"{emulator.ws_url}/v1/listen?model=mine"):
            pass
        url = f"{emulator.http_url}/v1/speak?model=mine"
        async with http.post(url, json={"text": "a"}) as answer:
            assert answer.status == 200


async def test_outdated_models_are_listed_on_demand(http: aiohttp.ClientSession) -> None:
    async with open_deepgram() as emulator:
        async with http.get(f"{emulator.http_url}/v1/models") as answer:
            newest = await answer.json()
        async with http.get(f"{emulator.http_url}/v1/models?include_outdated=true") as answer:
            every = await answer.json()
    assert {voice["canonical_name"] for voice in newest["tts"]} == set(VOICES)
    assert {model["canonical_name"] for model in newest["stt"]} <= LISTEN_MODELS
    assert len(every["tts"]) == 2 * len(newest["tts"])
    assert len({voice["uuid"] for voice in every["tts"]}) == len(every["tts"])
