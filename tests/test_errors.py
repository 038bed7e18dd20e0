from collections.abc import Iterator

import pytest

from sayna.errors import (
    ConnectionFailed,
    ProviderAuthFailed,
    ProviderMisconfigured,
    ProviderRefused,
    SaynaError,
    SettingsInvalid,
    UnsupportedProvider,
)


def family(kind: type[SaynaError]) -> Iterator[type[SaynaError]]:
    for child in kind.__subclasses__():
        yield child
        yield from family(child)


def test_every_error_has_a_code_of_its_own() -> None:
    codes = [kind.__dict__.get("code") for kind in family(SaynaError)]
    assert None not in codes
    assert len(codes) == len(set(codes))


@pytest.mark.parametrize(
    ("error", "stt_text", "tts_text"),
    [
        (ConnectionFailed("x"), "Connection failed: x", "Connection failed: x"),
        (ProviderAuthFailed("x"), "Authentication failed: x", "Connection failed: x"),
        (ProviderMisconfigured("x"), "Configuration error: x", "Invalid configuration: x"),
        (ProviderRefused("x"), "Provider error: x", "Provider error: x"),
    ],
)
def test_a_provider_error_reads_as_its_kind_on_each_side(
    error: ConnectionFailed, stt_text: str, tts_text: str
) -> None:
    assert (error.stt_text, error.tts_text) == (stt_text, tts_text)


def test_unsound_settings_keep_every_problem() -> None:
    error = SettingsInvalid(["server.port: too large", "auth.required: not a boolean"])
    assert error.problems == ("server.port: too large", "auth.required: not a boolean")
    assert str(error).count("\n") == 1


def test_an_unknown_provider_is_named_in_lower_case() -> None:
    assert str(UnsupportedProvider("FooBar")) == "Unsupported provider: foobar"
