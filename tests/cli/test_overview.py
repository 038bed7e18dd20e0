"""A start tells what is on and what is off, and nothing secret."""

from pathlib import Path

import pytest

from sayna.cli import overview as module
from sayna.cli.overview import (
    auth_mode,
    clouds_with_credentials,
    installed_engines,
    overview,
    speakers,
)
from sayna.settings.load import load_settings
from sayna.settings.tree import Settings


def settings_of(folder: Path, **environ: str) -> Settings:
    return load_settings(environ=environ, cwd=folder).settings


def parts(settings: Settings) -> dict[str, str]:
    return {line.split()[0]: line.split(maxsplit=1)[1] for line in overview(settings)}


def test_with_nothing_set_all_is_off_but_what_is_installed(tmp_path: Path) -> None:
    shown = parts(settings_of(tmp_path))
    assert shown["auth"] == "off"
    assert shown["livekit"] == shown["sip"] == shown["recording"] == "off"
    assert shown["cache"] == "in memory"
    assert shown["models"] == "off (no cache path)"


def test_what_is_set_is_on_and_no_secret_is_shown(tmp_path: Path) -> None:
    settings = settings_of(
        tmp_path,
        AUTH_REQUIRED="true",
        AUTH_API_SECRETS_JSON='[{"id": "a", "secret": "hush-1"}, {"id": "b", "secret": "hush-2"}]',
        DEEPGRAM_API_KEY="hush-3",
        LIVEKIT_API_KEY="hush-4",
        LIVEKIT_API_SECRET="hush-5",  # noqa: S106 - means nothing
        CACHE_PATH=str(tmp_path / "cache"),
    )
    shown = parts(settings)
    assert shown["auth"] == "api secrets (2)"
    assert shown["providers"].startswith("deepgram")
    assert shown["livekit"] == "on"
    assert shown["cache"] == str(tmp_path / "cache")
    assert shown["models"] == "2 not fetched (sayna init)"
    assert "hush" not in "\n".join(overview(settings))


def test_without_any_engine_or_key_there_is_no_provider(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "find_spec", lambda _name: None)
    assert installed_engines() == []
    assert parts(settings_of(tmp_path))["providers"] == "none"


def test_engines_are_named_when_their_module_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: name == "vosk" or None)
    assert installed_engines() == ["vosk"]


def test_a_service_is_asked_when_there_are_no_secrets(tmp_path: Path) -> None:
    key = tmp_path / "key.pem"
    key.write_text("looked at later")
    settings = settings_of(
        tmp_path,
        AUTH_REQUIRED="true",
        AUTH_SERVICE_URL="http://127.0.0.1:9/auth",
        AUTH_SIGNING_KEY_PATH=str(key),
    )
    assert auth_mode(settings) == "delegated"


def test_clouds_are_listed_in_the_order_in_which_they_are_tried(tmp_path: Path) -> None:
    settings = settings_of(
        tmp_path, AZURE_SPEECH_SUBSCRIPTION_KEY="a", CARTESIA_API_KEY="c", DEEPGRAM_API_KEY="d"
    )
    assert clouds_with_credentials(settings) == ["deepgram", "cartesia", "azure"]


def test_a_key_without_an_adapter_is_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_of(tmp_path, DEEPGRAM_API_KEY="hush", CARTESIA_API_KEY="hush")
    monkeypatch.setattr(module, "installed_providers", lambda _: ["cartesia", "local", "morse"])
    monkeypatch.setattr(module, "installed_engines", lambda: ["espeak-ng"])
    assert speakers(settings) == [
        "deepgram (key set, but no adapter installed)",
        "cartesia",
        "local (espeak-ng)",
        "morse",
    ]
