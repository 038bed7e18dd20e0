import base64
from pathlib import Path
from typing import Any

import pytest

from sayna.api.speak import blames_credentials, wants_json
from sayna.errors import (
    AudioRejected,
    ConnectionFailed,
    NetworkFailed,
    ProviderError,
    ProviderMisconfigured,
    ProviderRefused,
    ProviderTimeout,
)
from sayna.settings.tree import Cache, SessionLimits, Settings
from tests.api.asgi import Answer, open_client
from tests.fakes.scripted import ScriptedProvider, speech_of

CONFIG = {"provider": "Scripted", "model": "m"}


async def speak(
    body: dict[str, Any],
    provider: ScriptedProvider | None = None,
    accept: bytes | None = None,
    settings: Settings | None = None,
) -> Answer:
    headers = [] if accept is None else [(b"accept", accept)]
    async with open_client(settings, [provider or ScriptedProvider()]) as client:
        return await client.ask("POST", "/speak", body, headers=headers)


async def test_a_nested_request_is_answered_with_audio() -> None:
    answer = await speak({"text": " hello ", "tts_config": CONFIG | {"voice_id": "v"}})
    assert answer.status == 200
    assert answer.body == speech_of("hello")
    expected = {
        "content-type": "audio/pcm",
        "content-length": str(len(answer.body)),
        "x-audio-format": "linear16",
        "x-sample-rate": "24000",
        "x-voice-id": "v",
        "x-cache": "MISS",
    }
    assert expected.items() <= answer.headers.items()


@pytest.mark.parametrize("blank", ["", " "])
async def test_audio_of_a_format_without_a_name_is_of_no_named_kind(blank: str) -> None:
    answer = await speak({"text": "hello", "tts_config": CONFIG | {"audio_format": blank}})
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/octet-stream"


async def test_a_flat_request_is_answered_with_json() -> None:
    answer = await speak(
        {"text": "hello", "voice_settings": {"audio_format": "mulaw", "stability": 1}}
    )
    assert answer.headers["content-type"] == "application/json"
    assert base64.b64decode(answer.json["audio"]) == speech_of("hello")
    assert answer.json["metadata"] == {
        "provider": "scripted",
        "model": "",
        "voice_id": "",
        "audio_format": "mulaw",
        "sample_rate": 24000,
        "content_type": "audio/basic",
        "bytes": len(speech_of("hello")),
        "cached": False,
    }


@pytest.mark.parametrize(
    ("accept", "flat", "nested"),
    [
        ("", True, False),
        ("*/*", True, False),
        ("text/html", True, False),
        ("audio/*", False, False),
        ("Audio/WAV;q=0.9", False, False),
        ("application/octet-stream", False, False),
        ("application/json", True, True),
        ("text/html, Application/JSON;q=1", True, True),
    ],
)
def test_accept_decides_where_it_names_a_kind(accept: str, flat: bool, nested: bool) -> None:
    assert wants_json(accept, default=True) is flat
    assert wants_json(accept, default=False) is nested


async def test_all_accept_headers_count() -> None:
    body = {"text": "a", "tts_config": CONFIG}
    accept = [(b"accept", b"text/html"), (b"accept", b"application/json")]
    async with open_client(providers=[ScriptedProvider()]) as client:
        answer = await client.ask("POST", "/speak", body, headers=accept)
    assert answer.headers["content-type"] == "application/json"


async def test_names_from_the_client_cannot_break_a_header() -> None:
    answer = await speak({"text": "a", "tts_config": CONFIG | {"voice_id": "ü\r\nx: y"}})
    assert answer.headers["x-voice-id"] == "%C3%BC%0D%0Ax: y"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"text": " \u2003\n", "tts_config": CONFIG}, "Text cannot be empty"),
        ({"text": "", "tts_config": {"provider": "foo"}}, "Text cannot be empty"),
        ({"text": "x" * 11, "tts_config": CONFIG}, "longer than 10 characters"),
        ({"text": "a", "tts_config": {"provider": "Foo", "auth": {"x": 1}}}, "provider: foo"),
        ({"text": "a", "tts_config": {"provider": ""}}, "Unsupported provider"),
        ({"text": "a", "tts_config": CONFIG | {"auth": {"x": 1}}}, "Auth field 'x'"),
        ({"text": "a", "tts_config": CONFIG | {"sample_rate": 0}}, "sample_rate"),
        ({"text": "a", "tts_config": CONFIG | {"sample_rate": 2**32 - 1}}, "sample_rate"),
        ({"text": "a", "tts_config": CONFIG | {"request_timeout": 0}}, "request_timeout"),
    ],
)
async def test_what_the_caller_can_mend_is_a_400(body: dict[str, Any], words: str) -> None:
    settings = Settings(session=SessionLimits(max_text_chars=10))
    answer = await speak(body, settings=settings)
    assert answer.status == 400
    assert words in answer.json["error"]


