import base64
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
from sayna.settings.tree import SessionLimits, Settings
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
