from sayna.conformance import Case, Hearing, Speaking
from sayna.speech.options import RecognizerOptions, SynthesizerOptions
from tests.conformance.reference import REFERENCE


def test_a_case_of_a_name_and_a_factory_has_neither_side() -> None:
    case = Case("reference", REFERENCE.open_provider)
    assert (case.speaking, case.hearing, case.faults) == (None, None, ())


def test_every_format_that_sayna_makes_or_forwards_is_asked_for() -> None:
    formats = Speaking(SynthesizerOptions("reference")).formats
    assert {("linear16", 8_000), ("wav", 24_000), ("mp3", 24_000)} <= set(formats)


def test_every_encoding_that_sayna_converts_is_asked_for() -> None:
    encodings = Hearing(RecognizerOptions("reference")).encodings
    assert {"linear16", "mulaw", "alaw", "linear32"} <= set(encodings)


async def test_a_case_opens_its_provider() -> None:
    async with REFERENCE.open() as provider:
        assert provider.name == "reference"