async def test_pronunciations_are_applied_before_the_provider_sees_the_text() -> None:
    provider = ScriptedProvider()
    rules = [{"word": "SQL", "pronunciation": "sequel"}, {"word": "", "pronunciation": "x"}]
    await speak({"text": "SQL MySQL", "tts_config": CONFIG | {"pronunciations": rules}}, provider)
    assert provider.synthesizers[0].spoken == ["sequel MySQL"]


@pytest.mark.parametrize(("auth", "status"), [(None, 500), ({"api_key": "mine"}, 400)])
async def test_refused_credentials_are_the_callers_fault_only_when_they_are_the_callers(
    auth: dict[str, str] | None, status: int
) -> None:
    provider = ScriptedProvider()
    provider.speak_error = ProviderRefused("API error (401 Unauthorized): no")
    answer = await speak({"text": "a", "tts_config": CONFIG | {"auth": auth}}, provider)
    assert answer.status == status
    told = "TTS synthesis error: Provider error: API error (401 Unauthorized): no"
    assert answer.json == {"error": told}


@pytest.mark.parametrize(
    ("cause", "blamed"),
    [
        (ProviderMisconfigured("anything"), True),
        (ProviderRefused("API error (403 Forbidden)"), True),
        (ConnectionFailed("Authentication failed"), True),
        (NetworkFailed("Permission denied"), True),
        (ProviderRefused("API error (500 x)"), False),
        (AudioRejected("unauthorized"), False),
        (ProviderTimeout("credential"), False),
    ],
)
def test_some_failures_are_about_credentials(cause: ProviderError, blamed: bool) -> None:
    assert blames_credentials(cause) is blamed


async def test_a_server_without_any_provider_says_so() -> None:
    async with open_client(providers=[]) as client:
        answer = await client.ask("POST", "/speak", {"text": "a"})
    assert answer.status == 500
    assert "No speech provider" in answer.json["error"]


async def test_the_second_time_the_audio_comes_from_memory() -> None:
    provider = ScriptedProvider()
    body = {"text": "hello", "tts_config": CONFIG}
    async with open_client(None, [provider]) as client:
        answers = [await client.ask("POST", "/speak", body) for _ in range(2)]
        changed = {"text": "hello", "tts_config": CONFIG | {"speaking_rate": 1.0001}}
        answers.append(await client.ask("POST", "/speak", changed))
        flat = await client.ask("POST", "/speak", {"text": "hello", "model": "m"})
    assert [answer.headers["x-cache"] for answer in answers] == ["MISS", "HIT", "MISS"]
    assert {answer.body for answer in answers} == {speech_of("hello")}
    assert flat.headers["x-cache"] == "HIT"
    assert flat.json["metadata"]["cached"] is True
    assert [one.spoken for one in provider.synthesizers] == [["hello"], [], ["hello"], []]


async def test_tenants_and_credentials_do_not_hear_each_others_speech() -> None:
    secrets = [{"id": name, "secret": f"secret-{name}"} for name in ("a", "b")]
    settings = Settings.model_validate({"auth": {"required": True, "api_secrets": secrets}})
    provider = ScriptedProvider()

    async def cache_says(tenant: str, auth: dict[str, str] | None = None) -> str:
        body = {"text": "hello", "tts_config": CONFIG | {"auth": auth}}
        bearer = [(b"authorization", f"Bearer secret-{tenant}".encode())]
        answer = await client.ask("POST", "/speak", body, headers=bearer)
        assert answer.body == speech_of("hello")
        return answer.headers["x-cache"]

    async with open_client(settings, [provider]) as client:
        assert await cache_says("a") == "MISS"
        assert await cache_says("b") == "MISS"
        assert await cache_says("a", {"api_key": "own"}) == "MISS"
        assert await cache_says("a", {"api_key": "other"}) == "MISS"
        assert await cache_says("a") == "HIT"
        assert await cache_says("b") == "HIT"
        assert await cache_says("a", {"api_key": "own"}) == "HIT"


async def test_a_failure_is_not_remembered() -> None:
    provider = ScriptedProvider()
    body = {"text": "hello", "tts_config": CONFIG}
    async with open_client(None, [provider]) as client:
        provider.speak_error = NetworkFailed("cut")
        assert (await client.ask("POST", "/speak", body)).status == 500
        provider.speak_error = None
        assert (await client.ask("POST", "/speak", body)).headers["x-cache"] == "MISS"


async def test_speech_outlives_a_restart_where_there_is_a_folder(tmp_path: Path) -> None:
    settings = Settings(cache=Cache(path=tmp_path))
    body = {"text": "hello", "tts_config": CONFIG}
    said: list[tuple[str, bytes]] = []
    for _ in range(2):
        async with open_client(settings, [ScriptedProvider()]) as client:
            answer = await client.ask("POST", "/speak", body)
            said.append((answer.headers["x-cache"], answer.body))
    assert said == [("MISS", speech_of("hello")), ("HIT", speech_of("hello"))]
    [file] = (tmp_path / "speech").glob("??/*")
    assert b"hello" not in file.read_bytes()
