from dataclasses import replace

import pytest

from sayna.errors import ProviderMisconfigured
from sayna.providers.deepgram.options import ENCODINGS, listen_query, plan_speaking, render_query
from sayna.speech.options import RecognizerOptions, SynthesizerOptions
from sayna.speech.protocols import AudioFormat

HEARD = RecognizerOptions("deepgram", model="nova-3")
SAID = SynthesizerOptions("deepgram", model="aura-2-thalia-en")
USUAL = (
    "model=nova-3&language=en-US&sample_rate=16000&channels=1&punctuate=true"
    "&interim_results=true&smart_format=true&encoding=linear16&endpointing=200"
)


def test_the_usual_stream_is_asked_for_as_it_always_was() -> None:
    assert listen_query(HEARD) == USUAL


@pytest.mark.parametrize(
    ("change", "was", "becomes"),
    [
        ({"channels": 2, "sample_rate": 48_000}, "=16000&channels=1", "=48000&channels=2"),
        ({"encoding": "mulaw"}, "encoding=linear16", "encoding=mulaw"),
        ({"encoding": "ulaw"}, "encoding=linear16", "encoding=mulaw"),
        ({"encoding": "PCM"}, "encoding=linear16", "encoding=linear16"),
        ({"language": "multi"}, "language=en-US", "language=multi"),
        ({"language": " "}, "&language=en-US", ""),
        ({"model": ""}, "model=nova-3", "model=nova-3"),
        ({"model": "a&b=c d/ü"}, "model=nova-3", "model=a%26b%3Dc%20d%2F%C3%BC"),
        ({"punctuation": False}, "punctuate=true", "punctuate=false"),
    ],
)
def test_a_stream_is_asked_for_in_deepgrams_words(
    change: dict[str, object], was: str, becomes: str
) -> None:
    assert listen_query(replace(HEARD, **change)) == USUAL.replace(was, becomes)  # type: ignore[arg-type]


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_every_encoding_of_deepgram_can_be_heard(encoding: str) -> None:
    assert f"encoding={encoding}&" in listen_query(replace(HEARD, encoding=encoding))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"encoding": "mp3"}, r"stt_config\.encoding 'mp3'"),
        ({"encoding": ""}, r"stt_config\.encoding ''"),
        ({"sample_rate": 0}, r"stt_config\.sample_rate must be positive, not 0"),
        ({"channels": 0}, r"stt_config\.channels must be positive, not 0"),
        ({"model": "flux-general-en"}, "Flux models are not supported yet"),
    ],
)
def test_what_deepgram_cannot_hear_is_refused(change: dict[str, object], told: str) -> None:
    with pytest.raises(ProviderMisconfigured, match=told):
        listen_query(replace(HEARD, **change))  # type: ignore[arg-type]


def test_a_query_keeps_its_order_and_is_encoded() -> None:
    assert render_query({"b": "1 2", "a": "&"}) == "b=1%202&a=%26"


RAW = "model=aura-2-thalia-en&encoding={}&container=none&sample_rate={}"


@pytest.mark.parametrize(
    ("name", "rate", "encoding", "asked_rate", "converts"),
    [
        ("linear16", 8_000, "linear16", 8_000, False),
        ("linear16", 16_000, "linear16", 16_000, False),
        ("linear16", 24_000, "linear16", 24_000, False),
        ("linear16", 32_000, "linear16", 32_000, False),
        ("linear16", 48_000, "linear16", 48_000, False),
        ("linear16", 11_025, "linear16", 16_000, True),
        ("linear16", 22_050, "linear16", 24_000, True),
        ("linear16", 44_100, "linear16", 48_000, True),
        ("pcm", 24_000, "linear16", 24_000, False),
        ("mulaw", 8_000, "mulaw", 8_000, False),
        ("mulaw", 16_000, "mulaw", 16_000, False),
        ("ulaw", 8_000, "mulaw", 8_000, False),
        ("mulaw", 24_000, "linear16", 24_000, True),
        ("alaw", 8_000, "alaw", 8_000, False),
        ("alaw", 44_100, "linear16", 48_000, True),
        ("wav", 24_000, "linear16", 24_000, True),
        ("wav", 22_050, "linear16", 24_000, True),
    ],
)
def test_samples_come_as_asked_or_are_made_from_better_ones(
    name: str, rate: int, encoding: str, asked_rate: int, converts: bool
) -> None:
    plan = plan_speaking(replace(SAID, audio_format=name, sample_rate=rate))
    assert plan.query == RAW.format(encoding, asked_rate)
    assert plan.socket_query == plan.query.replace("&container=none", "")
    assert plan.delivers == AudioFormat(name, rate)
    assert plan.converts_from == (asked_rate if converts else None)


