"""Whose key pays for a provider: the request's own, else the server's; never a mix of both."""

import hashlib
import json
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import cast

import msgspec
from pydantic import SecretStr

from sayna.errors import InvalidProviderAuth, MissingProviderAuth, UnsupportedProvider
from sayna.providers.registry import CLOUDS, canonical
from sayna.settings.tree import Providers, Settings
from sayna.speech.options import Credentials

DEFAULT_REGION = "eastus"

UNSENDABLE = frozenset({"Cc", "Cs"})
"""Kinds of characters that no header may carry: a line break in a key would begin another one."""


@dataclass(frozen=True, slots=True)
class _Shape:
    """What one provider's credentials consist of."""

    fields: tuple[str, ...]
    title: str


_SHAPES: Mapping[str, _Shape] = {
    "deepgram": _Shape(("api_key",), "Deepgram API key"),
    "elevenlabs": _Shape(("api_key",), "ElevenLabs API key"),
    "cartesia": _Shape(("api_key",), "Cartesia API key"),
    "google": _Shape(("credentials",), "Google credentials"),
    "azure": _Shape(("api_key", "region"), "Azure Speech subscription key"),
}


def resolve_credentials(
    provider: str,
    auth: Mapping[str, object] | None,
    settings: Settings,
    *,
    known: Callable[[str], bool] = lambda name: canonical(name) in CLOUDS,
) -> tuple[str, Credentials]:
    """Return a provider's canonical name and the credentials to use for this request.

    Args:
        provider: as the client spelled it.
        auth: the request's own credentials; None or empty means the server's.
        settings: those of the server.
        known: tells whether a name means anything here (`Registry.knows`).

    Raises:
        UnsupportedProvider: the name means nothing here.
        InvalidProviderAuth: `auth` is not what this provider needs, complete by itself.
        MissingProviderAuth: there is no `auth`, and the server has nothing either.
    """
    name = canonical(provider)
    if not known(name):
        raise UnsupportedProvider(provider)
    if auth:
        return name, _own_credentials(name, auth)
    return name, _server_credentials(name, settings.providers)


def fingerprint(provider: str, credentials: Credentials) -> str:
    """Return what tells credentials apart without telling them: SHA-256, in hex.

    Args:
        provider: canonical name.
        credentials: as `resolve_credentials` returns them.
    """
    match provider, credentials:
        case "azure", {"api_key": key, "region": region}:
            material = f"azure|{key}|{region}"
        case "google", {"credentials": account}:
            material = f"google|{_sorted_json(account)}"
        case _, {"api_key": key} if len(credentials) == 1:
            material = f"api_key|{key}"
        case _:
            material = f"{provider}|{json.dumps(dict(credentials), sort_keys=True)}"
    return hashlib.sha256(material.encode("utf-8", "surrogatepass")).hexdigest()


def is_configured(name: str, settings: Settings) -> bool:
    """Tell whether the server itself can use a provider; those that need no key always can."""
    if name == "google":  # it may work without a setting, but nobody asked for it then
        return settings.providers.google_credentials is not None
    try:
        _server_credentials(name, settings.providers)
    except MissingProviderAuth:
        return False
    return True


def _own_credentials(name: str, auth: Mapping[str, object]) -> Credentials:
    shape = _SHAPES.get(name)
    if shape is None and name != "local":  # a third party's provider: it knows its own fields
        return {key: _text(name, key, value) for key, value in auth.items()}
    fields = shape.fields if shape is not None else ()
    if unknown := sorted(set(auth) - set(fields)):
        names = ", ".join(unknown)
        raise InvalidProviderAuth(name, f"Unsupported auth field(s) for provider {name}: {names}")
    if name == "google":
        return {"credentials": _google_credentials(auth["credentials"])}
    return {key: _required_text(name, key, auth) for key in fields}


def _required_text(name: str, key: str, auth: Mapping[str, object]) -> str:
    value = _text(name, key, auth[key]) if key in auth else ""
    if not value:
        raise InvalidProviderAuth(name, f"Auth field '{key}' is required for provider {name}")
    if any(unicodedata.category(character) in UNSENDABLE for character in value):
        raise InvalidProviderAuth(
            name, f"Auth field '{key}' must not contain control characters for provider {name}"
        )
    return value


def _text(name: str, key: str, value: object) -> str:
    if not isinstance(value, str):
        raise InvalidProviderAuth(name, f"Auth field '{key}' must be a string for provider {name}")
    return value


def _google_credentials(value: object) -> str:
    """Return a service account as JSON text. A path is refused: callers must not open our files."""
    if isinstance(value, dict):
        return msgspec.json.encode(cast("dict[str, object]", value)).decode()
    if value == "":
        raise InvalidProviderAuth(
            "google", "Auth field 'credentials' is required for provider google"
        )
    if not isinstance(value, str):
        raise InvalidProviderAuth(
            "google",
            "Auth field 'credentials' must be a string or JSON object for provider google",
        )
    if not value.lstrip().startswith("{"):
        raise InvalidProviderAuth(
            "google", "Auth field 'credentials' must hold the JSON itself, not the path of a file"
        )
    return value


def _sorted_json(text: str) -> str:
    """Return JSON with its keys in order; a path, or what else it is, as it stands."""
    try:
        return json.dumps(json.loads(text), sort_keys=True)
    except (ValueError, RecursionError):
        return text


def _server_credentials(name: str, providers: Providers) -> Credentials:
    if name == "google":  # none at all stands for the credentials of the machine
        return {"credentials": _reveal(providers.google_credentials)}
    if name == "azure":
        region = _reveal(providers.azure_speech_region) or DEFAULT_REGION
        return {"api_key": _key(name, providers.azure_speech_subscription_key), "region": region}
    if name in _SHAPES:
        keys = {
            "deepgram": providers.deepgram_api_key,
            "elevenlabs": providers.elevenlabs_api_key,
            "cartesia": providers.cartesia_api_key,
        }
        return {"api_key": _key(name, keys[name])}
    return {}


def _key(name: str, setting: SecretStr | str | None) -> str:
    if not (value := _reveal(setting)):
        title = _SHAPES[name].title
        raise MissingProviderAuth(name, f"{title} not configured in server environment")
    return value


def _reveal(setting: SecretStr | str | None) -> str:
    if setting is None:
        return ""
    return setting.get_secret_value() if isinstance(setting, SecretStr) else setting
