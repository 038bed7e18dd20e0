import pytest
from pydantic import ValidationError

from sayna.api.speak_request import SpeakRequest, TtsConfig, VoiceSettings, to_options, to_rules
from sayna.errors import InvalidRequest
from sayna.speech.options import Pronunciation, SynthesizerOptions


def test_nothing_said_is_the_default() -> None:
    nulls = dict.fromkeys(VoiceSettings.model_fields)
    for chosen in (VoiceSettings(), VoiceSettings.model_validate(nulls)):
        assert to_options("local", {}, chosen) == SynthesizerOptions("local")
        assert to_rules(chosen) == []


def test_only_deepgram_has_a_default_voice_of_ours() -> None:
    assert to_options("deepgram", {}, VoiceSettings()).voice_id == "aura-asteria-en"
    assert to_options("azure", {}, VoiceSettings()).voice_id is None


def test_a_speed_that_makes_no_sense_is_normal_speed() -> None:
    for speed in (0, -1.5):
        assert to_options("local", {}, VoiceSettings(speaking_rate=speed)).speaking_rate == 1.0
    assert to_options("local", {}, VoiceSettings(speaking_rate=2)).speaking_rate == 2


@pytest.mark.parametrize("rate", [0, 7999, 192_001, 2**32 - 1])
def test_a_rate_beyond_reason_is_refused_by_name(rate: int) -> None:
    with pytest.raises(InvalidRequest, match="sample_rate"):
        to_options("local", {}, VoiceSettings(sample_rate=rate))


def test_timeouts_are_bounded() -> None:
    options = to_options("local", {}, VoiceSettings(connection_timeout=2**64 - 1))
    assert options.connection_timeout_s == 600
    with pytest.raises(InvalidRequest, match="connection_timeout"):
        to_options("local", {}, VoiceSettings(connection_timeout=0))


def test_fields_beside_the_text_win_over_voice_settings() -> None:
    request = SpeakRequest.model_validate(
        {"text": "a", "voice_id": "mine", "voice_settings": {"voice_id": "x", "sample_rate": 8000}}
    )
    assert request.is_flat
    assert (request.chosen.voice_id, request.chosen.sample_rate) == ("mine", 8000)


def test_a_tts_config_wins_over_everything_beside_it_even_nonsense() -> None:
    request = SpeakRequest.model_validate(
        {"text": "a", "provider": 5, "voice_settings": [], "tts_config": {"provider": "p"}}
    )
    assert not request.is_flat
    assert request.chosen == TtsConfig(provider="p")
    assert request.provider_wish == "p"


@pytest.mark.parametrize("value", ["1", True, 1.0, [], {}])
def test_types_are_never_coerced(value: object) -> None:
    with pytest.raises(ValidationError):
        VoiceSettings.model_validate({"sample_rate": value})


def test_rules_keep_their_order() -> None:
    rules = [{"word": "a", "pronunciation": "b"}, {"word": "a", "pronunciation": "c", "z": 1}]
    chosen = VoiceSettings.model_validate({"pronunciations": rules})
    assert to_rules(chosen) == [Pronunciation("a", "b"), Pronunciation("a", "c")]
