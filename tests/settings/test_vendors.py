import os

import pytest
from pydantic import SecretStr, ValidationError

from sayna.settings.vendors import Local, Providers, default_recognizer_processes


@pytest.mark.parametrize(("cores", "processes"), [(1, 1), (2, 2), (64, 2), (None, 1)])
def test_two_processes_recognize_where_there_are_two_cores(
    monkeypatch: pytest.MonkeyPatch, cores: int | None, processes: int
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    assert default_recognizer_processes() == Local().recognizer_processes == processes


def test_every_vendor_has_an_address_but_azure_whose_region_decides() -> None:
    providers = Providers()
    assert providers.deepgram.base_url.startswith("https://")
    assert providers.elevenlabs.ws_url.startswith("wss://")
    assert providers.cartesia.ws_url.startswith("wss://")
    assert providers.google.speech_endpoint.endswith(":443")
    assert providers.azure.base_url is None


def test_empty_google_credentials_are_not_the_same_as_none() -> None:
    assert Providers().google_credentials is None
    assert Providers(google_credentials=SecretStr("")).google_credentials == SecretStr("")


@pytest.mark.parametrize("count", ["0", "-1", "many"])
def test_somebody_must_recognize(count: str) -> None:
    with pytest.raises(ValidationError):
        Local.model_validate({"recognizer_processes": count})


def test_tones_is_off_and_hears_gaps_like_a_vendor() -> None:
    providers = Providers()
    assert providers.tones is False
    assert providers.tones_final_gap_ms < providers.tones_speech_final_gap_ms


@pytest.mark.parametrize("field", ["tones_final_gap_ms", "tones_speech_final_gap_ms"])
def test_a_gap_between_words_ends_nothing(field: str) -> None:
    with pytest.raises(ValidationError):
        Providers.model_validate({field: "99"})


@pytest.mark.parametrize(
    "field",
    [
        "deepgram_api_key",
        "elevenlabs_api_key",
        "cartesia_api_key",
        "azure_speech_subscription_key",
    ],
)
def test_a_vendor_key_is_trimmed_and_must_fit_into_a_header(field: str) -> None:
    kept = getattr(Providers.model_validate({field: " k-1\n"}), field)
    assert kept.get_secret_value() == "k-1"
    with pytest.raises(ValidationError, match="line break"):
        Providers.model_validate({field: "k\n1"})
