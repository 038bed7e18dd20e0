import hashlib
from typing import Any

import pytest
from pydantic import SecretStr

from sayna.errors import InvalidProviderAuth, MissingProviderAuth, UnsupportedProvider
from sayna.providers.credentials import fingerprint, is_configured, resolve_credentials
from sayna.settings.tree import Providers, Settings

NOTHING = Settings()
EVERYTHING = Settings(
    providers=Providers(
        deepgram_api_key=SecretStr("d"),
        elevenlabs_api_key=SecretStr("e"),
        cartesia_api_key=SecretStr("c"),
        azure_speech_subscription_key=SecretStr("a"),
        google_credentials=SecretStr("/sa.json"),
    )
)


def everybody(_name: str) -> bool:
    return True


@pytest.mark.parametrize(
    ("name", "credentials"),
    [
        ("DeepGram", {"api_key": "d"}),
        ("elevenlabs", {"api_key": "e"}),
        ("cartesia", {"api_key": "c"}),
        ("Microsoft-Azure", {"api_key": "a", "region": "eastus"}),
        ("google", {"credentials": "/sa.json"}),
    ],
)
@pytest.mark.parametrize("auth", [None, {}])
def test_without_its_own_a_request_uses_the_servers_credentials(
    name: str, credentials: dict[str, str], auth: dict[str, object] | None
) -> None:
    assert resolve_credentials(name, auth, EVERYTHING)[1] == credentials


def test_a_name_is_made_canonical() -> None:
    assert resolve_credentials("Microsoft-AZURE", None, EVERYTHING)[0] == "azure"


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("deepgram", "Deepgram API key"),
        ("elevenlabs", "ElevenLabs API key"),
        ("cartesia", "Cartesia API key"),
        ("azure", "Azure Speech subscription key"),
    ],
)
def test_a_server_without_a_key_says_which(name: str, title: str) -> None:
    with pytest.raises(MissingProviderAuth) as missing:
        resolve_credentials(name, None, NOTHING)
    told = f"Missing server auth for provider {name}: {title} not configured in server environment"
    assert str(missing.value) == told


def test_google_without_a_setting_relies_on_the_machine() -> None:
    assert resolve_credentials("google", None, NOTHING)[1] == {"credentials": ""}
    assert not is_configured("google", NOTHING)
    assert is_configured("google", EVERYTHING)


@pytest.mark.parametrize(
    ("name", "auth", "credentials"),
    [
        ("deepgram", {"api_key": " "}, {"api_key": " "}),
        ("azure", {"api_key": "k", "region": "r"}, {"api_key": "k", "region": "r"}),
        ("google", {"credentials": {"a": 1}}, {"credentials": '{"a":1}'}),
        ("google", {"credentials": ' {"a":1}'}, {"credentials": ' {"a":1}'}),
    ],
)
def test_a_requests_own_credentials_are_used_alone(
    name: str, auth: dict[str, object], credentials: dict[str, str]
) -> None:
    assert resolve_credentials(name, auth, EVERYTHING)[1] == credentials


@pytest.mark.parametrize("key", ["a\r\nx-evil: 1", "a\nb", "\x00", "k\x7f", "a\tb", "\ud800"])
@pytest.mark.parametrize("field", ["api_key", "region"])
def test_credentials_that_no_header_can_carry_are_refused(field: str, key: str) -> None:
    auth = {"api_key": "k", "region": "r"} | {field: key}
    with pytest.raises(InvalidProviderAuth) as refused:
        resolve_credentials("azure", auth, EVERYTHING)
    told = f"Auth field '{field}' must not contain control characters for provider azure"
    assert str(refused.value) == f"Invalid auth input for provider azure: {told}"


@pytest.mark.parametrize(
    ("name", "auth", "why"),
    [
        (
            "deepgram",
            {"zzz": 1, "aaa": 2},
            "Unsupported auth field(s) for provider deepgram: aaa, zzz",
        ),
        ("deepgram", {"api_key": ""}, "Auth field 'api_key' is required for provider deepgram"),
        ("deepgram", {"api_key": 1}, "Auth field 'api_key' must be a string for provider deepgram"),
        ("azure", {"api_key": "k"}, "Auth field 'region' is required for provider azure"),
        ("azure", {"region": "r"}, "Auth field 'api_key' is required for provider azure"),
        ("google", {"credentials": ""}, "Auth field 'credentials' is required for provider google"),
        (
            "google",
            {"credentials": []},
            "Auth field 'credentials' must be a string or JSON object for provider google",
        ),
        ("local", {"api_key": "k"}, "Unsupported auth field(s) for provider local: api_key"),
    ],
)
def test_incomplete_credentials_are_refused_in_fixed_words(
    name: str, auth: dict[str, Any], why: str
) -> None:
    with pytest.raises(InvalidProviderAuth) as refused:
        resolve_credentials(name, auth, EVERYTHING, known=everybody)
    assert str(refused.value) == f"Invalid auth input for provider {name}: {why}"


def test_a_caller_cannot_make_the_server_open_a_file() -> None:
    with pytest.raises(InvalidProviderAuth, match="not the path of a file"):
        resolve_credentials("google", {"credentials": "/etc/passwd"}, EVERYTHING)


def test_an_unknown_name_is_refused_before_its_credentials_are_looked_at() -> None:
    with pytest.raises(UnsupportedProvider, match="Unsupported provider: foo"):
        resolve_credentials("Foo", {"x": 1}, EVERYTHING)


def test_a_third_party_provider_gets_what_it_is_given() -> None:
    assert resolve_credentials("mine", {"x": "y"}, NOTHING, known=everybody)[1] == {"x": "y"}
    assert resolve_credentials("mine", None, NOTHING, known=everybody)[1] == {}
    assert is_configured("mine", NOTHING)


@pytest.mark.parametrize(
    ("provider", "credentials", "material"),
    [
        ("deepgram", {"api_key": "K"}, "api_key|K"),
        ("azure", {"api_key": "K", "region": "R"}, "azure|K|R"),
        ("google", {"credentials": "/sa.json"}, "google|/sa.json"),
        ("google", {"credentials": '{"b": 1,"a":"2"}'}, 'google|{"a": "2", "b": 1}'),
        ("local", {}, "local|{}"),
        ("mine", {"z": "1", "a": "2"}, 'mine|{"a": "2", "z": "1"}'),
    ],
)
def test_credentials_are_told_apart_by_a_hash_of_fixed_material(
    provider: str, credentials: dict[str, str], material: str
) -> None:
    assert fingerprint(provider, credentials) == hashlib.sha256(material.encode()).hexdigest()
