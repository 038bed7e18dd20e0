from pathlib import Path

import pytest

from sayna.settings.leaves import leaf_at
from sayna.settings.problems import Problems
from sayna.settings.shape import branches, check_sections, drop_unknown, hint, unknown_keys
from sayna.settings.sources import parse_yaml

FILE = Path("c.yaml")


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("server: []\n", "server"),
        ("server: x\n", "server"),
        ("session:\n  turn: 5\n", "session.turn"),
    ],
)
def test_a_section_that_is_none_is_refused(text: str, path: str) -> None:
    problems = Problems()
    check_sections(parse_yaml(text, FILE), problems)
    assert problems.spoiled(path)
    assert "must be a section" in problems.lines[0]


def test_a_null_section_is_left_out() -> None:
    problems = Problems()
    check_sections(parse_yaml("server:\nsip:\n", FILE), problems)
    assert problems.lines == []


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        (
            "server:\n  prot: 1\n",
            "server.prot (c.yaml line 2) is unknown and ignored; did you mean server.port?",
        ),
        ("sevrer: {}\n", "did you mean server?"),
        ("deepgram_api_key: k\n", "did you mean providers.deepgram_api_key?"),
        ("recording:\n  backend:\n    buckett: b\n", "did you mean recording.backend.bucket?"),
        ("vad: {threshold: 1}\n", "vad (c.yaml line 1) is unknown"),
        ("1: x\n", "1 (c.yaml line 1) is unknown"),
    ],
)
def test_an_unknown_key_is_told_once_with_the_closest_known(text: str, warning: str) -> None:
    (told,) = unknown_keys(parse_yaml(text, FILE))
    assert warning in told


def test_the_keys_of_every_backend_are_known() -> None:
    text = "recording:\n  backend: {type: s3, credentials_path: x, region: r, path: p}\n"
    assert list(unknown_keys(parse_yaml(text, FILE))) == []
    assert len(branches()["recording.backend"]) == 3


def test_a_hint_is_given_even_when_nothing_is_close() -> None:
    assert hint("zzzz").startswith("; did you mean ")


def test_entries_of_a_list_lose_what_nobody_asked() -> None:
    field = leaf_at("auth.api_secrets").field
    entries = [{"id": "a", "secret": "s", "z": 1}, "odd"]
    assert drop_unknown(field, entries) == ([{"id": "a", "secret": "s"}, "odd"], {"z"})


@pytest.mark.parametrize("path", ["server.port", "sip.allowed_addresses"])
def test_plain_values_are_left_alone(path: str) -> None:
    assert drop_unknown(leaf_at(path).field, ["x"]) == (["x"], set())