@pytest.mark.parametrize(
    ("name", "rate", "query", "delivered_rate"),
    [
        ("mp3", 24_000, "encoding=mp3", 22_050),
        ("mpeg", 24_000, "encoding=mp3", 22_050),
        ("aac", 24_000, "encoding=aac", 22_050),
        ("opus", 24_000, "encoding=opus&container=ogg", 48_000),
        ("ogg", 24_000, "encoding=opus&container=ogg", 48_000),
        ("ogg_opus", 24_000, "encoding=opus&container=ogg", 48_000),
        ("ogg-opus", 24_000, "encoding=opus&container=ogg", 48_000),
        ("flac", 22_050, "encoding=flac&sample_rate=22050", 22_050),
        ("flac", 24_000, "encoding=flac&sample_rate=32000", 32_000),
        ("weird", 24_000, "encoding=weird&sample_rate=24000", 24_000),
    ],
)
def test_coded_audio_is_declared_at_the_rate_it_really_has(
    name: str, rate: int, query: str, delivered_rate: int
) -> None:
    plan = plan_speaking(replace(SAID, audio_format=name, sample_rate=rate))
    assert plan.query == f"model=aura-2-thalia-en&{query}"
    assert plan.delivers == AudioFormat(name, delivered_rate)
    assert plan.socket_query is None
    assert plan.converts_from is None


@pytest.mark.parametrize("name", ["", "LINEAR16"])
def test_the_name_of_a_format_may_be_missing_or_written_large(name: str) -> None:
    assert plan_speaking(replace(SAID, audio_format=name)).delivers.name == "linear16"


@pytest.mark.parametrize(("name", "rate"), [("linear16", 50), ("wav", 0), ("mp3", 0), ("flac", -1)])
def test_an_impossible_rate_is_refused(name: str, rate: int) -> None:
    with pytest.raises(ProviderMisconfigured, match=r"tts_config\.sample_rate"):
        plan_speaking(replace(SAID, audio_format=name, sample_rate=rate))


@pytest.mark.parametrize(
    ("model", "voice", "wanted"),
    [
        ("aura-2-thalia-en", "aura-luna-en", "aura-2-thalia-en"),
        ("", "aura-luna-en", "aura-luna-en"),
        ("aura-2", "aura-luna-en", "aura-luna-en"),
        ("aura-2", None, "aura-asteria-en"),
        ("AURA", "aura-luna-en", "aura-luna-en"),
        ("m", "aura-luna-en", "m"),
        ("a&b", "aura-luna-en", "a%26b"),
        ("", "", "aura-asteria-en"),
    ],
)
def test_a_model_that_names_a_voice_beats_the_voice(
    model: str, voice: str | None, wanted: str
) -> None:
    plan = plan_speaking(replace(SAID, model=model, voice_id=voice))
    assert plan.query.startswith(f"model={wanted}&")


@pytest.mark.parametrize(("model", "voice"), [("flux-thalia-en", None), ("", "flux-thalia-en")])
def test_a_voice_of_another_protocol_is_refused(model: str, voice: str | None) -> None:
    with pytest.raises(ProviderMisconfigured, match="not supported yet"):
        plan_speaking(replace(SAID, model=model, voice_id=voice))


@pytest.mark.parametrize(
    ("rate", "asked"),
    [
        (1.0, ""),
        (1.2, "&speed=1.2"),
        (2.0, "&speed=1.5"),
        (1e39, "&speed=1.5"),
        (0.1, "&speed=0.7"),
        (0.0, ""),
        (-1.0, ""),
        (float("nan"), ""),
    ],
)
def test_a_speed_stays_within_deepgrams_limits(rate: float, asked: str) -> None:
    plan = plan_speaking(replace(SAID, speaking_rate=rate))
    assert plan.query == RAW.format("linear16", 24_000) + asked


@pytest.mark.parametrize("voice", ["aura-asteria-en", "aura-2-viktoria-de"])
def test_a_voice_without_a_speed_is_not_asked_for_one(voice: str) -> None:
    assert "speed" not in plan_speaking(replace(SAID, model=voice, speaking_rate=1.2)).query
