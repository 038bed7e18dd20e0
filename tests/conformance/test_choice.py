from dataclasses import replace
from pathlib import Path

import pytest

from sayna.audio.wav import render_header
from sayna.conformance.case import SENTENCE, Case
from sayna.conformance.choice import CannotChoose, Wish, choose
from sayna.settings.tree import Settings
from sayna.settings.vendors import Providers
from tests.conformance.reference import REFERENCE, Reference, speech_of

TONES = Settings(providers=Providers(tones=True))
ALONE = REFERENCE
HERE = "tests.conformance.test_choice"


async def heard(case: Case) -> bytes:
    assert case.hearing is not None
    assert case.hearing.speech is not None
    async with case.open() as provider:
        return await case.hearing.speech(provider)


async def test_a_name_is_an_installed_provider_that_hears_itself() -> None:
    case = choose("TONES", TONES, Wish())
    assert case.name == "tones"
    assert case.settings is TONES
    assert case.hearing is not None
    assert case.hearing.words == SENTENCE
    assert len(await heard(case)) > 16_000


@pytest.mark.parametrize(
    ("name", "wish", "why"),
    [
        ("tones", Wish(), r"no provider 'tones' is installed or switched on.*local"),
        ("local", Wish(reference="nonsense"), "must be MODULE:NAME"),
        ("local", Wish(reference="no.such.module:CASE"), "No module named 'no'"),
        ("local", Wish(reference=f"{HERE}:MISSING"), "MISSING"),
        ("local", Wish(reference=f"{HERE}:HERE"), r"no case 'local' \(it has none\)"),
        ("local", Wish(reference=f"{HERE}:TONES"), "no Case, nor a list"),
        ("local", Wish(reference=f"{HERE}:ALONE"), r"no case 'local' \(it has reference\)"),
        ("local", Wish(listens=False, speaks=False), "nothing of local is left"),
        ("local", Wish(recording=Path("none.wav")), "--recording needs --words"),
        ("local", Wish(recording=Path("none.wav"), words="x"), r"none\.wav: .*No such file"),
        ("local", Wish(recording=Path(__file__), words="x"), "not a WAV file"),
    ],
)
def test_what_cannot_be_is_refused_with_its_cure(name: str, wish: Wish, why: str) -> None:
    with pytest.raises(CannotChoose, match=why):
        choose(name, Settings(), wish)


def test_a_declared_case_has_the_settings_of_the_command() -> None:
    case = choose("reference", TONES, Wish(reference=f"{HERE}:ALONE"))
    assert case == replace(REFERENCE, settings=TONES)


def test_a_vendor_without_a_key_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    point = type("Point", (), {"load": lambda self: Reference})()
    monkeypatch.setattr("sayna.conformance.choice.offered", lambda _: {"deepgram": point})
    with pytest.raises(CannotChoose, match="Deepgram API key not configured"):
        choose("deepgram", Settings(), Wish())


def test_options_and_sides_are_changed_as_wished() -> None:
    wish = Wish(listening={"model": "m", "sample_rate": 8_000}, speaking={"voice_id": "v"})
    case = choose("local", Settings(), wish)
    assert case.hearing is not None
    assert case.speaking is not None
    assert (case.hearing.options.model, case.hearing.options.sample_rate) == ("m", 8_000)
    assert case.speaking.options.voice_id == "v"
    assert choose("local", Settings(), Wish(listens=False)).hearing is None
    only_listens = choose("local", Settings(), Wish(speaks=False))
    assert only_listens.speaking is None
    assert only_listens.hearing is not None
    assert only_listens.hearing.speech is None


async def test_a_recording_is_brought_to_the_rate_of_the_recognizer(tmp_path: Path) -> None:
    file = tmp_path / "open.wav"
    file.write_bytes(render_header(16_000) + speech_of("open"))
    wish = Wish(recording=file, words="open", listening={"sample_rate": 8_000})
    case = choose("reference", Settings(), replace(wish, reference=f"{HERE}:ALONE"))
    assert case.hearing is not None
    assert case.hearing.words == "open"
    assert len(await heard(case)) == pytest.approx(len(speech_of("open")) / 2, rel=0.05)
