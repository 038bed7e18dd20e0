"""`sayna conformance` runs the kit in this process; its status is that of pytest."""

import re
import shlex
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from sayna.cli.conformance import given
from tests.cli.running import run

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "howto" / "check-a-provider.md"
MORSE = ROOT / "examples" / "morse_provider"
TONES = {"TONES_PROVIDER": "true"}


def test_options_are_sorted_by_their_side() -> None:
    fields = {"stt_model": "m", "stt_language": None, "tts_sample_rate": 8_000}
    assert given(fields, "stt") == {"model": "m"}
    assert given(fields, "tts") == {"sample_rate": 8_000}


def test_without_pytest_the_cure_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    without = lambda name: None if name == "pytest" else find_spec(name)  # noqa: E731
    monkeypatch.setattr("sayna.cli.conformance.find_spec", without)
    result = run("conformance", "local")
    assert result.exit_code == 1
    assert result.stderr == "Error: pytest missing: pip install 'sayna[conformance]'\n"


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["nobody"], "no provider 'nobody' is installed"),
        (["local", "--recognizer-only", "--synthesizer-only"], "leave nothing to check"),
    ],
)
def test_what_cannot_be_checked_is_refused(arguments: list[str], why: str) -> None:
    result = run("conformance", *arguments)
    assert result.exit_code == 1
    assert why in result.stderr


def test_an_installed_provider_that_keeps_the_rules_is_green() -> None:
    result = run("conformance", "tones", "--tts-rate", "8000", "--", "-k", "cancel", env=TONES)
    assert result.exit_code == 0, result.output


AUTHOR = """
from contextlib import asynccontextmanager

from sayna.conformance import Case, Speaking
from sayna.speech.options import SynthesizerOptions


class Loud:
    name = "LOUD"


@asynccontextmanager
async def open_provider(settings):
    yield Loud()


CASE = Case("loud", open_provider, Speaking(SynthesizerOptions("loud")))
"""


def test_a_broken_rule_ends_with_status_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "loud_case.py").write_text(AUTHOR)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delitem(sys.modules, "loud_case", raising=False)
    result = run("conformance", "loud", "--case", "loud_case:CASE", "--", "-k", "name_is")
    assert result.exit_code == 1
    said = result.output + capfd.readouterr().out
    assert "Provider.name is 'LOUD', the case and the entry point say 'loud'" in said
    assert "The rule" in said


def test_the_documented_example_is_checked_by_the_documented_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    page = PAGE.read_text(encoding="utf-8")
    (code,) = re.findall(r"^```python\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    assert code == (MORSE / "morse_case.py").read_text(encoding="utf-8")
    (line,) = re.findall(r"^sayna (conformance morse .*)$", page, re.MULTILINE)
    monkeypatch.chdir(MORSE)
    monkeypatch.setattr(sys, "path", [*sys.path])
    result = run(*shlex.split(line))
    assert result.exit_code == 0, result.output
