import json

import pytest

from sayna.errors import ProviderRefused
from sayna.providers.deepgram.voices import parse_voices, voices_request
from sayna.speech.protocols import Voice


def model(identity: str, **about: object) -> dict[str, object]:
    return {"name": identity.split("-")[-2], "canonical_name": identity, **about}


def parse(*models: object) -> list[Voice]:
    return list(parse_voices(json.dumps({"stt": [], "tts": models}).encode()))


def test_the_list_is_asked_for_with_the_key_in_a_header() -> None:
    request = voices_request("http://vendor.test/", "k")
    assert (request.url, request.body) == ("http://vendor.test/v1/models", None)
    assert request.headers == {"authorization": "Token k"}


def test_a_model_becomes_a_voice() -> None:
    about = {"accent": "American", "sample": "https://x.example/t.wav", "tags": ["feminine"]}
    assert parse(model("aura-2-thalia-en", languages=["en", "en-US"], metadata=about)) == [
        Voice(
            "aura-2-thalia-en", "thalia", "English", "American", "Female", "https://x.example/t.wav"
        )
    ]


@pytest.mark.parametrize(
    ("tags", "gender"),
    [
        (["masculine"], "Male"),
        (["male"], "Male"),
        (["female"], "Female"),
        (["feminine", "masculine"], "Female"),
        (["calm"], "Unknown"),
        ([], "Unknown"),
        (None, "Unknown"),
    ],
)
def test_a_gender_is_a_whole_tag(tags: object, gender: str) -> None:
    assert parse(model("aura-2-x-en", metadata={"tags": tags}))[0].gender == gender


@pytest.mark.parametrize(
    ("languages", "language"),
    [(["en-GB"], "English"), (["es"], "es"), ([], "Unknown"), (None, "Unknown")],
)
def test_english_is_named_and_other_languages_keep_their_code(
    languages: object, language: str
) -> None:
    assert parse(model("aura-2-x-en", languages=languages))[0].language == language


def test_a_model_without_metadata_is_a_voice_all_the_same() -> None:
    assert parse(model("aura-bare-en")) == [Voice("aura-bare-en", "bare")]


def test_a_voice_is_listed_once_and_only_if_it_can_be_spoken_with() -> None:
    found = parse(model("aura-a-en"), model("aura-a-en"), model("flux-b-en"), {"name": "x"}, 7)
    assert [voice.id for voice in found] == ["aura-a-en"]


def test_a_list_without_voices_is_empty() -> None:
    assert parse_voices(b"{}") == []
    assert parse_voices(b'{"tts":null}') == []


@pytest.mark.parametrize("body", [b"", b"[]", b"<html>", b"\xff"])
def test_what_is_no_list_is_an_error(body: bytes) -> None:
    with pytest.raises(ProviderRefused, match="makes no sense"):
        parse_voices(body)
