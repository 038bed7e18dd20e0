import pytest

from sayna.errors import ProviderMisconfigured
from sayna.providers.local.voices import Catalogue, EspeakVoice, parse_voice
from sayna.speech.protocols import Voice

VOICES = (
    EspeakVoice("gmw/en-US", "English (America)", 1, (("en-us", 2), ("en", 3))),
    EspeakVoice("gmw/en", "English (Great Britain)", 1, (("en-gb", 2), ("en", 2))),
    EspeakVoice("sit/yue", "Cantonese", 2, (("yue", 5), ("zh", 8))),
    EspeakVoice("sit/yue-latn", "Cantonese, latin", 0, (("yue", 5),)),
    EspeakVoice("f3", "f3", 0),
    EspeakVoice("Mr serious", "Mr serious", 0),
)


@pytest.fixture
def catalogue() -> Catalogue:
    return Catalogue([voice.render() for voice in VOICES])


def test_a_voice_survives_the_pipe() -> None:
    assert [parse_voice(voice.render()) for voice in VOICES] == list(VOICES)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("en-us", "gmw/en-US"),
        ("EN_US", "gmw/en-US"),
        ("espeak:en-us", "gmw/en-US"),
        ("en", "gmw/en"),
        ("gmw/en-us", "gmw/en-US"),
        ("english (america)", "gmw/en-US"),
        ("en-gb+F3", "gmw/en+f3"),
        ("en-gb+mr serious", "gmw/en+Mr serious"),
        ("yue", "sit/yue"),
    ],
)
def test_a_voice_is_found_by_any_of_its_names(
    catalogue: Catalogue, wanted: str, found: str
) -> None:
    assert catalogue.find(wanted) == found


@pytest.mark.parametrize("wanted", ["xx", "en-us+nope", "+f3", "../etc", "en-us+", "espeak:"])
def test_a_voice_that_is_not_there_is_named(catalogue: Catalogue, wanted: str) -> None:
    with pytest.raises(ProviderMisconfigured) as caught:
        catalogue.find(wanted)
    assert repr(wanted) in caught.value.detail


def test_every_voice_is_listed_under_an_id_that_finds_it(catalogue: Catalogue) -> None:
    entries = catalogue.listing()
    assert entries == [
        Voice("en-gb", "English (Great Britain)", "English", "British", "Male"),
        Voice("en-us", "English (America)", "English", "American", "Male"),
        Voice("sit/yue-latn", "Cantonese, latin", "Cantonese", "Standard", "Unknown"),
        Voice("yue", "Cantonese", "Cantonese", "Standard", "Female"),
    ]
    assert [catalogue.find(entry.id) for entry in entries] == [
        "gmw/en", "gmw/en-US", "sit/yue-latn", "sit/yue",
    ]  # fmt: skip
